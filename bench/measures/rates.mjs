/** Rates of an engine that is open, by wall clock around its public API. */

/** Decode is (t(long) − t(short)) / (long − short), after a prompt of DEPTH tokens. */
export const [SHORT, LONG, DEPTH] = [48, 96, 16]

const ATTEMPTS = 5
const SLOW_MS = 20_000

/**
 * Tokens a second of a prompt: an answer of one token.
 * @param {import('../run.mjs').Run} run
 * @param {import('../engines/engine.mjs').Engine} engine
 * @param {import('../files.mjs').ModelFile} file
 */
export async function prefillRate(run, engine, file, promptTokens) {
  const { ms } = await engine.call('answer', { promptTokens, vocab: file.vocab, count: 1, salt: run.salt() })
  return (promptTokens / ms) * 1000
}

/** Tokens a second of decoding one answer. */
export async function decodeRate(run, engine, file, { short = SHORT, long = LONG, sampling = 'greedy' } = {}) {
  const time = async (count) => (await engine.call('answer', { promptTokens: DEPTH, vocab: file.vocab, count, salt: run.salt(), sampling })).ms
  return rateBetween(engine, time, { short, long })
}

/**
 * Tokens a second by the time by which an answer of `long` tokens takes longer than one of `short`. Where something else
 * had the machine for so long that there is none, both are measured again. Of an engine that takes more than SLOW_MS for the short
 * one, that has to do: its prompt is no matter then.
 * @param {{ name: string }} engine
 * @param {(count: number) => Promise<number>} time milliseconds of an answer of so many tokens
 */
export async function rateBetween(engine, time, { short = SHORT, long = LONG } = {}) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const less = await time(short)
    if (less > SLOW_MS) return (short / less) * 1000
    const ms = (await time(long)) - less
    if (ms > 0) return ((long - short) / ms) * 1000
  }
  throw new Error(`${ATTEMPTS} times, an answer of ${long} tokens took ${engine.name} no longer than one of ${short}: this machine is too busy to measure on`)
}
