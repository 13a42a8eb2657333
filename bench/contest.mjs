/** Engines in turn, for several rounds. */
import { median } from './pure/statistics.mjs'

/** A variant this far behind the best of its engine after a round is not run again. */
const BEHIND = 0.9

/**
 * @typedef {object} Contestant
 * @property {string} engine
 * @property {object} [variant] how this engine can also be run; the best of them counts
 * @property {(round: number) => Promise<number>} run one value
 *
 * @typedef {object} Result
 * @property {string} engine
 * @property {object} [variant] the one that was best
 * @property {object[]} contenders the variants that were not left out
 * @property {number[]} values one a round
 * @property {number} median
 */

/**
 * What is measured of whom, for a table.
 * @typedef {object} About
 * @property {string} measure
 * @property {import('./files.mjs').ModelFile} [file]
 * @property {number} [threads]
 * @property {string} unit
 * @property {boolean} [less] whether less is better
 */

/**
 * Measures a figure of all contestants and gives it to the run.
 * @param {import('./run.mjs').Run} run
 * @param {About} about
 * @param {Contestant[]} contestants
 */
export async function record(run, about, contestants) {
  const results = await contest(contestants, { ...run.options, less: about.less }, ({ engine, variant }, value) =>
    run.progress(about, engine, variant, value),
  )
  for (const { contenders: _, ...result } of results) run.add({ ...about, ...result })
  return results
}

/**
 * Runs all in turn, in each round beginning with another, and gives each engine's best.
 *
 * Whatever else the machine does then slows all of them. No round begins after `seconds`; there is one at least.
 * @param {Contestant[]} contestants
 * @param {{ rounds: number, seconds: number, less?: boolean }} options less: whether less is better
 * @param {(contestant: Contestant, value: number) => void} [onValue]
 * @returns {Promise<Result[]>}
 */
export async function contest(contestants, { rounds, seconds, less = false }, onValue) {
  const began = performance.now()
  let field = contestants.map((contestant) => ({ contestant, values: [] }))
  for (let round = 0; round < rounds && (round === 0 || performance.now() - began < seconds * 1000); round += 1) {
    const first = round % field.length
    for (const entry of [...field.slice(first), ...field.slice(0, first)]) {
      const value = await entry.contestant.run(round)
      entry.values.push(value)
      onValue?.(entry.contestant, value)
    }
    field = field.filter((entry) => {
      const leader = best(field, entry.contestant.engine, less)
      const own = median(entry.values)
      return entry.contestant.variant === leader.variant || (less ? own * BEHIND <= leader.median : own >= leader.median * BEHIND)
    })
  }
  return [...new Set(contestants.map(({ engine }) => engine))].map((engine) => best(field, engine, less))
}

/** @returns {Result} */
function best(field, engine, less) {
  const results = field
    .filter(({ contestant }) => contestant.engine === engine)
    .map(({ contestant, values }, _, all) => ({
      engine,
      variant: contestant.variant,
      values,
      median: median(values),
      contenders: all.flatMap((entry) => entry.contestant.variant ?? []),
    }))
  return results.reduce((one, other) => (other.median < one.median === less ? other : one))
}
