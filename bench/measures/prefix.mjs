/** What is not computed twice: the turns before of a chat, and what many requests begin with. wick alone. */
import { record } from '../contest.mjs'
import { openEngines } from '../engines/open.mjs'
import { median } from '../pure/statistics.mjs'

/** Positions of a block: sequences share whole ones. */
export const BLOCK = 32

const STANDARD = {
  turn: { promptTokens: 2000, answerTokens: 60, newTokens: 24 },
  shared: { requests: 100, prefixTokens: 1000, ownTokens: 20, count: 8 },
  contextTokens: 2304,
}
const SMALL = {
  turn: { promptTokens: 300, answerTokens: 20, newTokens: 24 },
  shared: { requests: 12, prefixTokens: 200, ownTokens: 20, count: 8 },
  contextTokens: 512,
}

/**
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile} file
 */
export async function prefix(run, file, threads) {
  if (!run.options.engines.includes('wick')) return
  const sizes = run.options.small ? SMALL : STANDARD
  const [engine] = await openEngines(run, file, { threads, contextTokens: sizes.contextTokens }, ['wick'])
  const cell = { run, file, threads, engine, vocab: file.vocab }
  try {
    await secondTurn(cell, sizes.turn)
    await shared(cell, sizes.shared)
  } finally {
    await engine.end()
  }
}

/**
 * The first token of a second turn beside that of as many new tokens after a context of the same length that `prepare` computed.
 * Of that context everything must come from the cache, or it is no measure of the other.
 */
async function secondTurn({ run, file, threads, engine, vocab }, turn) {
  const computed = { secondTurn: [], preparedContext: [] }
  const once = async (situation) => {
    const found = await engine.call('crowd', { situation, ...turn, vocab, salts: [run.salt(), run.salt()] })
    computed[situation].push(found.computed)
    return found.ms
  }
  const about = { measure: `first token after ${turn.promptTokens + turn.answerTokens} and ${turn.newTokens}`, file, threads, unit: 'ms', less: true }
  const results = await record(run, about, [
    { engine: 'wick, second turn', run: () => once('secondTurn') },
    { engine: 'wick, context prepared', run: () => once('preparedContext') },
  ])
  const most = Math.max(...computed.preparedContext)
  if (most > turn.newTokens) throw new Error(`${most} tokens were computed after a prepared context, where ${turn.newTokens} were new: the second turn has nothing to be held to`)
  const values = results[0].values.map((ms, round) => ms / results[1].values[round])
  const ratio = results[0].median / results[1].median
  run.add({ ...about, measure: 'second turn, first token', engine: 'wick', unit: 'of a context prepared', values, median: ratio, computed: median(computed.secondTurn) })
}

/** Requests that begin alike, all at once: what was computed of all their prompts, and what their keys and values took. */
async function shared({ run, file, threads, engine, vocab }, { requests, ...request }) {
  const salts = Array.from({ length: requests + 1 }, () => run.salt())
  const found = await engine.call('crowd', { situation: 'shared', ...request, vocab, salts })
  const add = (measure, value, unit, more) =>
    run.add({ measure: `${requests} requests with ${request.prefixTokens} tokens in common: ${measure}`, file, threads, engine: 'wick', unit, less: true, values: [value], median: value, ...more })
  const { once, remainders } = leastComputed({ requests, ...request })
  add('computed', found.computed / (once + remainders), 'of what is new', { computed: found.computed, once, remainders, all: requests * (request.prefixTokens + request.ownTokens) })
  add('time', found.ms, 'ms')
  const { kvBytesPerToken } = run.engineFacts.wick
  if (found.usedBytes === undefined) return
  const most = kvBytesPerToken * mostStored({ requests, ...request })
  add('stored', (found.usedBytes - found.preparedBytes) / most, 'of once', { usedBytes: found.usedBytes, preparedBytes: found.preparedBytes, most })
}

/**
 * Prompt tokens that must be computed: the prefix once, what is each request's own; and of the prefix what fills no block, which
 * all but one compute again.
 */
export function leastComputed({ requests, prefixTokens, ownTokens }) {
  return { once: prefixTokens + requests * ownTokens, remainders: (requests - 1) * (prefixTokens % BLOCK) }
}

/** Positions that are stored where the prefix is there once: its whole blocks, and the blocks that each request needs behind them. */
export function mostStored({ requests, prefixTokens, ownTokens, count }) {
  const whole = Math.floor(prefixTokens / BLOCK) * BLOCK
  return whole + requests * Math.ceil((prefixTokens - whole + ownTokens + count) / BLOCK) * BLOCK
}
