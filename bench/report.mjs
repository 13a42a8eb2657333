/** The tables of a run. */
import { bars } from './pure/bars.mjs'
import { spread } from './pure/statistics.mjs'
import { figure, table } from './pure/table.mjs'
import { variantText } from './run.mjs'
import { WINDOW } from './measures/start.mjs'

const PEERS = ['node-llama-cpp', 'llama.cpp']

/** @param {import('./run.mjs').Run} run */
export function report(run) {
  const engines = Object.entries(run.engineFacts).map(([name, { isa, backend }]) => `${name}: ${backend}, ${isa}`)
  return [engines.join('; '), ...sections.flatMap((section) => section(run))].filter(Boolean).join('\n\n')
}

const sections = [bandwidth, rates, times, memory, sampler, defaults, contention, crossing, many, join, abort, prefix, lookup, reached]

function bandwidth(run) {
  const rows = measured(run, /^bandwidth$/).map(({ threads, median, best, values }) => [String(threads), median, best, Math.min(...values)])
  return titled('read bandwidth, GB/s', ['threads', 'best', 'of', 'least'], rows)
}

/** Prefill and decode: a row for each file and thread count, decode beside its limit. */
function rates(run) {
  const limit = (threads) => measured(run, /^bandwidth$/).find((figure) => figure.threads === threads)?.median
  return tables(run, /^(prefill \d+|decode)$/, (peers) => ['limit', 'wick / limit', ...(peers.length > 0 ? ['peers at'] : [])], (cell, peers) => {
    const { measure, file, threads } = cell[0]
    const most = measure === 'decode' && limit(threads) && file.decodeBytes ? (limit(threads) * 1e9) / file.decodeBytes : undefined
    const at = peers.map((name) => variantText(find(cell, name)?.variant)).join(' / ')
    return [most, most && find(cell, 'wick')?.median / most, ...(peers.length > 0 ? [at] : [])]
  })
}

function times(run) {
  return tables(run, /^(load and first token|first token after \d+)$/)
}

/** A table for each measure that engines share: their medians, wick's ratio to each peer, and what `more` adds. */
function tables(run, pattern, moreHeader = () => [], more = () => []) {
  const measures = [...new Set(measured(run, pattern).map(({ measure }) => measure))]
  return measures.map((measure) => {
    const figures = run.figures.filter((figure) => figure.measure === measure)
    const peers = PEERS.filter((name) => figures.some(({ engine }) => engine === name))
    const header = ['file', 'threads', 'wick', ...peers, ...peers.map((name) => `wick / ${name}`), ...moreHeader(peers), 'rounds', 'spread, %']
    const rows = cells(figures).map((cell) => [
      cell[0].file.name,
      String(cell[0].threads),
      find(cell, 'wick')?.median,
      ...peers.map((name) => find(cell, name)?.median),
      ...peers.map((name) => find(cell, 'wick')?.median / find(cell, name)?.median),
      ...more(cell, peers),
      cell.map(({ values }) => values.length).join(' / '),
      cell.map(({ values }) => figure(spread(values) * 100)).join(' / '),
    ])
    return `${measure}, ${figures[0].unit}\n\n${table(header, rows)}`
  })
}

function memory(run) {
  const rows = measured(run, /^resident$/).map(({ file, threads, engine, median }) => {
    const of = (measure) => run.figures.find((one) => one.measure === measure && one.file === file && one.engine === engine && one.threads === threads)?.median
    const needed = (file.bytes + WINDOW * (file.kvBytes ?? NaN)) / 1e6
    const node = of('Node before the load')
    return [file.name, engine, median, of('resident peak'), node, needed, median / needed, (median - node) / needed]
  })
  return titled('resident memory, MB', ['file', 'engine', 'resident', 'peak', 'Node before', 'file + KV', 'resident / (file + KV)', 'without Node'], rows)
}

function sampler(run) {
  const rows = measured(run, /^token, greedy$/).map(({ engine, median }) => {
    const chain = measured(run, /^token, chain$/).find((figure) => figure.engine === engine)?.median
    return [engine, median, chain, chain && chain - median]
  })
  return titled('a token of 151,936 logits, µs, 1 thread', ['engine', 'greedy', 'with the chain', 'difference'], rows)
}

function defaults(run) {
  const figures = measured(run, /^defaults: /)
  const rows = figures.map(({ measure, engine, median }) => {
    const best = Math.max(...figures.filter((one) => one.measure === measure && one.engine.split(',')[0] === engine.split(',')[0]).map((one) => one.median))
    return [measure.slice('defaults: '.length), engine, median, median / best]
  })
  return titled(`default thread count beside others, tok/s, ${figures[0]?.file.name}`, ['measure', 'engine, threads', 'tok/s', 'of the best'], rows)
}

function contention(run) {
  const figures = measured(run, /^contention$/)
  const rows = figures.map(({ engine, median, unit, bar, note }) => [engine, `${figure(median)} ${unit}`, bar, note])
  return titled(`contention, wick, ${figures[0]?.file.name}`, ['situation', 'value', 'bar', ''], rows)
}

