/** What a user gets who says nothing of threads, beside the best that saying something gives. */
import { record } from '../contest.mjs'
import { hostedOf, startEngine } from '../engines/open.mjs'
import { decodeRate, prefillRate } from './rates.mjs'

// Short, because an engine whose default is wrong can be very slow.
const answers = { short: 8, long: 24 }

/**
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function defaults(run, file) {
  for (const name of hostedOf(run)) {
    const engines = await opened(run, name, file, [undefined, ...run.options.threads])
    try {
      for (const [measure, rate] of Object.entries(rates)) {
        const contestants = engines.map(({ label, engine }) => ({ engine: label, run: () => rate(run, engine, file) }))
        await record(run, { measure: `defaults: ${measure}`, file, unit: 'tok/s' }, contestants)
      }
    } finally {
      for (const { engine } of engines) await engine.end()
    }
  }
}

const rates = {
  'prefill 257': (run, engine, file) => prefillRate(run, engine, file, 257),
  decode: (run, engine, file) => decodeRate(run, engine, file, answers),
}

/** An engine at several thread counts; undefined: its own choice. */
export async function opened(run, name, file, threadCounts) {
  const engines = []
  for (const threads of threadCounts) {
    const engine = startEngine(run, name)
    const { facts } = await engine.call('open', { file: file.path, contextTokens: 512, ...(threads && { threads }) })
    await engine.call('answer', { promptTokens: 16, vocab: file.vocab, count: 4, salt: run.salt() })
    engines.push({ label: `${name}, ${threads ?? `default (${facts.threads})`}`, engine, threads })
  }
  return engines
}
