/** Engines of a run, loaded and warm, in processes of their own. */
import { Engine } from './engine.mjs'
import { peerModules } from './peers.mjs'

/** The engines that run in a process of Node; llama.cpp itself has its own program. */
const hosted = ['wick', 'node-llama-cpp']

/** An engine's process; nothing is loaded yet. */
export function startEngine(run, name, prefix = []) {
  const env = name === 'node-llama-cpp' ? { BENCH_PEER_MODULES: peerModules(run.options.cpu) } : {}
  return new Engine(name, run.options, { prefix, env })
}

/**
 * Every engine that the run asks for, with `file` loaded and a few tokens computed.
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 * @param {{ threads?: number, contextTokens?: number, sequences?: number }} options
 * @param {string[]} [names] of them
 */
export async function openEngines(run, file, options, names = hostedOf(run)) {
  const engines = []
  for (const name of names) {
    const engine = startEngine(run, name)
    engines.push(engine)
    const { facts } = await engine.call('open', { file: file.path, ...options })
    run.facts(name, facts)
    await engine.call('answer', { promptTokens: 16, vocab: file.vocab, count: 4, salt: run.salt() })
  }
  return engines
}

/** The names of those that run in a process of Node and are asked for. */
export function hostedOf(run) {
  return hosted.filter((name) => run.options.engines.includes(name))
}

/**
 * How an engine can be run: every way with flash attention on and off and these batches; wick has nothing to choose.
 * @param {number[]} batchSizes
 */
export function variantsOf(name, batchSizes) {
  if (name === 'wick') return [undefined]
  return batchSizes.flatMap((batchSize) => [false, true].map((flashAttention) => ({ flashAttention, batchSize })))
}

/**
 * Engines that are open, in each of their variants, as contestants.
 * @param {import('./engine.mjs').Engine[]} engines
 * @param {(name: string) => (object | undefined)[]} variants of an engine
 * @param {(engine: import('./engine.mjs').Engine) => Promise<number>} measure
 * @param {object} [always] what is configured beside each variant
 * @returns {import('../contest.mjs').Contestant[]}
 */
export function contestants(engines, variants, measure, always = {}) {
  return engines.flatMap((engine) =>
    variants(engine.name).map((variant) => ({
      engine: engine.name,
      variant,
      run: async () => {
        if (variant) await engine.call('configure', { variant: { ...variant, ...always } })
        return measure(engine)
      },
    })),
  )
}
