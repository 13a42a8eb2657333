import { describe, expect, it } from 'vitest'
import { mean, median, percentile, spread } from '../../bench/pure/statistics.mjs'

describe('the statistics of the bench', () => {
  it.each([
    { values: [3, 1, 2], middle: 2 },
    { values: [4, 1, 2, 3], middle: 2.5 },
    { values: [7], middle: 7 },
    { values: [100, 20, 3], middle: 20 },
  ])('the median of $values is $middle', ({ values, middle }) => {
    const before = [...values]
    expect(median(values)).toBe(middle)
    expect(values).toEqual(before)
  })

  it('have no median of nothing', () => expect(median([])).toBeNaN())

  it('have a mean', () => {
    expect(mean([1, 2, 6])).toBe(3)
    expect(mean([])).toBeNaN()
  })

  it('interpolate percentiles', () => {
    const values = Array.from({ length: 101 }, (_, at) => 100 - at)
    expect(percentile(values, 99)).toBe(99)
    expect(percentile([0, 10], 99)).toBeCloseTo(9.9)
    expect([percentile(values, 0), percentile(values, 100)]).toEqual([0, 100])
  })

  it('spread is the range over the median', () => {
    expect(spread([9, 10, 12])).toBeCloseTo(0.3)
    expect(spread([5])).toBe(0)
  })
})
