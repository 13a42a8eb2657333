/** Decode of several answers at once: tokens a second of all together, and how far the slowest is behind. */
import { record } from '../contest.mjs'
import { batchedBenchRate } from '../engines/llama-cpp.mjs'
import { contestants, openEngines, variantsOf } from '../engines/open.mjs'
import { mean, median } from '../pure/statistics.mjs'
import { DEPTH, LONG, rateBetween, SHORT } from './rates.mjs'

/** How many answers; the first decides which ways to run a peer are tried with the others. */
const COUNTS = [8, 16, 4, 2, 1]

/**
 * The peer has one context with as many sequences as there are answers. A batch is a token of each here, whatever its size might be,
 * so flash attention is all there is to choose.
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function many(run, file, threads) {
  const engines = await openEngines(run, file, { threads, contextTokens: 256 })
  const contenders = new Map()
  const reached = new Map()
  try {
    for (const answers of COUNTS) {
      const cell = { run, file, threads, engines, answers, variants: (name) => contenders.get(name) ?? variantsOf(name, [512]) }
      const results = await together(cell)
      for (const { engine, contenders: kept } of results) if (kept.length > 0) contenders.set(engine, kept)
      reached.set(answers, results)
    }
  } finally {
    for (const engine of engines) await engine.end()
  }
  const of = (answers) => reached.get(answers).find(({ engine }) => engine === 'wick')?.median
  if (of(16)) run.add({ measure: 'decode, 16 at once, to 8', file, threads, engine: 'wick', unit: 'x', values: [of(16) / of(8)], median: of(16) / of(8) })
}

async function together({ run, file, threads, engines, answers, variants }) {
  const behind = new Map()
  const program = run.options.engines.includes('llama.cpp') ? variants('llama.cpp') : []
  const test = { answers, tokens: LONG - SHORT, depth: DEPTH + SHORT, threads }
  const results = await record(run, { measure: `decode, ${answers} at once`, file, threads, unit: 'tok/s' }, [
    ...contestants(engines, variants, (engine) => aggregate(run, engine, file, answers, behind), { sequences: answers }),
    ...program.map((variant) => ({ engine: 'llama.cpp', variant, run: () => batchedBenchRate(run.options, file, { ...test, variant }) })),
  ])
  for (const [engine, values] of behind) {
    run.add({ measure: `slowest of ${answers} at once`, file, threads, engine, unit: 'of the mean', values, median: median(values) })
  }
  return results
}

/** Tokens a second of all together; how the slowest of the long answers stands to their mean goes to `behind`. */
async function aggregate(run, engine, file, answers, behind) {
  const time = async (count) => {
    const salts = Array.from({ length: answers }, () => run.salt())
    const { ms, rates } = await engine.call('crowd', { situation: 'many', salts, vocab: file.vocab, count })
    if (count === LONG) behind.set(engine.name, [...(behind.get(engine.name) ?? []), Math.min(...rates) / mean(rates)])
    return ms
  }
  return answers * (await rateBetween(engine, time))
}
