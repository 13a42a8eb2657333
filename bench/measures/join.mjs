/** A long prompt that joins answers in the midst of decoding: how long they pause, and how long it waits. */
import { contest } from '../contest.mjs'
import { openEngines } from '../engines/open.mjs'
import { gapsOf } from '../pure/gaps.mjs'
import { median } from '../pure/statistics.mjs'

const STANDARD = { promptTokens: 2000, before: 32, contextTokens: 2304 }
const SMALL = { promptTokens: 300, before: 8, contextTokens: 512 }
const OTHERS = 7

/**
 * The peer has a context of eight sequences, otherwise as it comes.
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function join(run, file, threads) {
  const { contextTokens, promptTokens, before } = run.options.small ? SMALL : STANDARD
  const engines = await openEngines(run, file, { threads, contextTokens, sequences: OTHERS + 1 })
  const request = () => ({ promptTokens, vocab: file.vocab })
  const rounds = new Map(engines.map(({ name }) => [name, []]))
  const about = { measure: `join of ${promptTokens}: longest gap`, file, threads, unit: 'of the median gap' }
  const scene = async (engine) => {
    const { ms: aloneMs } = await engine.call('answer', { ...request(), count: 1, salt: run.salt() })
    const salts = Array.from({ length: OTHERS + 1 }, () => run.salt())
    const seen = await engine.call('crowd', { situation: 'join', ...request(), salts, before, most: contextTokens - 16 })
    const found = { ...gapsOf(seen), firstMs: seen.came - seen.sent, aloneMs }
    rounds.get(engine.name).push(found)
    return found.longestMs / found.quietMedianMs
  }
  try {
    const contestants = engines.map((engine) => ({ engine: engine.name, run: () => scene(engine) }))
    await contest(contestants, { ...run.options, less: true }, ({ engine }, value) => run.progress(about, engine, undefined, value))
  } finally {
    for (const engine of engines) await engine.end()
  }
  for (const [engine, found] of rounds) {
    for (const [measure, unit, value] of FIGURES) {
      const values = found.map(value)
      run.add({ measure: `join of ${promptTokens}: ${measure}`, file, threads, engine, unit, less: true, values, median: median(values) })
    }
  }
}

/** What is told of a round. The bar is held to the gaps before the newcomer: those of the whole are longer. */
const FIGURES = [
  ['longest gap', 'of the median gap', (round) => round.longestMs / round.quietMedianMs],
  ['longest gap, to the median of the whole', 'of the median gap', (round) => round.longestMs / round.wholeMedianMs],
  ['median gap before', 'ms', (round) => round.quietMedianMs],
  ['median gap of the whole', 'ms', (round) => round.wholeMedianMs],
  ['longest gap in ms', 'ms', (round) => round.longestMs],
  ['first token', 'of its time alone', (round) => round.firstMs / round.aloneMs],
  ['first token in ms', 'ms', (round) => round.firstMs],
  ['first token alone', 'ms', (round) => round.aloneMs],
]
