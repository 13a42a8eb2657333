/**
 * node-llama-cpp through the fastest of its public ways: `sequence.evaluate`, which yields token ids, without detokenizing, stop
 * texts or chat. Several answers at once are sequences of one context, which batches them itself.
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
export async function open({ file, threads, contextTokens, sequences = 1 }) {
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error', ...(threads && { maxThreads: threads }) })
  const model = await llama.loadModel({ modelPath: file, gpuLayers: 0 })
  let context
  let idle
  let used = []
  let answering = 0
  const engine = {
    facts: { threads, isa: isaOf(llama.systemInfo), backend: `llama.cpp ${llama.llamaCppRelease.release}` },
    async configure(variant) {
      await context?.dispose()
      context = await model.createContext({
        sequences,
        ...(contextTokens && { contextSize: contextTokens }),
        ...(threads && { threads: { ideal: threads, min: threads } }),
        ...variant,
      })
      engine.facts.threads = context.currentThreads
      used = []
      idle = Array.from({ length: variant.sequences ?? sequences }, () => context.getSequence())
    },
    answer: (tokens, count, sampling) => engine.stream(tokens, count, { sampling }),
    // Its own verbs look at their signal between two tokens too: what is being evaluated is evaluated to its end.
    async stream(tokens, count, { sampling = 'greedy', signal, onPart } = {}) {
      const sequence = idle.pop()
      if (sequence === undefined) throw new Error('more answers at once than the context has sequences')
      answering += 1
      try {
        let sampled = 0
        for await (const id of sequence.evaluate(tokens, { ...samplings[sampling], yieldEogToken: true })) {
          signal?.throwIfAborted()
          onPart?.([id])
          sampled += 1
          if (sampled === count) break
        }
        return { tokens: sampled, cached: 0 }
      } finally {
        used.push(sequence)
        answering -= 1
        if (answering === 0) await clear()
      }
    },
    async close() {
      await context?.dispose()
      await model.dispose()
      await llama.dispose()
    },
  }
  /** Only when nobody decodes: a sequence waits to be cleared until all others have ended. */
  async function clear() {
    for (const sequence of used.splice(0)) {
      await sequence.clearHistory()
      idle.push(sequence)
    }
  }
  await engine.configure({})
  return engine
}

/** The widest of the instruction sets that llama.cpp says it computes with. */
function isaOf(info) {
  const wide = [['AVX512_VNNI', 'avx512-vnni'], ['AVX512', 'avx512'], ['AVX2', 'avx2'], ['AVX', 'avx']]
  return wide.find(([flag]) => info.includes(`${flag} = 1`))?.[1] ?? 'below avx'
}