function crossing(run) {
  const cpu = measured(run, /^crossing CPU/).map(({ measure, engine, median, values, tokensPerBurst }) => [measure.slice('crossing CPU, '.length), engine, median, tokensPerBurst || undefined, spread(values) * 100])
  const late = measured(run, /^crossing latency/).map(({ measure, engine, median, p99 }) => [measure.slice('crossing latency, '.length), engine, median, p99])
  return [
    ...titled("CPU of all threads a token, beyond the engine's own work, µs", ['burst', 'way', 'µs', 'tokens a burst', 'spread, %'], cpu),
    ...titled('from sampled to seen in JavaScript, µs', ['event loop', 'way', 'median', 'p99'], late),
  ]
}

/** Answers at once: a row for each count, with how far the slowest is behind. */
function many(run) {
  const figures = measured(run, /^decode, \d+ at once$/)
  const peers = PEERS.filter((name) => figures.some(({ engine }) => engine === name))
  const rows = cells(figures).flatMap((cell) =>
    [...new Set(cell.map(({ measure }) => measure))].map((measure) => {
      const row = cell.filter((one) => one.measure === measure)
      const answers = Number(/\d+/.exec(measure)[0])
      const slowest = (name) => run.figures.find((one) => one.measure === `slowest of ${answers} at once` && one.file === row[0].file && one.engine === name)?.median
      const own = find(row, 'wick')?.median
      return { answers, row: [row[0].file.name, String(answers), own, ...peers.map((name) => find(row, name)?.median), ...peers.map((name) => own / find(row, name)?.median), slowest('wick'), slowest('node-llama-cpp'), peers.map((name) => variantText(find(row, name)?.variant)).join(' / ') || undefined, row.map(({ values }) => figure(spread(values) * 100)).join(' / ')] }
    }),
  )
  const header = ['file', 'answers', 'wick', ...peers, ...peers.map((name) => `wick / ${name}`), 'slowest / mean', 'of node-llama-cpp', 'peers at', 'spread, %']
  return titled(`decode of several answers at once, tok/s of all, ${figures[0]?.threads} threads`, header, rows.toSorted((a, b) => (a.row[0] === b.row[0] ? a.answers - b.answers : 0)).map(({ row }) => row))
}

function join(run) {
  return situation(run, /^join of \d+: /, '7 answers decode and a long prompt joins')
}

function abort(run) {
  return situation(run, /^abort in \d+: /, 'a long prompt is aborted and another request sent')
}

/** What was counted stands beside the ratio it is in. */
function prefix(run) {
  const note = ({ computed, once, remainders, all, usedBytes, preparedBytes, most }) => {
    if (once !== undefined) return `${computed} of ${all} prompt tokens; new are ${once}, and ${remainders} of blocks begun`
    if (most !== undefined) return `${mb(usedBytes)} MB, of them ${mb(preparedBytes)} before; once is ${mb(most)}`
    return computed === undefined ? undefined : `${computed} tokens computed`
  }
  const rows = measured(run, /^(first token after \d+ and \d+|second turn, first token|\d+ requests with .*)$/).map((one) => [one.file.name, one.measure, one.engine, `${figure(one.median)} ${one.unit}`, note(one)])
  return titled('what is not computed twice', ['file', 'figure', 'of', 'value', ''], rows)
}

/** Decode with drafts from the prompt beside decode without. */
function lookup(run) {
  const rows = measured(run, /^drafts: /)
    .filter(({ engine }) => engine === 'gain')
    .map(({ measure, file, median, values, drafted }) => {
      const of = (engine) => run.figures.find((one) => one.measure === measure && one.engine === engine)?.median
      return [file.name, measure.slice('drafts: '.length), of('no drafts'), of('prompt-lookup'), median, drafted && `${drafted.accepted} of ${drafted.proposed}`, figure(spread(values) * 100)]
    })
  return titled('decode with drafts from the prompt, tok/s', ['file', 'workload', 'without', 'with', 'gain', 'drafted tokens taken', 'spread, %'], rows)
}

const mb = (bytes) => figure(bytes / 1e6)

/** Figures of a situation: a row each, a column for each engine. */
function situation(run, pattern, title) {
  const figures = measured(run, pattern)
  const engines = [...new Set(figures.map(({ engine }) => engine))]
  const rows = cells(figures).flatMap((cell) =>
    [...new Set(cell.map(({ measure }) => measure))].map((measure) => {
      const row = cell.filter((one) => one.measure === measure)
      return [row[0].file.name, measure, ...engines.map((name) => find(row, name)?.median), row[0].unit]
    }),
  )
  return titled(`${title}, ${figures[0]?.threads} threads`, ['file', 'figure', ...engines, ''], rows)
}

function reached(run) {
  const rows = bars(run.figures, WINDOW).map(({ what, value, unit, bar, met }) => [what, value, unit, bar, met ? 'met' : 'NOT MET'])
  return titled('bars', ['of wick', 'value', '', 'bar', 'result'], rows)
}

function measured(run, pattern) {
  return run.figures.filter(({ measure }) => pattern.test(measure))
}

function titled(title, header, rows) {
  return rows.length > 0 ? [`${title}\n\n${table(header, rows)}`] : []
}

function find(cell, name) {
  return cell.find(({ engine }) => engine === name)
}

/** Figures of one file at one thread count, together. */
function cells(figures) {
  const found = new Map()
  for (const one of figures) {
    const key = `${one.file?.name} ${one.threads}`
    found.set(key, [...(found.get(key) ?? []), one])
  }
  return [...found.values()]
}
