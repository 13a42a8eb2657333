/**
 * What the sampler chain takes: decoding with it (top-k 40, top-p 0.95, min-p 0.05, temperature 0.8) less decoding greedily, on a
 * model that is next to nothing but 151,936 logits. One thread: neither engine samples with more. llama-bench, which samples nothing,
 * says what the model takes.
 */
import { record } from '../contest.mjs'
import { llamaBenchRate } from '../engines/llama-cpp.mjs'
import { openEngines } from '../engines/open.mjs'
import { decodeRate } from './rates.mjs'

const UNSAMPLED = 'llama.cpp, nothing sampled'
const answers = { short: 16, long: 272 }

/**
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function sampler(run, file) {
  const engines = await openEngines(run, file, { threads: 1, contextTokens: 512 })
  try {
    for (const sampling of ['greedy', 'chain']) {
      const contestants = engines.map((engine) => ({
        engine: engine.name,
        run: async () => 1e6 / (await decodeRate(run, engine, file, { ...answers, sampling })),
      }))
      if (sampling === 'greedy' && run.options.engines.includes('llama.cpp')) contestants.push({ engine: UNSAMPLED, run: () => unsampled(run, file) })
      await record(run, { measure: `token, ${sampling}`, file, threads: 1, unit: 'µs', less: true }, contestants)
    }
  } finally {
    for (const engine of engines) await engine.end()
  }
}

async function unsampled(run, file) {
  const test = { tokens: answers.long - answers.short, depth: answers.short, threads: 1, variant: { flashAttention: true, batchSize: 512 } }
  return 1e6 / (await llamaBenchRate(run.options, file, test))
}
