// Measures in this process what a token costs on its way from the engine's thread to JavaScript, and prints it as JSON.
//   node crossing.mjs MODEL.gguf FLOOR.node ROUNDS SECONDS
//
// The model is small, so that its own work is little beside what is measured, and computes on one thread. Costs are those of an
// answer of LONG tokens less those of one of SHORT, so that what a request costs once is not in them. The engine's own work is what its
// thread takes while JavaScript's stands still: then all tokens wait in the queue, and nothing crosses. All tokens of an answer fit
// into that queue, which holds 64.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { threadCpuMs } from '../measures/process.mjs'
import { root } from '../paths.mjs'
import { prompt } from '../pure/prompt.mjs'
import { median, percentile } from '../pure/statistics.mjs'

const [SHORT, LONG, ANSWERS, BURST, ROUND_TRIPS] = [8, 56, 20, 16, 200]

const [path, addon, ...limits] = process.argv.slice(2)
const [rounds, seconds] = limits.map(Number)
const { emit } = createRequire(import.meta.url)(addon)
const { load, generate } = await import(pathToFileURL(join(root, 'dist/index.js')).href)
const { NativeLoad } = await import(pathToFileURL(join(root, 'index.js')).href)

const model = await load(path, { threads: 1, contextTokens: 512, draft: false })
const native = unwrap(await new NativeLoad({ path, contextTokens: 512, draft: { kind: 'none' } }).run())
let salt = 0

function unwrap(outcome) {
  if (!outcome.ok) throw new Error(outcome.message)
  return outcome.value
}

const still = new Int32Array(new SharedArrayBuffer(4))

/** Stops JavaScript's thread; it takes no CPU time meanwhile. */
function standStill(ms) {
  if (ms > 0) Atomics.wait(still, 0, 0, ms)
}

const tokens = () => prompt(16, salt++, 32_000).map((id) => id % model.info.vocabSize)

/**
 * Ways for tokens to arrive: each answers `count` tokens, standing still for `pauseMs` after every burst of `burst`. Where it knows,
 * it gives `ownMs`, the engine's work, and in how many `bursts` they came.
 */
const ways = {
  async 'wick, session'(count, burst, pauseMs) {
    const session = begin(count)
    let bursts = 0
    for (let events; (events = unwrap(await session.next())); ) {
      if (events.some(({ type }) => type === 'TextDelta')) bursts += 1
      if (events.at(-1).type === 'Finish') return { bursts }
      standStill(pauseMs)
    }
  },
  async 'wick, generate'(count, burst, pauseMs) {
    let seen = 0
    for await (const part of generate({ model, raw: { tokens: tokens() }, maxTokens: count, ignoreEnd: true, temperature: 0 })) {
      if (part.type === 'text-delta' && ++seen % burst === 0) standStill(pauseMs)
    }
  },
  'C++ callback': (count, burst, _, workMicros) =>
    new Promise((resolve) => emit(count, burst, workMicros, (texts, value) => texts === null && resolve({ ownMs: value / 1e6 }))),
}

function begin(count) {
  return unwrap(native.generate({ prompt: { type: 'Tokens', tokens: tokens() }, sampling: { temperature: 0 }, maxTokens: count, ignoreEnd: true }))
}

/** CPU time of one answer in ms, of all threads, those that ended too, and of wick's; and what the answer gives. */
async function cpuOf(answer) {
  const before = cpuNow()
  const given = await answer()
  // What the engine's thread does behind its last token, the reading of its time is not to run into.
  standStill(1)
  const after = cpuNow()
  return { all: after.all - before.all, engine: after.engine - before.engine, ...given }
}

function cpuNow() {
  const { user, system } = process.cpuUsage()
  return { all: (user + system) / 1000, engine: threadCpuMs('self', 'wick-').reduce((ms, thread) => ms + thread.ms, 0) }
}

/** Wall-clock time of a token, in ms, as the engine itself has it. */
async function stepMs() {
  for await (const part of generate({ model, raw: { tokens: tokens() }, maxTokens: LONG, ignoreEnd: true, temperature: 0 })) {
    if (part.type === 'finish') return part.timings.decodeMs / (LONG - 1)
  }
}

/** An answer that JavaScript reads when it is whole. */
async function unread(count, step) {
  const session = begin(count)
  standStill(step * (count + 16) * 2 + 2)
  while (unwrap(await session.next()));
}

async function cpu() {
  for (let n = 0; n < 20; n += 1) for (const way of Object.values(ways)) await way(LONG, 1, 0, 100)
  const step = median([await stepMs(), await stepMs(), await stepMs()])
  const cases = Object.keys(ways).flatMap((way) => [1, BURST].map((burst) => ({ way, burst })))
  const found = []
  const began = performance.now()
  for (let round = 0; round < rounds && (round === 0 || performance.now() - began < seconds * 1000); round += 1) {
    const [long, short, bursts] = [cases.map(() => []), cases.map(() => []), cases.map(() => 0)]
    for (let n = 0; n < ANSWERS; n += 1) {
      for (const [count, costs] of [[LONG, long], [SHORT, short]]) {
        // Right beside what it is subtracted from: how fast the processor is changes by the second.
        const { engine: work } = await cpuOf(() => unread(count, step))
        for (const [at, { way, burst }] of cases.entries()) {
          const { all, ownMs = work, ...given } = await cpuOf(() => ways[way](count, burst, burst === 1 ? 0 : burst * step, Math.round(step * 1000)))
          costs[at].push(all - ownMs)
          if (count === LONG) bursts[at] += given.bursts
        }
      }
    }
    for (const [at, one] of cases.entries()) {
      const us = ((median(long[at]) - median(short[at])) * 1000) / (LONG - SHORT)
      found.push({ ...one, us, tokensPerBurst: (ANSWERS * LONG) / bursts[at] })
    }
  }
  return { stepMs: step, found }
}

/** Time from a token's being there to JavaScript's having it, in µs. */
const trips = {
  async 'wick, session'() {
    const began = performance.now()
    const session = begin(1)
    for (let events; (events = unwrap(await session.next())); ) {
      const end = events.at(-1)
      if (end.type === 'Finish') return (performance.now() - began - end.timings.firstTokenMs) * 1000
    }
  },
  'C++ callback': (workMicros) =>
    new Promise((resolve) => {
      let late
      emit(1, 1, workMicros, (texts, at) => {
        if (texts === null) resolve(late)
        else late = (Number(process.hrtime.bigint()) - at) / 1000
      })
    }),
}

/** `work` while the event loop has something to do at every turn, for about a millisecond. */
async function onBusyLoop(work) {
  let next
  const turn = () => {
    const end = performance.now() + 1
    while (performance.now() < end);
    next = setImmediate(turn)
  }
  turn()
  try {
    return await work()
  } finally {
    clearImmediate(next)
  }
}

async function latency(workMicros) {
  const found = []
  for (const [loop, run] of [['idle', (work) => work()], ['busy', onBusyLoop]]) {
    for (const [way, trip] of Object.entries(trips)) {
      const values = await run(async () => {
        const values = []
        for (let n = 0; n < ROUND_TRIPS; n += 1) values.push(await trip(workMicros))
        return values
      })
      found.push({ way, loop, median: median(values), p99: percentile(values, 99) })
    }
  }
  return found
}

const measured = await cpu()
console.log(JSON.stringify({ ...measured, latency: await latency(Math.round(measured.stepMs * 1000)) }))
await model.close()
process.exit()
