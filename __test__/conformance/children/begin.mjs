/** What every program here begins with: reports, and a loud end at a rejection that nobody handles. */
import { readdirSync, readFileSync, writeSync } from 'node:fs'
import { load } from '../../../dist/index.js'

process.on('unhandledRejection', (reason) => {
  writeSync(2, `unhandled rejection: ${reason instanceof Error ? reason.stack : String(reason)}\n`)
  process.exitCode = 99
})

/** Says something to the test; at once, so that it is said before a crash. */
export function report(said) {
  writeSync(1, `${JSON.stringify(said)}\n`)
}

/** The models of the table, by the names its tests give. */
const subjects = {
  'ember on cpu': ['ember', { backend: 'cpu' }],
  'ember on candle': ['ember', { backend: 'candle' }],
  'ember on reference': ['ember', { backend: 'reference' }],
  'a qwen3 folder': [new URL('../../fixtures/checkpoints/qwen3', import.meta.url).pathname, {}],
}

/** Loads the one that `name` says. */
export function open(name = 'ember on cpu', options = {}) {
  const [reference, base] = subjects[name]
  return load(reference, { ...base, ...options })
}

/** An answer of exactly `count` tokens, as the table's. */
export const asked = (model, count, options = {}) => ({ model, raw: { text: 'The fox' }, seed: 1, maxTokens: count, ignoreEnd: true, ...options })

/** A prompt that takes its time. */
export const long = { tokens: Array.from({ length: 3500 }, (_, n) => 20 + ((n * 7919) % 280)) }

/** Names of this process's threads. */
export function threads() {
  return readdirSync('/proc/self/task').map((id) => {
    try {
      return readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim()
    } catch {
      return 'gone'
    }
  })
}

/** Threads of loaded models. */
export const modelThreads = () => threads().filter((name) => name === 'wick-model').length

/** Memory that is really there, in bytes. */
export const rss = () => process.memoryUsage.rss()

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until `holds`, at most `ms`; whether it did. */
export async function until(holds, ms = 10_000) {
  for (const end = performance.now() + ms; !holds(); await sleep(20)) if (performance.now() > end) return false
  return true
}
