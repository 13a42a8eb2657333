import { describe, expect, it } from 'vitest'
import { bars } from '../../bench/pure/bars.mjs'

const tiny = { name: 'tinyllama-q4_k_m', bytes: 668e6, kvBytes: 22_528 }
const figure = (measure: string, engine: string, median: number, rest = {}) => ({ measure, engine, median, ...rest })
const decode = (engine: string, median: number, threads = 2) => figure('decode', engine, median, { file: tiny, threads })

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

  it('say nothing of what no bar names', () => {
    expect(bars([decode('llama.cpp', 20), figure('bandwidth', 'machine', 30)], 512)).toEqual([])
  })
})
