// llama.cpp, by node-llama-cpp, on the CPU and on one thread: what it answers to GGUF files, with its logits.
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Opens the peer installed in `modules`; `kv` is the type of its cache. One file is loaded at a time. */
export async function openPeer(modules, kv) {
  const { getLlama } = await import(pathToFileURL(join(resolve(modules), 'node-llama-cpp/dist/index.js')).href)
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1, logLevel: 'error' })
  const type = kv.toUpperCase()
  const cache = { experimentalKvCacheKeyType: type, experimentalKvCacheValueType: type }
  let open

  async function model(path) {
    if (open?.path === path) return open.model
    await open?.model.dispose()
    open = { path, model: await llama.loadModel({ modelPath: resolve(path), gpuLayers: 0 }) }
    return open.model
  }

  return {
    /** The ids of a text, with what the file says comes before it. */
    async encode(path, text) {
      const loaded = await model(path)
      const ids = loaded.tokenize(text, false)
      return loaded.tokens.shouldPrependBosToken ? [loaded.tokens.bos, ...ids] : [...ids]
    },

    /** `steps` greedy steps after `start`: ids, rows of logits, and the distance in logits from each choice to the runner-up. */
    async greedy(path, start, steps) {
      const context = await (await model(path)).createContext({ contextSize: 512, threads: 1, flashAttention: false, ...cache })
      try {
        const sequence = context.getSequence()
        const answer = { ids: [], rows: [], gaps: [] }
        for (let input = start; answer.ids.length < steps; input = answer.ids.slice(-1)) {
          const wanted = [...input.slice(0, -1), [input.at(-1), { generateNext: { logits: true } }]]
          const result = await sequence.controlledEvaluate(wanted)
          const { logits } = result[input.length - 1].next
          const [[id, first], [, second]] = logits.entries()
          const row = new Float64Array(logits.size)
          for (const [token, logit] of logits) row[token] = logit
          answer.ids.push(id)
          answer.rows.push(row)
          answer.gaps.push(first - second)
        }
        return answer
      } finally {
        await context.dispose()
      }
    },
  }
}
