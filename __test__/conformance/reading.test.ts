/** How a stream is read: by one reader, at its own speed, until it leaves. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { isWickError, type LocalModel, type LogRecord, type StreamPart } from '../../src/index.js'
import { deltas, failure, finishOf, read, sleep, text } from './parts.js'
import { answer, endless, long, subjects, wide } from './subjects.js'

describe.each(subjects)('$name', ({ open }) => {
  const log: string[] = []
  const write = ({ message }: LogRecord): void => void log.push(message)
  const cancelled = (): number => log.filter((line) => line === 'a request ended with cancelled').length
  const ended = (count: number) => vi.waitFor(() => expect(cancelled()).toBe(count), 10_000)
  let model: LocalModel

  beforeAll(async () => {
    model = await open({ ...wide, log: { level: 'debug', write } })
  })
  afterAll(() => model.close())

  it('begins with start, ends with finish, once and last, and is then over', async () => {
    const reader = answer(model, 30)[Symbol.asyncIterator]()
    const parts: StreamPart[] = []
    for (let step = await reader.next(); step.done !== true; step = await reader.next()) parts.push(step.value)
    expect(finishOf({ parts, error: undefined })).toMatchObject({ reason: 'length', usage: { completionTokens: 30 } })
    expect([await reader.next(), await reader.next()]).toEqual([{ done: true, value: undefined }, { done: true, value: undefined }])
  })

  it('starts nothing before it is consumed', async () => {
    const { length } = log
    const run = answer(model, 5)
    const reader = answer(model, 5)[Symbol.asyncIterator]()
    await sleep(20)
    expect(log).toHaveLength(length)
    await reader.return?.()
    expect((await run.collect()).usage.completionTokens).toBe(5)
  })

  it('gives parts in order to a reader that asks ahead', async () => {
    const reader = answer(model, 20)[Symbol.asyncIterator]()
    const steps = await Promise.all(Array.from({ length: 60 }, () => reader.next()))
    const parts = steps.flatMap((step) => (step.done === true ? [] : [step.value]))
    expect(finishOf({ parts, error: undefined }).usage.completionTokens).toBe(20)
    expect(text(parts)).toBe((await answer(model, 20).collect()).text)
  })

  it('ends the work when the reader breaks', async () => {
    const before = cancelled()
    for await (const part of endless(model)) if (part.type === 'text-delta') break
    await ended(before + 1)
    expect((await answer(model, 5).collect()).usage.completionTokens).toBe(5)
  })

  it('ends the work when the reader leaves while a part is pending', async () => {
    const before = cancelled()
    const reader = endless(model, { raw: long(1) })[Symbol.asyncIterator]()
    expect(await reader.next()).toMatchObject({ value: { type: 'start' } })
    const pending = reader.next()
    expect(await reader.return?.()).toEqual({ done: true, value: undefined })
    expect(await pending).toEqual({ done: true, value: undefined })
    await ended(before + 1)
  })

  it.each([
    { view: 'text', of: () => endless(model, { raw: long(2) }).text().toReadableStream() },
    { view: 'map', of: () => endless(model, { raw: long(3) }).text().map((piece) => piece.length).toReadableStream() },
    { view: 'a web stream', of: () => endless(model, { raw: long(4) }).map(({ type }) => type).toReadableStream() },
  ])('ends the work when $view is left while a part is pending', async ({ of }) => {
    const before = cancelled()
    const reader = of().getReader()
    const pending = (async () => {
      for (let step = await reader.read(); !step.done; ) step = await reader.read()
    })()
    await sleep(20)
    await reader.cancel()
    await pending
    await ended(before + 1)
  })

  it('ends the work when one part was enough', async () => {
    const before = cancelled()
    expect(await endless(model, { raw: long(5) }).collectOne()).toMatchObject({ type: 'start' })
    await ended(before + 1)
  })

  it('refuses a second consumer, and serves the first', async () => {
    const run = answer(model, 40)
    const [first, second, third] = await Promise.all([run.collect(), failure(run.collect()), failure(run.text().collect())])
    expect(isWickError(second, 'invalid-request') && isWickError(third, 'invalid-request')).toBe(true)
    expect(first.usage.completionTokens).toBe(40)
  })

  it('loses nothing to a slow reader', async () => {
    const quick = await read(answer(model, 150))
    const slow = await read(answer(model, 150), (_, count) => (count % 40 === 1 ? sleep(60) : undefined))
    expect(finishOf(slow).usage).toMatchObject({ completionTokens: 150 })
    expect(text(slow.parts)).toBe(text(quick.parts))
  })

  it('throws a failure after the parts that came before it', async () => {
    const reason = new Error('from an overflow function')
    const small = await open({ contextTokens: 64 })
    const { parts, error } = await read(
      answer(small, 200, {
        messages: [{ role: 'user', content: 'Hi' }],
        raw: undefined,
        overflow() {
          throw reason
        },
      }),
    )
    await small.close()
    expect(error).toBe(reason)
    expect(parts[0]).toMatchObject({ type: 'start' })
    expect(deltas(parts).length).toBeGreaterThan(3)
    expect(parts.some(({ type }) => type === 'finish')).toBe(false)
  })
})
