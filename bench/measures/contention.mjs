/**
 * wick where it has not the machine to itself: more threads than cores, a core that is busy elsewhere, a quota, a second model;
 * and what a loaded model costs that nobody asks for anything.
 */
import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { record } from '../contest.mjs'
import { ownChild } from '../engines/engine.mjs'
import { startEngine } from '../engines/open.mjs'
import { median } from '../pure/statistics.mjs'
import { opened } from './defaults.mjs'
import { controlGroup } from './control-group.mjs'
import { threadCpuMs } from './process.mjs'
import { decodeRate, prefillRate } from './rates.mjs'

const answers = { short: 16, long: 48 }
const IDLE_MS = 60_000

/**
 * Nothing is put in front of these processes: with real-time priority nobody else would be in the way.
 * @param {import('../run.mjs').Run} whole
 * @param {import('../files.mjs').ModelFile} file
 */
export async function contention(whole, file) {
  if (!whole.options.engines.includes('wick')) return
  const run = whole.with({ under: [] })
  const [idle] = await opened(run, 'wick', file, [undefined])
  const rest = idleCpu(run, file, idle)
  const cores = availableParallelism()
  await compare(run, file, `${2 * cores} threads on ${cores} cores`, 0.8, { threads: 2 * cores }, { threads: cores })
  await compare(run, file, `default threads, a core busy elsewhere, to 1 thread`, 0.9, { busy: true }, { threads: 1 })
  await underQuota(run, file)
  await twoModels(run, file)
  await rest
}

/** The rates of wick in one situation over those in another, in turn. */
async function compare(run, file, what, bar, crowded, quiet) {
  const [one, other] = await opened(run, 'wick', file, [crowded.threads, quiet.threads])
  try {
    for (const [measure, rate] of Object.entries(rates)) {
      const contestants = [
        { engine: 'crowded', run: () => (crowded.busy ? besideBusyCore(() => rate(run, one.engine, file)) : rate(run, one.engine, file)) },
        { engine: 'quiet', run: () => rate(run, other.engine, file) },
      ]
      const results = await record(run, { measure: `contention: ${what}, ${measure}`, file, unit: 'tok/s' }, contestants)
      ratio(run, file, `${what}, ${measure}`, results[0].median / results[1].median, bar)
    }
  } finally {
    await one.engine.end()
    await other.engine.end()
  }
}

const rates = {
  'prefill 257': (run, engine, file) => prefillRate(run, engine, file, 257),
  decode: (run, engine, file) => decodeRate(run, engine, file, answers),
}

function ratio(run, file, what, value, bar, note) {
  run.add({ measure: 'contention', file, engine: what, unit: 'x', values: [value], median: value, bar: `≥ ${bar}`, note })
}

/** `work` while something else computes without pause on the last core. */
async function besideBusyCore(work) {
  const spin = ownChild(spawn('taskset', ['-c', String(availableParallelism() - 1), process.execPath, '-e', 'for (;;);'], { stdio: 'ignore' }))
  try {
    await new Promise((resolve, reject) => {
      spin.once('error', reject)
      setTimeout(resolve, 300)
    })
    return await work()
  } finally {
    spin.kill('SIGKILL')
  }
}

/** The default thread count under a quota of 1.5 cores beside one thread without; and for how much of the time it was throttled. */
async function underQuota(run, file) {
  const group = controlGroup(1.5)
  if (typeof group === 'string') return unmeasured(run, file, 'quota of 1.5 cores', group)
  const [free] = await opened(run, 'wick', file, [1])
  const engine = startEngine(run, 'wick', group.prefix)
  try {
    const { facts } = await engine.call('open', { file: file.path, contextTokens: 512 })
    await engine.call('answer', { promptTokens: 16, vocab: file.vocab, count: 4, salt: run.salt() })
    const [began, throttled] = [performance.now(), group.throttledMs()]
    const values = []
    for (let round = 0; round < run.options.rounds; round += 1) {
      const under = await decodeRate(run, engine, file, answers)
      values.push(under / (await decodeRate(run, free.engine, file, answers)))
    }
    const share = (group.throttledMs() - throttled) / (performance.now() - began)
    const note = `default threads: ${facts.threads}; throttled for ${(share * 100).toFixed(1)} % of the time`
    ratio(run, file, 'quota of 1.5 cores, decode, to 1 thread', median(values), 1, note)
  } finally {
    await engine.end()
    await free.engine.end()
    group.remove()
  }
}

function unmeasured(run, file, what, why) {
  run.add({ measure: 'contention', file, engine: what, unit: 'x', values: [], median: NaN, note: `not measured: ${why}` })
}

/** Two models of one process at once, over one after the other. */
async function twoModels(run, file) {
  const [{ engine }] = await opened(run, 'wick', file, [undefined])
  try {
    await engine.call('open', { file: file.path, contextTokens: 512 })
    const request = () => ({ promptTokens: 64, vocab: file.vocab, count: 24, salt: run.salt() })
    await engine.call('together', request())
    const values = []
    for (let round = 0; round < run.options.rounds; round += 1) {
      const { ms: serial } = await engine.call('inTurn', request())
      values.push(serial / (await engine.call('together', request())).ms)
    }
    ratio(run, file, 'two models at once, to one after the other', median(values), 0.9)
  } finally {
    await engine.end()
  }
}

/**
 * CPU time of wick's threads in a process whose model has answered and waits, measured beside all the rest. Node's own threads are
 * told apart: V8 collects garbage while it is idle.
 */
async function idleCpu(run, file, { engine }) {
  const now = () => {
    const threads = threadCpuMs(engine.pid)
    const sum = (own) => threads.filter(({ name }) => name.startsWith('wick-') === own).reduce((ms, thread) => ms + thread.ms, 0)
    return { at: performance.now(), own: sum(true), node: sum(false) }
  }
  try {
    await pause(1000)
    const before = now()
    await pause(IDLE_MS)
    const after = now()
    const perMinute = (key) => ((after[key] - before[key]) * 60_000) / (after.at - before.at)
    const note = `and ${perMinute('node').toFixed(0)} ms of Node's own`
    run.add({ measure: 'contention', file, engine: "idle for a minute, CPU of wick's threads", unit: 'ms', values: [perMinute('own')], median: perMinute('own'), bar: '< 10', note })
  } finally {
    await engine.end()
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
