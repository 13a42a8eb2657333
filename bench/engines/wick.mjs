/** wick through its public face: `load` and `generate`. */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { root } from '../paths.mjs'

const { load, generate } = await import(pathToFileURL(join(root, 'dist/index.js')).href)

const samplings = {
  greedy: { temperature: 0 },
  chain: { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: 1 },
}

/** @type {import('./engine.mjs').Open} */
export async function open({ file, threads, contextTokens, load: more }) {
  // Nobody drafts unless that is what is measured: answers of random weights repeat themselves.
  const model = await load(file, { draft: false, ...(threads && { threads }), ...(contextTokens && { contextTokens }), ...more })
  const engine = {
    facts: { threads: model.info.threads, isa: model.info.isa, backend: model.info.backend, kvBytesPerToken: model.info.kvBytesPerToken },
    async configure() {},
    answer: (tokens, count, sampling) => engine.stream(tokens, count, { sampling }),
    async stream(tokens, count, { sampling = 'greedy', signal, onStart, onPart, ids = false } = {}) {
      const settings = typeof sampling === 'string' ? samplings[sampling] : sampling
      // With log-probabilities every token is a part of its own, and a part says which token it is.
      const asked = Array.isArray(tokens) ? { raw: { tokens } } : tokens
      const run = generate({ model, ...asked, maxTokens: count, ignoreEnd: true, signal, ...(ids && { logprobs: 0 }), ...settings })
      for await (const part of run) {
        if (part.type === 'start') onStart?.()
        else if (part.type === 'text-delta') onPart?.(part.tokens?.map(({ id }) => id) ?? [])
        else if (part.type === 'finish') return { tokens: part.usage.completionTokens, cached: part.usage.cachedTokens, timings: part.timings }
      }
    },
    prepare: (tokens) => model.prepare({ tokens }),
    stats: () => model.stats?.(),
    close: () => model.close(),
  }
  return engine
}
