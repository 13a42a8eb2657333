import { getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { onAbort, unlessAborted } from '../../src/stream/index.js'

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

describe('what is done when a signal aborts', () => {
  it('is done once each, in order, however many share the signal, with one listener', () => {
    const stop = new AbortController()
    const done: number[] = []
    for (let n = 0; n < 20; n += 1) onAbort(stop.signal, () => done.push(n))
    expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
    stop.abort()
    stop.abort()
    expect(done).toEqual(Array.from({ length: 20 }, (_, n) => n))
    onAbort(stop.signal, () => done.push(20))
    expect(done.at(-1)).toBe(20)
  })

  it('is not done for who has let go, before it or meanwhile, and nothing stays behind', () => {
    const stop = new AbortController()
    const done: string[] = []
    const action = (): unknown => done.push('twice')
    const letGo = [onAbort(stop.signal, action), onAbort(stop.signal, action), onAbort(stop.signal, () => done.push('gone'))]
    letGo[2]?.()
    letGo[2]?.()
    const last = (): void => letGoLast()
    onAbort(stop.signal, () => last())
    const letGoLast = onAbort(stop.signal, () => done.push('meanwhile'))
    stop.abort()
    expect(done).toEqual(['twice', 'twice'])
    const other = new AbortController()
    onAbort(other.signal, action)()
    expect(getEventListeners(other.signal, 'abort')).toHaveLength(0)
  })
})
