import { describe, expect, it } from 'vitest'
import { unlessAborted } from '../../src/stream/index.js'

const reason = new Error('aborted')
const aborted = AbortSignal.abort(reason)
const never = new Promise<string>(() => {})
// Fresh each time: who does not handle it fails the whole test run.
const failing = (): Promise<string> => Promise.reject(new Error('failed'))

describe('work that is waited for unless a signal aborts', () => {
  const { signal } = new AbortController()

  it('gives what it comes to', async () => {
    expect(await unlessAborted(signal, 'now')).toBe('now')
    expect(await unlessAborted(signal, Promise.resolve('later'))).toBe('later')
    await expect(unlessAborted(signal, failing())).rejects.toThrow('failed')
  })

  it.each([
    { what: 'has ended', work: () => 'now' },
    { what: 'never ends', work: () => never },
    { what: 'has failed, which is nobody\'s business then', work: failing },
  ])('gives way to an abort before it, where it $what', async ({ work }) => {
    await expect(unlessAborted(aborted, work())).rejects.toBe(reason)
  })

  it.each([
    { what: 'never ends', work: () => never },
    { what: 'fails later', work: () => new Promise<string>((_, reject) => setTimeout(() => reject(new Error('failed')), 5)) },
  ])('gives way to an abort meanwhile, where it $what', async ({ work }) => {
    const stop = new AbortController()
    const waiting = unlessAborted(stop.signal, work())
    stop.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 10))
  })
})
