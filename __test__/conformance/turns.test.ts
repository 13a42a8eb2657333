/** Several runs on one model: they take turns, and none is another for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LocalModel } from '../../src/index.js'
import { finishOf, read, text } from './parts.js'
import { answer, endless, long, subjects, wide } from './subjects.js'

/** Events the engine gets ahead of a reader before it passes the run over. */
const queue = 64

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  beforeAll(async () => {
    model = await open(wide)
  })
  afterAll(() => model.close())

  it('gives two runs their tokens by turns', async () => {
    const order: number[] = []
    const [first, second] = await Promise.all([0, 1].map((run) => read(answer(model, 200, { seed: run }), ({ type }) => type === 'text-delta' && order.push(run))))
    expect([first, second].map((seen) => seen && finishOf(seen).usage.completionTokens)).toEqual([200, 200])
    // While both run, neither is further ahead than what a reader may be behind, and a burst on its way.
    const both = order.slice(0, Math.min(order.lastIndexOf(0), order.lastIndexOf(1)) + 1)
    const lead = both.reduce<number[]>((leads, run) => [...leads, (leads.at(-1) ?? 0) + (run === 0 ? 1 : -1)], [])
    expect(Math.max(...lead.map(Math.abs))).toBeLessThanOrEqual(2 * queue)
    expect(both.length).toBeGreaterThan(200)
  })

  it('answers a short request while a long prompt is computed', async () => {
    const order: string[] = []
    const prefill = new AbortController()
    let short: Promise<unknown> | undefined
    await read(endless(model, { raw: long(1), signal: prefill.signal }), ({ type }) => {
      order.push(type)
      short ??= answer(model, 4).collect().then(() => {
        order.push('the short answer')
        prefill.abort()
      })
    })
    await short
    expect(order).toEqual(['start', 'the short answer'])
  })

  it('lets a reader that has stopped reading starve nobody', async () => {
    const behind = endless(model)[Symbol.asyncIterator]()
    await behind.next()
    expect((await answer(model, 300, { seed: 2 }).collect()).usage.completionTokens).toBe(300)
    expect(await behind.next()).toMatchObject({ value: { type: 'text-start' } })
    await behind.return?.()
  })

  it.each([{ temperature: 0 }, { temperature: 1 }, { temperature: 1.5, topK: 0, topP: 1, minP: 0 }])(
    'says the same by the same seed, alone and beside others ($temperature)',
    async (sampling) => {
      const asked = Array.from({ length: 6 }, (_, n) => ({ ...sampling, seed: 100 + n, raw: { text: `Number ${n} said` } }))
      const alone: string[] = []
      for (const options of asked) alone.push((await answer(model, 40, options).collect()).text)
      const beside = await Promise.all(asked.map((options) => read(answer(model, 40, options))))
      expect(beside.map((seen) => text(seen.parts))).toEqual(alone)
    },
  )

  it('says something else by another seed', async () => {
    const texts = await Promise.all([1, 2, 3, 4].map(async (seed) => (await answer(model, 40, { seed, temperature: 1.5 }).collect()).text))
    expect(new Set(texts).size).toBeGreaterThan(1)
  })

  it('serves many runs at once', async () => {
    const small = await open({ contextTokens: 128 })
    const runs = await Promise.all(Array.from({ length: 24 }, (_, n) => answer(small, 50, { seed: n }).collect()))
    expect(runs.map(({ usage }) => usage.completionTokens)).toEqual(runs.map(() => 50))
    await small.close()
  })
})
