import { describe, expect, it } from 'vitest'
import { isWickError, Run } from '../../src/index.js'

/** A source of numbers that says what happened to it. */
function numbers(count = Infinity, failAt = -1) {
  const seen = { starts: 0, pulled: 0, ended: 0, aborted: false }
  const recipe = (signal?: AbortSignal) => ({
    signal,
    start(work: AbortSignal) {
      seen.starts += 1
      work.addEventListener('abort', () => (seen.aborted = true))
      return (async function* () {
        try {
          for (let n = 0; n < count; n += 1) {
            seen.pulled += 1
            if (n === failAt) throw new Error('source failed')
            yield n
          }
        } finally {
          seen.ended += 1
        }
      })()
    },
    fold() {
      let sum = 0
      return { add: (n: number) => void (sum += n), result: () => sum }
    },
  })
  return { seen, run: (signal?: AbortSignal) => new Run<number, number>(recipe(signal)) }
}

/** A source whose first part never comes. */
function silent(signal?: AbortSignal) {
  const seen = { ended: false }
  const run = new Run<string, string>({
    signal,
    async *start(work) {
      try {
        await new Promise((_, reject) => work.addEventListener('abort', () => reject(work.reason)))
        yield 'never'
      } finally {
        seen.ended = true
      }
    },
    fold: () => ({ add() {}, result: () => '' }),
  })
  return { seen, run }
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 5))

