/** What becomes of a request that is sent at the moment in which a long prompt is aborted. */
import { contest } from '../contest.mjs'
import { openEngines } from '../engines/open.mjs'
import { median } from '../pure/statistics.mjs'

const TRIES = 11
const STANDARD = { promptTokens: 2000, contextTokens: 2304 }
const SMALL = { promptTokens: 480, contextTokens: 512 }

/**
 * Aborted after a third of the time that the prompt takes alone. wick says when it begins with a prompt (`start`); the peer does not,
 * so beside it stands the first token of a prompt of 16.
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function abort(run, file, threads) {
  const { promptTokens, contextTokens } = run.options.small ? SMALL : STANDARD
  const engines = await openEngines(run, file, { threads, contextTokens, sequences: 2 })
  const tries = new Map(engines.map(({ name }) => [name, []]))
  const about = { measure: `abort in ${promptTokens}: first token of another`, file, threads, unit: 'ms' }
  const request = () => ({ promptTokens, vocab: file.vocab })
  try {
    const times = new Map()
    const alone = async (engine) => (await engine.call('answer', { ...request(), count: 1, salt: run.salt() })).ms
    // The shorter of two: the first finds nothing warm, and an abort after its third may come too late for the others.
    for (const engine of engines) times.set(engine.name, Math.min(await alone(engine), await alone(engine)))
    const once = async (engine) => {
      const salts = [run.salt(), run.salt()]
      const found = await engine.call('crowd', { situation: 'abort', ...request(), salts, afterMs: times.get(engine.name) / 3 })
      tries.get(engine.name).push(found)
      return found.firstTokenMs
    }
    const contestants = engines.map((engine) => ({ engine: engine.name, run: () => once(engine) }))
    const rounds = run.options.small ? 2 : TRIES
    await contest(contestants, { rounds, seconds: Infinity, less: true }, ({ engine }, value) => run.progress(about, engine, undefined, value))
  } finally {
    for (const engine of engines) await engine.end()
  }
  for (const [engine, found] of tries) tell(run, { file, threads, engine, unit: 'ms', less: true }, promptTokens, found)
}

function tell(run, about, promptTokens, tries) {
  for (const [measure, key] of [['start of another', 'beginMs'], ['first token of another', 'firstTokenMs'], ['end of the aborted', 'overMs']]) {
    const values = tries.map((one) => one[key]).filter((value) => value !== undefined)
    if (values.length === 0) continue
    run.add({ ...about, measure: `abort in ${promptTokens}: ${measure}, worst`, values, median: Math.max(...values) })
    run.add({ ...about, measure: `abort in ${promptTokens}: ${measure}, median`, values, median: median(values) })
  }
}
