/**
 * What wick has set itself to reach, beside what a run found. Bars are for AVX2 (`--cpu avx2`) and a quiet machine.
 */

/**
 * @typedef {object} Measured what a bar needs of a figure
 * @property {string} measure
 * @property {string} engine
 * @property {number} median
 * @property {string} [unit]
 * @property {number} [threads]
 * @property {{ name: string, bytes: number, kvBytes?: number }} [file]
 *
 * @typedef {object} Bar
 * @property {RegExp} measure
 * @property {RegExp} [file]
 * @property {number} [threads]
 * @property {string} of the engine or way that is held to it
 * @property {string} [over] the engine that its value is divided by
 * @property {number} [least]
 * @property {number} [most]
 */

/** @type {Bar[]} */
const BARS = [
  { measure: /^decode$/, file: /^tinyllama-q4_k_m$/, of: 'wick', over: 'llama.cpp', least: 1.15 },
  { measure: /^decode$/, file: /^(llama-267m|qwen3-0.6b)-q8_0$/, of: 'wick', over: 'llama.cpp', least: 1.1 },
  { measure: /^decode$/, file: /q4_k_m|267m|qwen3/, threads: 1, of: 'wick', over: 'node-llama-cpp', least: 1.25 },
  { measure: /^decode$/, file: /q4_k_m|267m|qwen3/, threads: 2, of: 'wick', over: 'node-llama-cpp', least: 1.5 },
  ...['llama.cpp', 'node-llama-cpp'].flatMap((over) => [
    { measure: /^prefill (257|2048)$/, file: /q4_k_m$/, of: 'wick', over, least: 1.5 },
    { measure: /^prefill (257|2048)$/, file: /q8_0$/, of: 'wick', over, least: 1.25 },
  ]),
  { measure: /^load and first token$/, of: 'wick', over: 'node-llama-cpp', most: 0.5 },
  { measure: /^resident$/, of: 'wick', over: 'file + KV', most: 1.15 },
  { measure: /^crossing CPU, 1 a burst$/, of: 'wick, session', over: 'C++ callback', most: 2 },
  { measure: /^crossing CPU, 16 a burst$/, of: 'wick, session', most: 3 },
  { measure: /^decode, 8 at once$/, file: /^tinyllama-q4_k_m$/, of: 'wick', over: 'node-llama-cpp', least: 2.2 },
  { measure: /^decode, 8 at once$/, file: /^tinyllama-q4_k_m$/, of: 'wick', over: 'llama.cpp', least: 1.6 },
  { measure: /^decode, 8 at once$/, file: /^llama-267m-q8_0$/, of: 'wick', over: 'node-llama-cpp', least: 1.5 },
  { measure: /^decode, 16 at once, to 8$/, of: 'wick', least: 1 },
  { measure: /^slowest of 16 at once$/, of: 'wick', least: 0.5 },
  { measure: /^join of 2000: longest gap$/, of: 'wick', most: 5 },
  { measure: /^join of 2000: first token$/, of: 'wick', most: 2 },
  { measure: /^abort in 2000: start of another, worst$/, of: 'wick', most: 50 },
  { measure: /^second turn, first token$/, of: 'wick', most: 1.2 },
  { measure: /^drafts: summary that quotes$/, of: 'gain', least: 1.5 },
  { measure: /^drafts: /, of: 'gain', least: 0.95 },
  { measure: /in common: (computed|stored)$/, of: 'wick', most: 1 },
]

/**
 * Every bar that the figures say something of: what, the value, what it is to be, and whether it is.
 * @param {readonly Measured[]} figures
 * @param {number} windowTokens whose keys and values are resident
 */
export function bars(figures, windowTokens) {
  return BARS.flatMap(({ measure, file, threads, of, over, least, most }) =>
    figures
      .filter((one) => measure.test(one.measure) && one.engine === of && (!file || file.test(one.file?.name ?? '')) && (!threads || one.threads === threads))
      .flatMap((one) => {
        const under = over === undefined ? 1 : divisor(figures, one, over, windowTokens)
        if (under === undefined) return []
        const value = one.median / under
        const where = [one.file?.name, one.threads && `${one.threads} ${one.threads === 1 ? 'thread' : 'threads'}`].filter(Boolean).join(', ')
        return [
          {
            what: [one.measure, where].filter(Boolean).join(' · '),
            value,
            unit: over === undefined ? one.unit : `of ${over}`,
            bar: least === undefined ? `≤ ${most}` : `≥ ${least}`,
            met: least === undefined ? value <= (most ?? NaN) : value >= least,
          },
        ]
      }),
  )
}

function divisor(figures, one, over, windowTokens) {
  if (over === 'file + KV') return one.file.kvBytes && (one.file.bytes + windowTokens * one.file.kvBytes) / 1e6
  return figures.find((other) => other.engine === over && other.measure === one.measure && other.file === one.file && other.threads === one.threads)?.median
}
