/** Chance that can be had again. */

/**
 * Random choices that follow from a seed alone: mulberry32, whose 32 bits of state are enough to draw from small sets.
 * @param {number} seed an integer
 */
export function chance(seed) {
  let state = seed >>> 0
  /** At least 0, less than 1. */
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  /** An integer from `low` to `high`, both included. */
  const integer = (low, high) => low + Math.floor(next() * (high - low + 1))
  return { next, integer, /** One of a list. */ one: (list) => list[integer(0, list.length - 1)], /** True in a share of the cases. */ is: (share) => next() < share }
}

/** @typedef {ReturnType<typeof chance>} Chance */
