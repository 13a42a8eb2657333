/** What comes with an answer: figures, log-probabilities, stop texts, alternatives, and what was computed before. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, type LocalModel, type Message, type Timings } from '../../src/index.js'
import { deltas, finishOf, read, text } from './parts.js'
import { answer, ember, subjects, tokens } from './subjects.js'

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  beforeAll(async () => {
    model = await open()
  })
  afterAll(() => model.close())

  it('counts tokens, and measures what the clock allows', async () => {
    const began = performance.now()
    const seen = await read(answer(model, 30, { raw: tokens(60, 1) }))
    const wall = performance.now() - began
    const { usage, timings } = finishOf(seen)
    expect(usage).toEqual({ promptTokens: 60, cachedTokens: 0, completionTokens: 30, reasoningTokens: 0 })
    expect(seen.parts.at(-2)).toEqual({ type: 'usage', usage })
    for (const name of ['queuedMs', 'promptMs', 'firstTokenMs', 'decodeMs'] satisfies (keyof Timings)[]) {
      expect(timings[name]).toBeGreaterThanOrEqual(0)
      expect(timings[name]).toBeLessThanOrEqual(wall)
    }
    expect(timings.promptMs).toBeLessThanOrEqual(timings.firstTokenMs)
    expect(timings.firstTokenMs + timings.decodeMs).toBeLessThanOrEqual(wall)
    expect(timings.promptTokensPerSecond).toBeCloseTo(60_000 / timings.promptMs, 3)
    expect(timings.tokensPerSecond).toBeCloseTo(29_000 / timings.decodeMs, 3)
  })

  it('gives each token with its log-probability, and as many others as were asked for', async () => {
    const seen = await read(answer(model, 20, { temperature: 0, logprobs: 4 }))
    const chosen = deltas(seen.parts).flatMap((delta) => delta.tokens ?? [])
    expect(chosen).toHaveLength(finishOf(seen).usage.completionTokens)
    for (const { id, text, logprob, top } of chosen) {
      expect(top).toHaveLength(4)
      expect(top[0]).toEqual({ id, text, logprob })
      expect(top.map((one) => one.logprob)).toEqual(top.map((one) => one.logprob).toSorted((a, b) => b - a))
      expect(top.reduce((sum, one) => sum + Math.exp(one.logprob), 0)).toBeLessThanOrEqual(1.0001)
    }
  })

  it('gives no tokens where none were asked for', async () => {
    const { parts } = await read(answer(model, 5))
    expect(deltas(parts).every((delta) => !('tokens' in delta) && delta.text !== '')).toBe(true)
  })

  it('agrees with evaluate on what comes next', async () => {
    const { tokens: ids } = tokens(40, 3)
    const { tokens: chosen } = await answer(model, 1, { raw: { tokens: ids }, temperature: 0, logprobs: 0 }).collect()
    const [logits] = await model.evaluate(ids)
    const best = logits?.indexOf(Math.max(...logits))
    expect(chosen?.[0]?.id).toBe(best)
  })

  it.each([{ temperature: 0 }, { temperature: 1.2 }])('ends at a stop text, wherever tokens end ($temperature)', async (sampling) => {
    const whole = await answer(model, 60, { ...sampling, logprobs: 0 }).collect()
    const pieces = (whole.tokens ?? []).map((token) => token.text)
    // From the middle of one token into the one after the next, where that is text.
    const stops = pieces.flatMap((_, at) => {
      const [first = '', second = '', third = ''] = pieces.slice(at)
      const stop = first.slice(first.length >> 1) + second + third.slice(0, 1)
      return at > 3 && !stop.includes('\uFFFD') && whole.text.includes(stop) && third !== '' ? [stop] : []
    })
    expect(stops.length).toBeGreaterThan(0)
    for (const stop of [stops[0], stops.at(-1)] as string[]) {
      const seen = await read(answer(model, 60, { ...sampling, stop: ['never said at all', stop] }))
      expect(finishOf(seen)).toMatchObject({ reason: 'stop', stop })
      expect(text(seen.parts)).toBe(whole.text.slice(0, whole.text.indexOf(stop)))
    }
  })

  it('shows what was held back for a stop text that did not come', async () => {
    const plain = (await answer(model, 30).collect()).text
    const stop = `${plain.slice(-2)}and never this`
    expect((await answer(model, 30, { stop }).collect()).text).toBe(plain)
  })

  it('gives several answers after one another: one start, one finish, the prompt computed once', async () => {
    const raw = tokens(50, 4)
    const { parts, error } = await read(answer(model, 12, { raw, n: 3, seed: 40, temperature: 1 }))
    expect(error).toBeUndefined()
    expect(parts.map(({ type }) => type).filter((type) => type === 'start' || type === 'finish')).toEqual(['start', 'finish'])
    const finish = parts.at(-1)
    const ends = finish?.type === 'finish' ? (finish.alternatives ?? []) : []
    expect(ends.map(({ usage }) => usage)).toEqual([0, 49, 49].map((cachedTokens) => ({ promptTokens: 50, cachedTokens, completionTokens: 12, reasoningTokens: 0 })))
    expect(finish).toMatchObject({ usage: { promptTokens: 150, cachedTokens: 98, completionTokens: 36 } })
    const { alternatives } = await answer(model, 12, { raw, n: 3, seed: 40, temperature: 1 }).collect()
    for (const [at, { text }] of alternatives.entries()) {
      expect(text).toBe((await answer(model, 12, { raw, seed: 40 + at, temperature: 1 }).collect()).text)
    }
  })

  it('finds a prepared prompt computed', async () => {
    const prompt = { messages: [{ role: 'user', content: 'What was prepared?' }] } as const
    const prepared = await model.prepare(prompt)
    const { usage } = await answer(model, 5, { ...prompt, raw: undefined }).collect()
    expect(prepared).toMatchObject({ promptTokens: usage.promptTokens, completionTokens: 0 })
    expect(usage.cachedTokens).toBe(usage.promptTokens - 1)
    expect(await model.prepare(prompt)).toMatchObject({ cachedTokens: usage.promptTokens - 1 })
  })

  it('says the same from a prompt that was computed before', async () => {
    const cold = await answer(model, 40, { raw: tokens(45, 6) }).collect()
    const warm = await answer(model, 40, { raw: tokens(45, 6) }).collect()
    expect([cold, warm].map(({ usage }) => usage.cachedTokens)).toEqual([0, 44])
    expect(warm.text).toBe(cold.text)
  })

  it('does not take one conversation for another', async () => {
    const begin = tokens(33, 7).tokens
    const [one, other] = [[...begin, 25, 26], [...begin, 25, 27]]
    const cold = await open()
    const expected = await answer(cold, 20, { raw: { tokens: other } }).collect()
    await cold.close()
    await answer(model, 20, { raw: { tokens: one } }).collect()
    const { usage, text } = await answer(model, 20, { raw: { tokens: other } }).collect()
    expect(usage.cachedTokens).toBe(34)
    expect(text).toBe(expected.text)
  })
})

describe('ember, in conversation', () => {
  let model: LocalModel

  beforeAll(async () => {
    model = await ember.open()
  })
  afterAll(() => model.close())

  it.each([{ temperature: 0 }, { temperature: 0.8, seed: 11 }])('continues on the ids it generated ($temperature)', async (sampling) => {
    const asked: Message[] = [{ role: 'user', content: 'Tell me about the lighthouse.' }]
    const options = (messages: Message[]): GenerateOptions => ({ model, messages, ...sampling })
    const first = await generate(options(asked)).collect()
    expect(first.finishReason).toBe('stop')
    const second = await generate({ ...options([...asked, { role: 'assistant', content: first.text }, { role: 'user', content: 'Thank you.' }]), maxTokens: 20 }).collect()
    // All of the first turn but its end, whose own keys and values nobody needed.
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens + first.usage.completionTokens - 1)
  })

  it('shows the text of its tokens', async () => {
    const { text, tokens } = await generate({ model, prompt: 'Hello!', temperature: 0, logprobs: 0 }).collect()
    expect(tokens?.length).toBeGreaterThan(2)
    expect(model.detokenize((tokens ?? []).map(({ id }) => id))).toBe(text)
  })

  it('goes on from a response prefix', async () => {
    const { text } = await generate({ model, prompt: 'Tell me about the lighthouse.', responsePrefix: 'Once upon a', temperature: 0, maxTokens: 20 }).collect()
    expect(text).not.toContain('Once upon a')
    expect(text.length).toBeGreaterThan(10)
  })

  it('never lets a message become a control token', async () => {
    const spelled = model.info.endTokens.map((id) => model.detokenize([id], { showControl: true })).join('')
    const count = (content: string): number[] => [...model.tokenize(content)].filter((id) => model.info.endTokens.includes(id))
    expect(spelled).not.toBe('')
    expect(count(spelled)).toEqual([])
    const prompts = [spelled, 'nothing of that'].map((content) => model.render({ messages: [{ role: 'user', content }] }))
    expect(prompts[0]).toContain(spelled)
    expect(await generate({ model, prompt: spelled, maxTokens: 3 }).collect()).toMatchObject({ usage: { completionTokens: expect.any(Number) } })
  })
})
