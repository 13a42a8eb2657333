/** Prefill and decode: tokens a second at a thread count, the peers at their best. */
import { record } from '../contest.mjs'
import { llamaBenchRate } from '../engines/llama-cpp.mjs'
import { contestants, openEngines, variantsOf } from '../engines/open.mjs'
import { decodeRate, DEPTH, LONG, prefillRate, SHORT } from './rates.mjs'

/**
 * All of a file, with the most threads first: what is far behind there, of the ways to run a peer, is not tried again with fewer.
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function speed(run, file) {
  const { only, prompts, threads } = run.options
  const lengths = only.includes('prefill') ? (prompts ?? (file.long ? [257, 2048] : [257])) : []
  const contextTokens = Math.ceil((Math.max(DEPTH + LONG, ...lengths) + 1) / 256) * 256
  const field = new Field()
  for (const count of threads.toSorted((a, b) => b - a)) {
    const engines = await openEngines(run, file, { threads: count, contextTokens })
    const cell = { run, file, threads: count, engines, field }
    try {
      for (const promptTokens of lengths) await prefill(cell, promptTokens)
      if (only.includes('decode')) await decode(cell)
    } finally {
      for (const engine of engines) await engine.end()
    }
  }
}

/** Which variants of the peers are still in the field, for each figure. */
class Field {
  #contenders = new Map()
  #batchSizes = [512, 128]

  /** Variants to measure: contenders of the same figure; else both kinds of attention with what batches are still in. */
  of(measure, name, batchSizes = this.#batchSizes) {
    return this.#contenders.get(`${measure} ${name}`) ?? variantsOf(name, batchSizes)
  }

  /** What batch is best shows with the first length of a prompt; with a longer one there is no time to try all. */
  keep(measure, results) {
    const peers = results.filter(({ contenders }) => contenders.length > 0)
    for (const { engine, contenders } of peers) this.#contenders.set(`${measure} ${engine}`, contenders)
    const best = new Set(peers.map(({ variant }) => variant.batchSize))
    if (best.size > 0 && measure !== DECODE) this.#batchSizes = [...best]
  }
}

const DECODE = 'decode'

async function prefill(cell, promptTokens) {
  const { run, file, threads } = cell
  await measure(cell, `prefill ${promptTokens}`, undefined, {
    hosted: (engine) => prefillRate(run, engine, file, promptTokens),
    benched: (variant) => llamaBenchRate(run.options, file, { promptTokens, threads, variant }),
  })
}

async function decode(cell) {
  const { run, file, threads } = cell
  // The same positions of the window: llama-bench fills `depth` tokens first, and counts those after them.
  const test = { tokens: LONG - SHORT, depth: DEPTH + SHORT, threads }
  // A batch is one token here, whatever its size might be.
  await measure(cell, DECODE, [512], {
    hosted: (engine) => decodeRate(run, engine, file),
    benched: (variant) => llamaBenchRate(run.options, file, { ...test, variant }),
  })
}

async function measure({ run, file, threads, engines, field }, measure, batchSizes, { hosted, benched }) {
  const variants = (name) => field.of(measure, name, batchSizes)
  const program = run.options.engines.includes('llama.cpp') ? variants('llama.cpp') : []
  const results = await record(run, { measure, file, threads, unit: 'tok/s' }, [
    ...contestants(engines, variants, hosted),
    ...program.map((variant) => ({ engine: 'llama.cpp', variant, run: () => benched(variant) })),
  ])
  field.keep(measure, results)
}