describe('Run', () => {
  it('gives parts in order, and its result when collected', async () => {
    const parts: number[] = []
    for await (const n of numbers(4).run()) parts.push(n)
    expect(parts).toEqual([0, 1, 2, 3])
    expect(await numbers(4).run().collect()).toBe(6)
  })

  it('starts nothing before it is consumed, not even when its iterator is taken', async () => {
    const { run, seen } = numbers(1)
    const iterator = run()[Symbol.asyncIterator]()
    await tick()
    expect(seen.starts).toBe(0)
    await iterator.return?.()
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(seen.starts).toBe(0)
  })

  it('pulls only what the reader asks for', async () => {
    const { run, seen } = numbers()
    const iterator = run()[Symbol.asyncIterator]()
    await iterator.next()
    await iterator.next()
    await tick()
    expect(seen.pulled).toBe(2)
    await iterator.return?.()
  })

  it('is not a promise', () => {
    expect('then' in numbers(1).run()).toBe(false)
  })

  it.each([
    ['for await', async (run: Run<number, number>) => { for await (const _ of run); }],
    ['collect', (run: Run<number, number>) => run.collect()],
    ['collectOne', (run: Run<number, number>) => run.collectOne()],
    ['text', (run: Run<number, number>) => run.text().collect()],
    ['map', (run: Run<number, number>) => run.map((n) => n).collect()],
    ['toReadableStream', async (run: Run<number, number>) => run.toReadableStream()],
  ])('refuses a second consumer: %s', async (_, consume) => {
    const { run, seen } = numbers(3)
    const once = run()
    await once.collect()
    await expect(consume(once)).rejects.toSatisfy((error) => isWickError(error, 'invalid-request'))
    expect(seen.starts).toBe(1)
  })

  it('ends the work on break', async () => {
    const { run, seen } = numbers()
    for await (const n of run()) if (n === 2) break
    expect(seen).toMatchObject({ pulled: 3, ended: 1, aborted: true })
  })

  it('ends the work when the reader throws, and lets the error through', async () => {
    const { run, seen } = numbers()
    const reading = (async () => {
      for await (const n of run()) if (n === 1) throw new Error('reader failed')
    })()
    await expect(reading).rejects.toThrow('reader failed')
    expect(seen.ended).toBe(1)
  })

  it('throws a failure after the parts before it, once', async () => {
    const { run, seen } = numbers(5, 2)
    const iterator = run()[Symbol.asyncIterator]()
    expect([(await iterator.next()).value, (await iterator.next()).value]).toEqual([0, 1])
    await expect(iterator.next()).rejects.toThrow('source failed')
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
    expect(seen.ended).toBe(1)
  })

  it('leaves a pending part at once: return does not wait behind next', async () => {
    const { run, seen } = silent()
    const iterator = run[Symbol.asyncIterator]()
    const pending = iterator.next()
    await iterator.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(seen.ended).toBe(true)
  })

  it('rejects with the reason of a signal that aborted before, without starting', async () => {
    const { run, seen } = numbers(3)
    await expect(run(AbortSignal.abort('mine')).collect()).rejects.toBe('mine')
    expect(seen.starts).toBe(0)
  })

  it('rejects with the signal\'s own reason between parts', async () => {
    const { run, seen } = numbers()
    const controller = new AbortController()
    const reason = { why: 'enough' }
    const parts: number[] = []
    const reading = (async () => {
      for await (const n of run(controller.signal)) {
        parts.push(n)
        if (n === 1) controller.abort(reason)
      }
    })()
    await expect(reading).rejects.toBe(reason)
    expect(parts).toEqual([0, 1])
    expect(seen.ended).toBe(1)
  })

  it('rejects with the signal\'s own reason while a part is pending', async () => {
    const controller = new AbortController()
    const { run, seen } = silent(controller.signal)
    const reading = run.collect()
    await tick()
    controller.abort('mine')
    await expect(reading).rejects.toBe('mine')
    expect(seen.ended).toBe(true)
  })

  it('lets go of the caller\'s signal', async () => {
    const { signal } = new AbortController()
    const listeners = { now: 0 }
    const counted = new Proxy(signal, {
      get(target, name) {
        if (name === 'addEventListener') return (...all: Parameters<AbortSignal['addEventListener']>) => (listeners.now++, target.addEventListener(...all))
        if (name === 'removeEventListener') return (...all: Parameters<AbortSignal['removeEventListener']>) => (listeners.now--, target.removeEventListener(...all))
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    await numbers(3).run(counted).collect()
    for await (const _ of numbers(3).run(counted)) break
    await numbers(3, 1).run(counted).collect().catch(() => {})
    expect(listeners.now).toBe(0)
  })

  it('holds no parts: a long stream takes no more memory than a short one', async () => {
    const big = (count: number) =>
      new Run<Uint8Array, void>({
        async *start() {
          for (let n = 0; n < count; n += 1) yield new Uint8Array(1 << 20)
        },
        fold: () => ({ add() {}, result() {} }),
      })
    const before = process.memoryUsage.rss()
    await big(600).collect()
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 2 ** 20)
  })
})

describe('views', () => {
  it('collectOne gives the first part and ends the work', async () => {
    const { run, seen } = numbers()
    expect(await run().collectOne()).toBe(0)
    expect(seen.ended).toBe(1)
    expect(await numbers(0).run().collectOne()).toBeUndefined()
  })

  it('collectOrElse makes something of a failure, but not of an abort', async () => {
    expect(await numbers(3).run().collectOrElse(() => -1)).toBe(3)
    expect(await numbers(3, 1).run().collectOrElse((error) => (error as Error).message)).toBe('source failed')
    await expect(numbers(3).run(AbortSignal.abort('mine')).collectOrElse(() => -1)).rejects.toBe('mine')
  })

  it('map changes parts in order; collected, they are an array', async () => {
    expect(await numbers(3).run().map(async (n) => `#${n}`).collect()).toEqual(['#0', '#1', '#2'])
  })

  it('map ends the work when its function throws', async () => {
    const { run, seen } = numbers()
    const mapped = run().map((n) => {
      if (n === 2) throw new Error('map failed')
      return n
    })
    await expect(mapped.collect()).rejects.toThrow('map failed')
    expect(seen.ended).toBe(1)
  })

  it('text keeps the first answer\'s text, piece by piece or whole', async () => {
    const parts = [
      { type: 'start', warnings: [] },
      { type: 'text-delta', id: '0', text: 'light' },
      { type: 'text-delta', id: '0', text: '', tokens: [] },
      { type: 'text-delta', id: '0', text: 'house' },
      { type: 'text-delta', id: '0', text: 'mill', alternative: 1 },
    ]
    const run = () => new Run({ async *start() { yield* parts }, fold: () => ({ add() {}, result() {} }) })
    const pieces: string[] = []
    for await (const piece of run().text()) pieces.push(piece)
    expect(pieces).toEqual(['light', 'house'])
    expect(await run().text().collect()).toBe('lighthouse')
  })

  it('a view that is left while a part is pending ends the work', async () => {
    const { run, seen } = silent()
    const iterator = run.map((part) => part).text()[Symbol.asyncIterator]()
    const pending = iterator.next()
    await tick()
    await iterator.return?.()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(seen.ended).toBe(true)
  })

  it('a view rejects with the signal\'s own reason', async () => {
    const controller = new AbortController()
    const { run } = silent(controller.signal)
    const reading = run.text().collect()
    await tick()
    controller.abort('mine')
    await expect(reading).rejects.toBe('mine')
  })

  it('toReadableStream reads nothing ahead, and cancelling it ends the work', async () => {
    const { run, seen } = numbers()
    const stream = run().toReadableStream()
    await tick()
    expect(seen.starts).toBe(0)
    const reader = stream.getReader()
    expect((await reader.read()).value).toBe(0)
    await tick()
    expect(seen.pulled).toBe(1)
    await reader.cancel()
    expect(seen.ended).toBe(1)
  })

  it('toReadableStream ends, and hands failures on', async () => {
    const all: number[] = []
    for await (const n of numbers(3).run().toReadableStream()) all.push(n)
    expect(all).toEqual([0, 1, 2])
    const reader = numbers(3, 1).run().toReadableStream().getReader()
    await reader.read()
    await expect(reader.read()).rejects.toThrow('source failed')
  })

  it('cancelling a stream with a read pending ends the work', async () => {
    const { run, seen } = silent()
    const reader = run.toReadableStream().getReader()
    const pending = reader.read()
    await tick()
    await reader.cancel()
    expect(await pending).toEqual({ done: true, value: undefined })
    expect(seen.ended).toBe(true)
  })
})
