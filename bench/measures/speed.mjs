/** Prefill and decode: tokens a second at a thread count, the peers at their best. */
import { contest } from '../contest.mjs'
import { openEngines, variantsOf } from '../engines/open.mjs'
import { llamaBenchRate } from '../engines/llama-cpp.mjs'

/** Decode is (t(LONG) − t(SHORT)) / (LONG − SHORT), after a prompt of DEPTH tokens. */
const [SHORT, LONG, DEPTH] = [48, 96, 16]

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

async function prefill(run, file, threads, engines, promptTokens, batchSizes) {
  const request = { promptTokens, vocab: file.vocab, count: 1 }
  const rate = (ms) => (promptTokens / ms) * 1000
  const contestants = engines.flatMap((engine) =>
    variantsOf(engine.name, batchSizes).map((variant) => ({
      engine: engine.name,
      variant,
      run: async () => {
        if (variant) await engine.call('configure', { variant })
        return rate((await engine.call('answer', { ...request, salt: run.salt() })).ms)
      },
    })),
  )
  return record(run, { measure: `prefill ${promptTokens}`, file, threads }, [
    ...contestants,
    ...benched(run, batchSizes, (variant) => llamaBenchRate(run.options, file, { promptTokens, threads, variant })),
  ])
}

async function decode(run, file, threads, engines) {
  const time = async (engine, count) => (await engine.call('answer', { promptTokens: DEPTH, vocab: file.vocab, count, salt: run.salt() })).ms
  const contestants = engines.flatMap((engine) =>
    variantsOf(engine.name, [512]).map((variant) => ({
      engine: engine.name,
      variant,
      run: async () => {
        if (variant) await engine.call('configure', { variant })
        const short = await time(engine, SHORT)
        return ((LONG - SHORT) / ((await time(engine, LONG)) - short)) * 1000
      },
    })),
  )
  // The same positions of the window: it fills `depth` tokens first, and counts those after them.
  const test = { tokens: LONG - SHORT, depth: DEPTH + SHORT, threads }
  return record(run, { measure: 'decode', file, threads }, [
    ...contestants,
    ...benched(run, [512], (variant) => llamaBenchRate(run.options, file, { ...test, variant })),
  ])
}

/** llama.cpp itself, where it is wanted. */
function benched(run, batchSizes, measure) {
  const engine = 'llama.cpp'
  if (!run.options.engines.includes(engine)) return []
  return variantsOf(engine, batchSizes).map((variant) => ({ engine, variant, run: () => measure(variant) }))
}

async function record(run, about, contestants) {
  const results = await contest(contestants, run.options, ({ engine, variant }, value) => run.progress(about, engine, variant, value, 'tok/s'))
  for (const result of results) run.add({ ...about, unit: 'tok/s', ...result })
  return results
}
