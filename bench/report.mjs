/** The tables of a run. */
import { spread } from './pure/statistics.mjs'
import { figure, table } from './pure/table.mjs'
import { variantText } from './run.mjs'

const PEERS = ['node-llama-cpp', 'llama.cpp']

/** @param {import('./run.mjs').Run} run */
export function report(run) {
  const engines = Object.entries(run.engineFacts).map(([name, { isa, backend }]) => `${name}: ${backend}, ${isa}`)
  return [engines.join('; '), ...speeds(run)].filter(Boolean).join('\n\n')
}

/** A table for each measure that is a rate: a row for each file and thread count. */
function speeds(run) {
  const measures = [...new Set(run.figures.filter(({ unit }) => unit === 'tok/s').map(({ measure }) => measure))]
  return measures.map((measure) => {
    const figures = run.figures.filter((figure) => figure.measure === measure)
    const peers = PEERS.filter((name) => figures.some(({ engine }) => engine === name))
    const header = ['file', 'threads', 'wick', ...peers, ...peers.map((name) => `wick / ${name}`), 'peers at', 'rounds', 'spread']
    return `${measure}, tok/s\n\n${table(header, cells(figures).map((cell) => speedRow(cell, peers)))}`
  })
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

function speedRow(cell, peers) {
  const of = (name) => cell.find(({ engine }) => engine === name)
  const wick = of('wick')?.median
  return [
    cell[0].file.name,
    String(cell[0].threads),
    wick,
    ...peers.map((name) => of(name)?.median),
    ...peers.map((name) => wick / of(name)?.median),
    peers.map((name) => variantText(of(name)?.variant)).join(' / '),
    cell.map(({ values }) => values.length).join(' / '),
    cell.map(({ values }) => `${figure(spread(values) * 100)} %`).join(' / '),
  ]
}
