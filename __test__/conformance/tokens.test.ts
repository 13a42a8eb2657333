/** Whoever is asked about each token decides: what he feeds is gone on from, and nothing he does holds the model up or is lost. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isWickError, type LocalModel, type SampledToken } from '../../src/index.js'
import { finishOf, read, sleep } from './parts.js'
import { answer, endless, subjects, wide } from './subjects.js'

const prompt = { text: 'The fox' }

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  beforeAll(async () => {
    model = await open(wide)
  })
  afterAll(() => model.close())

  const ids = async (options: Parameters<typeof answer>[2] = {}) => {
    const { tokens } = await answer(model, 12, { logprobs: 0, ...options }).collect()
    return tokens?.map(({ id }) => id) ?? []
  }

  it('changes nothing by looking, and sees each token once, before its part', async () => {
    const seen: SampledToken[] = []
    const before: number[] = []
    const run = answer(model, 12, { logprobs: 1, onToken: (token) => void seen.push(token) })
    for await (const part of run) if (part.type === 'text-delta' && part.tokens) before.push(seen.length)
    expect(seen.map(({ id }) => id)).toEqual(await ids())
    expect(before).toEqual(before.map((_, n) => n + 1))
    expect(seen[0]?.top).toHaveLength(1)
    const plain: SampledToken[] = []
    await answer(model, 1, { onToken: (token) => void plain.push(token) }).collect()
    expect(Object.keys(plain[0] ?? {})).toEqual(['id', 'text'])
  })

  it('goes on from what is fed, now or later', async () => {
    const instead = [...model.tokenize(' harbour lamp')]
    let count = 0
    const fed = await ids({
      temperature: 0,
      onToken: async () => {
        await sleep(1)
        return (count += 1) === 3 ? instead : undefined
      },
    })
    expect(fed.slice(2, 2 + instead.length)).toEqual(instead)
    expect(fed).toHaveLength(12)
    const start = [...model.tokenize(prompt.text, { addSpecial: true }), ...fed.slice(0, 2 + instead.length)]
    const rest = await answer(model, 10 - instead.length, { raw: { tokens: start }, temperature: 0, logprobs: 0 }).collect()
    expect(rest.tokens?.map(({ id }) => id)).toEqual(fed.slice(2 + instead.length))
  })

  it("ends before the token at 'stop'", async () => {
    let count = 0
    const result = await answer(model, 12, { onToken: () => ((count += 1) === 5 ? 'stop' : undefined) }).collect()
    expect(result).toMatchObject({ finishReason: 'stop', usage: { completionTokens: 4 } })
  })

  it.each([
    { title: 'throws', hook: () => { throw new Error('mine') } },
    { title: 'rejects', hook: async () => { await sleep(1); throw new Error('mine') } },
  ])('throws what a hook $title, after the parts there were, and the model goes on', async ({ hook }) => {
    const seen = await read(endless(model, { onToken: hook }))
    expect(seen.error).toMatchObject({ message: 'mine' })
    expect(seen.parts.map(({ type }) => type)).toEqual(['start'])
    expect(await ids()).toHaveLength(12)
  })

  it.each([
    { title: 'no ids', given: [] },
    { title: 'ids that are none', given: [-1] },
    { title: 'ids past the vocabulary', given: [0xffff_ffff] },
    { title: 'something else', given: true },
  ])('refuses $title', async ({ given }) => {
    const { error } = await read(endless(model, { onToken: () => given as never }))
    expect(isWickError(error, 'invalid-request')).toBe(true)
  })

  it('is free at once when it is aborted inside a hook that never answers', async () => {
    const abort = new AbortController()
    const reason = new Error('enough')
    const run = endless(model, {
      signal: abort.signal,
      onToken: () => {
        setTimeout(() => abort.abort(reason), 5)
        return new Promise<void>(() => {})
      },
    })
    expect((await read(run)).error).toBe(reason)
    expect(await ids()).toHaveLength(12)
  })

  it('lets others go on while a hook takes its time', async () => {
    let answerHook = (): void => {}
    const waiting = read(answer(model, 3, { onToken: () => new Promise<void>((resolve) => (answerHook = resolve)) }))
    await sleep(20)
    expect(await ids()).toHaveLength(12)
    const turns = setInterval(() => answerHook(), 1)
    expect(finishOf(await waiting).usage.completionTokens).toBe(3)
    clearInterval(turns)
  })

  it('throws closed when the model is closed under a hook', async () => {
    const short = await open()
    const run = read(endless(short, { onToken: () => new Promise<void>((resolve) => void short.close().then(resolve)) }))
    expect((await run).error).toMatchObject({ code: 'closed' })
  })

  describe('tokens', () => {
    const request = { prompt, sampling: { temperature: 0 }, maxTokens: 8, ignoreEnd: true }

    it('are those of generate, with how it ended as the last value', async () => {
      const seen: number[] = []
      const generator = model.tokens(request)
      for (;;) {
        const { done, value } = await generator.next()
        if (done) {
          expect(value).toMatchObject({ reason: 'length', usage: { completionTokens: 8 } })
          break
        }
        seen.push(value.id)
      }
      const plain = await answer(model, 8, { temperature: 0, logprobs: 0 }).collect()
      expect(seen).toEqual(plain.tokens?.map(({ id }) => id))
    })

    it('are fed by next', async () => {
      const generator = model.tokens(request)
      const first = await generator.next()
      const [lamp] = model.tokenize(' lamp')
      const second = await generator.next([lamp ?? 0])
      const after = [...model.tokenize(prompt.text, { addSpecial: true }), lamp ?? 0]
      const expected = await answer(model, 1, { raw: { tokens: after }, temperature: 0, logprobs: 0 }).collect()
      expect(first.done).toBe(false)
      expect(second.value).toMatchObject({ id: expected.tokens?.[0]?.id })
      expect(await generator.next('stop')).toMatchObject({ done: true, value: { reason: 'stop', usage: { completionTokens: 1 } } })
    })

    it('sample nothing ahead, and let go when they are left', async () => {
      let count = 0
      for await (const token of model.tokens(request)) {
        expect(token.text).toBeTypeOf('string')
        if ((count += 1) === 3) break
      }
      const abort = new AbortController()
      const generator = model.tokens({ ...request, maxTokens: 3000 }, { signal: abort.signal })
      await generator.next()
      abort.abort('mine')
      await expect(generator.next()).rejects.toBe('mine')
      expect(await ids()).toHaveLength(12)
    })

    it('refuse what is no request', () => {
      expect(() => model.tokens({} as never)).toThrow('needs prompt')
      expect(() => model.tokens({ ...request, promt: 1 } as never)).toThrow('has no option "promt"')
    })
  })
})
