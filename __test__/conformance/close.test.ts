/** A model that is closed under its work: everything ends with `closed`, and closing is done when the memory is free. */
import { describe, expect, it } from 'vitest'
import { isWickError, type LocalModel } from '../../src/index.js'
import { deltas, failure, read, sleep } from './parts.js'
import { answer, endless, long, subjects, wide } from './subjects.js'

const closed = (error: unknown): boolean => isWickError(error, 'closed')

describe.each(subjects)('$name', ({ open }) => {
  it('throws closed from a part that is pending', async () => {
    const model = await open(wide)
    const reader = endless(model, { raw: long(1) })[Symbol.asyncIterator]()
    expect(await reader.next()).toMatchObject({ value: { type: 'start' } })
    const pending = failure(reader.next())
    await model.close()
    expect(await pending).toSatisfy(closed)
    expect(await reader.next()).toEqual({ done: true, value: undefined })
  })

  it('ends several runs, a prepare and an evaluate at once', async () => {
    const model = await open(wide)
    const runs = Array.from({ length: 5 }, (_, n) => read(endless(model, { seed: n })))
    const others = [model.prepare(long(2)), model.evaluate(long(3).tokens)].map(failure)
    await answer(model, 8).collect()
    await model.close()
    for (const { parts, error } of await Promise.all(runs)) {
      expect(error).toSatisfy(closed)
      expect(parts[0]).toMatchObject({ type: 'start' })
    }
    expect((await Promise.all(others)).every(closed)).toBe(true)
  })

  it('gives a reader that is behind what there was, then closed', async () => {
    const model = await open(wide)
    const { parts, error } = await read(endless(model), async (_, count) => {
      if (count !== 1) return
      await sleep(100)
      await model.close()
    })
    expect(error).toSatisfy(closed)
    expect(deltas(parts).length).toBeGreaterThan(0)
    expect(parts.some(({ type }) => type === 'finish')).toBe(false)
  })

  it('may be closed again, by anyone, at any time', async () => {
    const model = await open()
    const run = failure(endless(model).collect())
    await Promise.all([model.close(), model.close(), model[Symbol.asyncDispose]()])
    await model.close()
    expect(await run).toSatisfy(closed)
  })

  it.each([
    { call: 'generate', use: (model: LocalModel) => answer(model, 1).collect() },
    { call: 'prepare', use: (model: LocalModel) => model.prepare({ text: 'Hi' }) },
    { call: 'evaluate', use: (model: LocalModel) => model.evaluate([5, 6]) },
  ])('refuses $call once it is closed', async ({ use }) => {
    const model = await open()
    await model.close()
    expect(await failure(use(model))).toSatisfy(closed)
    expect(model.info.vocabSize).toBeGreaterThan(0)
  })

  it('is closed when its block is left', async () => {
    let run: Promise<unknown>
    {
      await using model = await open()
      run = failure(endless(model).collect())
    }
    expect(await run).toSatisfy(closed)
  })

  it('ends a run that waits for a shorter conversation', async () => {
    const model = await open({ contextTokens: 64 })
    const messages = [{ role: 'user' as const, content: 'word '.repeat(500) }]
    const overflow = async () => {
      await model.close()
      return [{ role: 'user' as const, content: 'Hi' }]
    }
    expect(await failure(endless(model, { messages, raw: undefined, overflow }).collect())).toSatisfy(closed)
  })

  it('does not close another model of the same file', async () => {
    const [one, other] = [await open(), await open()]
    const run = answer(other, 60).collect()
    await one.close()
    expect((await run).usage.completionTokens).toBe(60)
    await other.close()
  })
})
