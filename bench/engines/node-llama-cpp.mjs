/**
 * node-llama-cpp through the fastest of its public ways: `sequence.evaluate`, which yields token ids, without detokenizing, stop
 * texts or chat.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const modules = process.env['BENCH_PEER_MODULES']
const path = createRequire(join(modules, 'index.js')).resolve('node-llama-cpp')
const { getLlama } = await import(pathToFileURL(path).href)

const samplings = {
  greedy: { temperature: 0 },
  chain: { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: 1 },
}

/** @type {import('./engine.mjs').Open} */
export async function open({ file, threads, contextTokens }) {
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', ...(threads && { maxThreads: threads }) })
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 })
  let context
  let sequence
  const engine = {
    facts: { threads, isa: isaOf(llama.systemInfo), backend: `llama.cpp ${llama.llamaCppRelease.release}` },
    async configure(variant) {
      await context?.dispose()
      context = await model.createContext({
        ...(contextTokens && { contextSize: contextTokens }),
        ...(threads && { threads: { ideal: threads, min: threads } }),
        ...variant,
      })
      engine.facts.threads = context.currentThreads
      sequence = context.getSequence()
    },
    async answer(tokens, count, sampling) {
      await sequence.clearHistory()
      let sampled = 0
      for await (const _ of sequence.evaluate(tokens, { ...samplings[sampling], yieldEogToken: true })) {
        sampled += 1
        if (sampled === count) break
      }
      return { tokens: sampled, cached: 0 }
    },
    async close() {
      await context?.dispose()
      await model.dispose()
      await llama.dispose()
    },
  }
  await engine.configure({})
  return engine
}

/** The widest of the instruction sets that llama.cpp says it computes with. */
function isaOf(info) {
  const wide = [['AVX512_VNNI', 'avx512-vnni'], ['AVX512', 'avx512'], ['AVX2', 'avx2'], ['AVX', 'avx']]
  return wide.find(([flag]) => info.includes(`${flag} = 1`))?.[1] ?? 'below avx'
}
