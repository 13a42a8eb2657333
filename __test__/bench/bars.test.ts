import { describe, expect, it } from 'vitest'
import { bars } from '../../bench/pure/bars.mjs'

const tiny = { name: 'tinyllama-q4_k_m', bytes: 668e6, kvBytes: 22_528 }
const figure = (measure: string, engine: string, median: number, rest = {}) => ({ measure, engine, median, ...rest })
const decode = (engine: string, median: number, threads = 2) => figure('decode', engine, median, { file: tiny, threads })
const eight = (engine: string, median: number) => figure('decode, 8 at once', engine, median, { file: tiny, threads: 2 })

describe('the bars of the bench', () => {
  it.each([
    { title: 'decode over llama.cpp', figures: [decode('wick', 23), decode('llama.cpp', 20)], value: 1.15, met: true },
    { title: 'decode over llama.cpp', figures: [decode('wick', 22.9), decode('llama.cpp', 20)], value: 1.145, met: false },
    { title: 'decode over node-llama-cpp on one thread', figures: [decode('wick', 26, 1), decode('node-llama-cpp', 20, 1)], value: 1.3, met: true },
    { title: 'decode over node-llama-cpp on two', figures: [decode('wick', 26), decode('node-llama-cpp', 20)], value: 1.3, met: false },
    {
      title: 'load',
      figures: [figure('load and first token', 'wick', 60, { file: tiny }), figure('load and first token', 'node-llama-cpp', 100, { file: tiny })],
      value: 0.6,
      met: false,
    },
    { title: 'memory', figures: [figure('resident', 'wick', 748, { file: tiny })], value: 748 / (668 + 512 * 0.022528), met: true },
    { title: 'eight at once', figures: [eight('wick', 87), eight('node-llama-cpp', 40)], value: 2.175, met: false },
    { title: 'sixteen beside eight', figures: [figure('decode, 16 at once, to 8', 'wick', 1.3)], value: 1.3, met: true },
    { title: 'the slowest of sixteen', figures: [figure('slowest of 16 at once', 'wick', 0.4)], value: 0.4, met: false },
    { title: 'gaps beside a newcomer', figures: [figure('join of 2000: longest gap', 'wick', 5.1)], value: 5.1, met: false },
    { title: 'a newcomer', figures: [figure('join of 2000: first token', 'wick', 1.9)], value: 1.9, met: true },
    { title: 'a start after an abort', figures: [figure('abort in 2000: start of another, worst', 'wick', 51)], value: 51, met: false },
    { title: 'a second turn', figures: [figure('second turn, first token', 'wick', 1.15)], value: 1.15, met: true },
    { title: 'what is computed once', figures: [figure('100 requests with 1000 tokens in common: computed', 'wick', 1.01)], value: 1.01, met: false },
    { title: 'drafts that gain nothing', figures: [figure('drafts: nothing repeats', 'gain', 0.96)], value: 0.96, met: true },
    { title: 'crossing in bursts', figures: [figure('crossing CPU, 16 a burst', 'wick, session', 3.1)], value: 3.1, met: false },
  ])('hold $title to its bar: $met', ({ figures, value, met }) => {
    const found = bars(figures, 512)
    expect(found).toHaveLength(1)
    expect(found[0]?.value).toBeCloseTo(value)
    expect(found[0]?.met).toBe(met)
  })

  it('compare what was measured on the same file with the same threads', () => {
    expect(bars([decode('wick', 23, 1), decode('llama.cpp', 20, 2)], 512)).toEqual([])
  })

  it('hold drafts to two bars where an answer quotes', () => {
    const found = bars([figure('drafts: summary that quotes', 'gain', 1.2), figure('drafts: summary that quotes', 'prompt-lookup', 60)], 512)
    expect(found.map(({ bar, met }) => [bar, met])).toEqual([['≥ 1.5', false], ['≥ 0.95', true]])
  })

  it('say nothing of what no bar names', () => {
    const median = figure('join of 2000: longest gap, to the median of the whole', 'wick', 9)
    expect(bars([decode('llama.cpp', 20), figure('bandwidth', 'machine', 30), median], 512)).toEqual([])
  })

  it('say in which unit a value is', () => {
    const start = figure('abort in 2000: start of another, worst', 'wick', 20, { unit: 'ms' })
    expect(bars([start], 512)).toMatchObject([{ unit: 'ms', bar: '≤ 50', met: true }])
  })
})
