/** Engines in turn, for several rounds. */
import { median } from './pure/statistics.mjs'

/** A variant this far behind the best of its engine after a round is not run again. */
const BEHIND = 0.9

/**
 * @typedef {object} Contestant
 * @property {string} engine
 * @property {object} [variant] how this engine can also be run; the best of them counts
 * @property {(round: number) => Promise<number>} run one value; more is better
 *
 * @typedef {object} Result
 * @property {string} engine
 * @property {object} [variant] the one that was best
 * @property {number[]} values one a round
 * @property {number} median
 */

/**
 * Runs all in turn, in each round beginning with another, and gives each engine's best.
 *
 * Whatever else the machine does then slows all of them. No round begins after `seconds`; there is one at least.
 * @param {Contestant[]} contestants
 * @param {{ rounds: number, seconds: number }} options
 * @param {(contestant: Contestant, value: number) => void} [onValue]
 * @returns {Promise<Result[]>}
 */
export async function contest(contestants, { rounds, seconds }, onValue) {
  const began = performance.now()
  let field = contestants.map((contestant) => ({ contestant, values: [] }))
  for (let round = 0; round < rounds && (round === 0 || performance.now() - began < seconds * 1000); round += 1) {
    const first = round % field.length
    for (const entry of [...field.slice(first), ...field.slice(0, first)]) {
      const value = await entry.contestant.run(round)
      entry.values.push(value)
      onValue?.(entry.contestant, value)
    }
    field = field.filter((entry) => median(entry.values) >= BEHIND * best(field, entry.contestant.engine).median)
  }
  return [...new Set(contestants.map(({ engine }) => engine))].map((engine) => best(field, engine))
}

/** @returns {Result} */
function best(field, engine) {
  const results = field
    .filter(({ contestant }) => contestant.engine === engine)
    .map(({ contestant, values }) => ({ engine, variant: contestant.variant, values, median: median(values) }))
  return results.reduce((one, other) => (other.median > one.median ? other : one))
}
