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
export async function open({ file, threads, contextTokens }) {
  const model = await load(file, { ...(threads && { threads }), ...(contextTokens && { contextTokens }) })
  return {
    facts: { threads: model.info.threads, isa: model.info.isa, backend: model.info.backend },
    async configure() {},
    async answer(tokens, count, sampling) {
      const run = generate({ model, raw: { tokens }, maxTokens: count, ignoreEnd: true, ...samplings[sampling] })
      for await (const part of run) {
        if (part.type === 'finish') return { tokens: part.usage.completionTokens, cached: part.usage.cachedTokens }
      }
    },
    close: () => model.close(),
  }
}
