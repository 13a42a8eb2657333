// What runs in an engine's process: opens a model by the adapter it is told, and measures what the bench asks for.
//   node host.mjs ADAPTER     calls come over the channel of the parent, see engine.mjs
import { readFileSync } from 'node:fs'
import { prompt } from '../pure/prompt.mjs'
import * as crowd from './crowd.mjs'

const before = performance.now()
const adapter = await import(`./${process.argv[2]}.mjs`)
const importMs = performance.now() - before

const models = []

const calls = {
  /** Loads one more model. */
  async open(options) {
    const started = performance.now()
    const model = await adapter.open(options)
    models.push(model)
    return { ms: performance.now() - started, importMs, facts: model.facts }
  },
  /** Loads, and answers one token. */
  async start({ vocab, ...options }) {
    const started = performance.now()
    const model = await adapter.open(options)
    models.push(model)
    const opened = performance.now()
    await model.answer(prompt(16, 0, vocab), 1, 'greedy')
    return { ms: performance.now() - started, loadMs: opened - started, importMs }
  },
  async configure({ variant }) {
    await models[0].configure(variant)
    return models[0].facts
  },
  /** One answer of the first model. */
  answer: (request) => answer(models[0], request),
  /** The same answer of every model, all at once; time until the last is done. */
  async together(request) {
    const started = performance.now()
    const all = await Promise.all(models.map((model) => answer(model, request)))
    return { ms: performance.now() - started, all }
  },
  /** The same answer of every model, one after another. */
  async inTurn(request) {
    const started = performance.now()
    for (const model of models) await answer(model, request)
    return { ms: performance.now() - started }
  },
  /** Several requests on the first model: a situation of crowd.mjs. */
  crowd: ({ situation, ...request }) => crowd[situation](models[0], request),
  memory() {
    globalThis.gc?.()
    const status = readFileSync('/proc/self/status', 'utf8')
    const bytes = (key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? NaN) * 1024
    return { resident: bytes('VmRSS'), peak: bytes('VmHWM'), anonymous: bytes('RssAnon') }
  },
  /** CPU time of all threads since the process began. */
  cpu: () => ({ ms: cpuMs() }),
}

/** `count` tokens after a prompt of so many: wall-clock and CPU time of it. */
async function answer(model, { promptTokens, salt, vocab, count, sampling = 'greedy' }) {
  const tokens = prompt(promptTokens, salt, vocab)
  const [cpu, started] = [cpuMs(), performance.now()]
  const got = await model.answer(tokens, count, sampling)
  const ms = performance.now() - started
  if (got.tokens !== count) throw new Error(`${got.tokens} tokens came where ${count} were asked for`)
  // Prompts that begin alike by chance share a token or two.
  if (got.cached > 4) throw new Error(`${got.cached} tokens of the prompt were found in a cache`)
  return { ms, cpuMs: cpuMs() - cpu }
}

function cpuMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

process.on('message', async ({ what, argument }) => {
  try {
    process.send({ value: await calls[what](argument) })
  } catch (error) {
    process.send({ error: error?.stack ?? String(error) })
  }
})
process.on('disconnect', () => process.exit())
