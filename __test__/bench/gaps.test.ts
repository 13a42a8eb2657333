import { describe, expect, it } from 'vitest'
import { leastComputed, mostStored } from '../../bench/measures/prefix.mjs'
import { gapsOf } from '../../bench/pure/gaps.mjs'

describe('gaps between tokens', () => {
  it('are told apart: before a newcomer, and while it is computed', () => {
    const times = [
      [0, 10, 20, 30, 40, 90, 100],
      [5, 15, 25, 35, 45, 65, 105],
    ]
    // The gap from 0 to 10 began before both had a token.
    expect(gapsOf({ sent: 41, came: 95, times })).toEqual({ quietMedianMs: 10, wholeMedianMs: 10, longestMs: 50 })
  })

  it.each([
    { title: 'begins before it was sent', times: [[0, 1, 2, 3, 50, 51]], sent: 4, came: 45, longestMs: 47 },
    { title: 'ends after it came', times: [[0, 1, 2, 3, 4, 5, 60]], sent: 4.5, came: 6, longestMs: 55 },
    { title: 'is longer than all of its time', times: [[0, 1, 2, 90]], sent: 40, came: 41, longestMs: 88 },
  ])('count a pause that $title', ({ times, sent, came, longestMs }) => {
    expect(gapsOf({ sent, came, times })).toMatchObject({ quietMedianMs: 1, longestMs })
  })

  it('leave out what was over by then, and what began later', () => {
    const times = [[0, 100, 101, 102, 103, 104, 300]]
    expect(gapsOf({ sent: 102.5, came: 103.5, times })).toMatchObject({ longestMs: 1 })
  })
})

describe('what requests with a common prefix must compute and store', () => {
  it.each([
    { requests: 100, prefixTokens: 1000, ownTokens: 20, count: 8, once: 3000, remainders: 99 * 8, stored: 992 + 100 * 64 },
    { requests: 4, prefixTokens: 64, ownTokens: 20, count: 8, once: 144, remainders: 0, stored: 64 + 4 * 32 },
  ])('$requests with $prefixTokens tokens', ({ once, remainders, stored, ...sizes }) => {
    expect(leastComputed(sizes)).toEqual({ once, remainders })
    expect(mostStored(sizes)).toBe(stored)
  })
})
