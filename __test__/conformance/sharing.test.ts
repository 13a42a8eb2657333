/** One model, shared: what is computed once, who goes first, what bounds it, and what it tells of itself. */
import { describe, expect, it } from 'vitest'
import { generateMany, type GenerateOptions, isWickError, type LocalModel } from '../../src/index.js'
import { failure, read } from './parts.js'
import { answer, endless, ember, long, subjects, tokens, wide } from './subjects.js'

describe.each(subjects)('$name', ({ open }) => {
  it('computes what a hundred requests begin with once, and stores it once', { timeout: 60_000 }, async () => {
    const [common, own, said] = [1000, 8, 4]
    const model = await open(wide)
    const begin = tokens(common, 1).tokens
    const requests = Array.from({ length: 100 }, (_, n): GenerateOptions => ({ model, raw: { tokens: [...begin, ...tokens(own, n).tokens] }, temperature: 0, maxTokens: said, ignoreEnd: true }))
    const results = await generateMany({ requests, concurrency: 100 }).collect()
    const computed = results.reduce((sum, { result }) => sum + (result ? result.usage.promptTokens - result.usage.cachedTokens : NaN), 0)
    // Blocks are shared whole: each request computes its own tokens and at most a block of the common ones.
    expect(computed).toBeLessThanOrEqual(common + 100 * (own + 32))
    const { kv, prefixCache } = model.stats()
    expect(prefixCache.hitTokens).toBe(prefixCache.lookupTokens - computed)
    expect(kv.usedBytes).toBeLessThanOrEqual(model.info.kvBytesPerToken * (common + 100 * (own + said + 64)))
    await model.close()
  })

  it('lets a request of higher priority go first, before what runs too', async () => {
    const model = await open({ ...wide, maxSessions: 1 })
    const order: string[] = []
    const first = model.evaluate(tokens(1500, 1).tokens).then(() => order.push('what ran'))
    await expect.poll(() => model.stats().sessions.running, { interval: 1 }).toBe(1)
    const waiting = [0, 0, 5, -1].map((priority, n) => answer(model, 2, { priority, seed: n }).collect().then(() => order.push(`${n}: ${priority}`)))
    await Promise.all([first, ...waiting])
    expect(order).toEqual(['2: 5', 'what ran', '0: 0', '1: 0', '3: -1'])
    await model.close()
  })

  it('tells what it does', async () => {
    const model = await open({ contextTokens: 256, kvBytes: 64e6 })
    const idle = model.stats()
    expect(idle).toMatchObject({ sessions: { running: 0, waiting: 0 }, prefixCache: { hitTokens: 0, lookupTokens: 0 }, tokensPerSecond: 0, preemptions: 0 })
    expect(idle.kv).toMatchObject({ usedBytes: 0, cachedBytes: 0 })
    expect(idle.kv.limitBytes).toBeLessThanOrEqual(64e6)
    let seen = idle
    await read(answer(model, 190, { raw: tokens(60, 1) }), (_, count) => count === 8 && (seen = model.stats()))
    expect(seen.sessions.running).toBe(1)
    expect(seen.kv.usedBytes).toBeGreaterThanOrEqual(60 * model.info.kvBytesPerToken)
    expect(seen.tokensPerSecond).toBeGreaterThan(0)
    await expect.poll(() => model.stats().sessions).toEqual({ running: 0, waiting: 0 })
    const after = model.stats()
    expect(after.kv.cachedBytes).toBe(after.kv.usedBytes)
    expect(after.prefixCache).toEqual({ hitTokens: 0, lookupTokens: 60 })
    await model.close()
  })

  it('keeps no more of what has ended than it may', async () => {
    const model = await open({ contextTokens: 256 })
    const limit = 100 * model.info.kvBytesPerToken
    await model.close()
    const bounded = await open({ contextTokens: 256, prefixCacheBytes: limit })
    for (let n = 0; n < 5; n += 1) await answer(bounded, 20, { raw: tokens(50, n) }).collect()
    const { kv } = bounded.stats()
    expect(kv.cachedBytes).toBeGreaterThan(0)
    expect(kv.cachedBytes).toBeLessThanOrEqual(limit)
    await bounded.close()
  })
})

describe('what a load may ask for', () => {
  it('keys and values of at least a window', async () => {
    const error = await failure(ember.open({ contextTokens: 512, kvBytes: 1000 }))
    expect(error).toSatisfy((error) => isWickError(error, 'invalid-request'))
    expect(error).toMatchObject({ message: expect.stringContaining('kvBytes') as string })
  })

  it('a session at a time: others are in line, and leave it when they are aborted', async () => {
    const model = await ember.open({ ...wide, maxSessions: 1, backend: 'reference' })
    const controller = new AbortController()
    const runs = [1, 2, 3].map((seed) => read(endless(model, { raw: long(seed), signal: controller.signal })))
    await expect.poll(() => model.stats().sessions).toEqual({ running: 1, waiting: 2 })
    controller.abort()
    await Promise.all(runs)
    await expect.poll(() => model.stats().sessions).toEqual({ running: 0, waiting: 0 })
    await model.close()
  })

  it('as many sessions as there can be', async () => {
    const models: LocalModel[] = []
    for (const maxSessions of [1, 1024]) models.push(await ember.open({ contextTokens: 64, maxSessions }))
    for (const model of models) {
      expect((await answer(model, 3).collect()).usage.completionTokens).toBe(3)
      await model.close()
    }
  })
})
