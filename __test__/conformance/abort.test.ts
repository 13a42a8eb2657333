/** A caller's own signal: what is thrown is its reason, and the engine is free at once. */
import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LocalModel, type LogRecord, type Prompt } from '../../src/index.js'
import { deltas, failure, finishOf, read } from './parts.js'
import { answer, endless, long, subjects, wide } from './subjects.js'

/** No promise about speed: only so much longer than any abort takes that it would be a hang. */
const hang = 10_000

// Reasons are the caller's: they need not be errors.
const reasons = [{ reason: new Error('enough') }, { reason: 'a word' }, { reason: 0 }]

describe.each(subjects)('$name', ({ open }) => {
  const log: string[] = []
  let model: LocalModel

  beforeAll(async () => {
    model = await open({ ...wide, log: { level: 'debug', write: ({ message }: LogRecord) => void log.push(message) } })
  })
  afterAll(() => model.close())

  it.each(reasons)('throws $reason of a signal that had aborted, and begins nothing', async ({ reason }) => {
    const { length } = log
    const { parts, error } = await read(endless(model, { signal: AbortSignal.abort(reason) }))
    expect({ parts, error }).toEqual({ parts: [], error: reason })
    expect(log).toHaveLength(length)
  })

  it.each(reasons)('throws $reason during a long prefill', async ({ reason }) => {
    const abort = new AbortController()
    const { parts, error } = await read(endless(model, { raw: long(reasons.length), signal: abort.signal }), () => {
      setTimeout(() => abort.abort(reason), 0)
    })
    expect(error).toBe(reason)
    expect(parts.map(({ type }) => type)).toEqual(['start'])
  })

  it.each(reasons)('throws $reason mid-stream, after the parts there were', async ({ reason }) => {
    const abort = new AbortController()
    const { parts, error } = await read(endless(model, { signal: abort.signal }), (_, count) => {
      if (count === 6) abort.abort(reason)
    })
    expect(error).toBe(reason)
    expect(parts).toHaveLength(6)
    expect(deltas(parts)).toHaveLength(4)
  })

  it("throws the signal's own TimeoutError", async () => {
    const { error } = await read(endless(model, { raw: long(5), signal: AbortSignal.timeout(20) }))
    expect(error).toMatchObject({ name: 'TimeoutError' })
  })

  it('does not mind an abort after the end, and lets go of the signal', async () => {
    const abort = new AbortController()
    const seen = await read(answer(model, 5, { signal: abort.signal }))
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
    abort.abort()
    expect(finishOf(seen).usage.completionTokens).toBe(5)
  })

  it('ends a run whose overflow function never answers', async () => {
    const abort = new AbortController()
    const overflow = () => {
      abort.abort('tired of waiting')
      return new Promise<never>(() => {})
    }
    const messages = [{ role: 'user' as const, content: 'word '.repeat(5000) }]
    const { parts, error } = await read(endless(model, { messages, raw: undefined, overflow, signal: abort.signal }))
    expect({ parts, error }).toEqual({ parts: [], error: 'tired of waiting' })
  })

  it.each([
    { call: 'prepare', begin: (prompt: Prompt, signal: AbortSignal) => model.prepare(prompt, { signal }) },
    { call: 'evaluate', begin: (_: Prompt, signal: AbortSignal) => model.evaluate(long(7).tokens, { signal }) },
    { call: 'load', begin: (_: Prompt, signal: AbortSignal) => open({ signal }) },
  ])('ends $call, before it has begun and on the way', async ({ begin }) => {
    const reason = new Error('enough')
    expect(await failure(begin(long(6), AbortSignal.abort(reason)))).toBe(reason)
    const abort = new AbortController()
    const work = failure(begin(long(6), abort.signal))
    setTimeout(() => abort.abort(reason), 1)
    expect(await work).toBe(reason)
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0)
  })

  it('frees the engine: another request starts while the long prompt is not computed', async () => {
    const abort = new AbortController()
    const began = performance.now()
    let [aborted, started] = [0, 0]
    const other = new Promise<void>((resolve) => {
      setTimeout(() => {
        aborted = performance.now()
        abort.abort('free the engine')
        void answer(model, 1).collectOne().then(() => (started = performance.now())).then(() => resolve())
      }, 50)
    })
    const { parts, error } = await read(endless(model, { raw: long(8), signal: abort.signal }))
    await other
    expect({ types: parts.map(({ type }) => type), error }).toEqual({ types: ['start'], error: 'free the engine' })
    console.log(`aborted after ${(aborted - began).toFixed(0)} ms; another request started ${(started - aborted).toFixed(1)} ms later`)
    expect(started - aborted).toBeLessThan(hang)
  })
})
