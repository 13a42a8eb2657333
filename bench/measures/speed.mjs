/** Prefill and decode: tokens a second at a thread count, the peers at their best. */
import { record } from '../contest.mjs'
import { llamaBenchRate } from '../engines/llama-cpp.mjs'
import { contestants, openEngines, variantsOf } from '../engines/open.mjs'
import { decodeRate, DEPTH, LONG, prefillRate, SHORT } from './rates.mjs'

/**
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 * @param {number} threads
 */
export async function speed(run, file, threads) {
  const { options } = run
  const lengths = options.only.includes('prefill') ? (options.prompts ?? (file.long ? [257, 2048] : [257])) : []
  const contextTokens = Math.ceil((Math.max(DEPTH + LONG, ...lengths) + 1) / 256) * 256
  const engines = await openEngines(run, file, { threads, contextTokens })
  try {
    let batchSizes = [512, 128]
    for (const promptTokens of lengths) {
      const results = await prefill(run, file, threads, engines, promptTokens, batchSizes)
      // What batch is best shows with the first length; with a longer one there is no time to try all again.
      const best = results.map(({ variant }) => variant?.batchSize).filter(Boolean)
      if (best.length > 0) batchSizes = [...new Set(best)]
    }
    if (options.only.includes('decode')) await decode(run, file, threads, engines)
  } finally {
    for (const engine of engines) await engine.end()
  }
}

function prefill(run, file, threads, engines, promptTokens, batchSizes) {
  return record(run, { measure: `prefill ${promptTokens}`, file, threads, unit: 'tok/s' }, [
    ...contestants(engines, batchSizes, (engine) => prefillRate(run, engine, file, promptTokens)),
    ...benched(run, batchSizes, (variant) => llamaBenchRate(run.options, file, { promptTokens, threads, variant })),
  ])
}

function decode(run, file, threads, engines) {
  // The same positions of the window: llama-bench fills `depth` tokens first, and counts those after them.
  const test = { tokens: LONG - SHORT, depth: DEPTH + SHORT, threads }
  return record(run, { measure: 'decode', file, threads, unit: 'tok/s' }, [
    ...contestants(engines, [512], (engine) => decodeRate(run, engine, file)),
    ...benched(run, [512], (variant) => llamaBenchRate(run.options, file, { ...test, variant })),
  ])
}

/** llama.cpp itself, where it is wanted. */
function benched(run, batchSizes, measure) {
  const engine = 'llama.cpp'
  if (!run.options.engines.includes(engine)) return []
  return variantsOf(engine, batchSizes).map((variant) => ({ engine, variant, run: () => measure(variant) }))
}
