/** What happens when the window is full, on real models with small windows. */
import { afterEach, describe, expect, it } from 'vitest'
import { type GenerateOptions, isWickError, type LocalModel, type Message } from '../../src/index.js'
import { deltas, finishOf, read } from './parts.js'
import { answer, subjects, tokens } from './subjects.js'

const contextTokens = 160
const turns: Message[] = Array.from({ length: 12 }, (_, n) => ({ role: n % 2 === 0 ? 'user' : 'assistant', content: `word ${n}` }) as const)
const conversation: Message[] = [{ role: 'system', content: 'Be brief.' }, ...turns, { role: 'user', content: 'And now?' }]
const overflows = (error: unknown): boolean => isWickError(error, 'context-overflow')

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  const small = async (window = contextTokens): Promise<LocalModel> => (model = await open({ contextTokens: window }))
  const chat = (messages: Message[], options: Partial<GenerateOptions>) => answer(model, 200, { raw: undefined, messages, ...options } as Partial<GenerateOptions>)
  afterEach(() => model.close())

  it('refuses a prompt that does not fit before anything is computed, with the figures', async () => {
    await small()
    const { parts, error } = await read(answer(model, 5, { raw: tokens(contextTokens, 1) }))
    expect(parts).toEqual([])
    expect(error).toSatisfy(overflows)
    expect(error).toMatchObject({ detail: { promptTokens: contextTokens, contextTokens } })
  })

  it('ends an answer with length where the window ends, and has said so before', async () => {
    await small()
    const seen = await read(answer(model, contextTokens, { raw: tokens(100, 1) }))
    expect(finishOf(seen)).toMatchObject({ reason: 'length', usage: { promptTokens: 100, completionTokens: contextTokens - 100 } })
    expect(seen.parts[0]).toMatchObject({ warnings: [{ message: expect.stringContaining('room for 60') }] })
  })

  it("goes on past the window with 'shift', and says how", async () => {
    await small()
    const before = model.countTokens({ messages: conversation })
    const room = contextTokens - before
    const seen = await read(chat(conversation, { maxTokens: Math.max(room, 0) + 40, overflow: 'shift' }))
    expect(finishOf(seen)).toMatchObject({ reason: 'length', usage: { completionTokens: Math.max(room, 0) + 40 } })
    expect(finishOf(seen).usage.promptTokens).toBeLessThan(before)
  })

  it("shortens a conversation that does not fit with 'shift', before the start", async () => {
    await small(96)
    expect(model.countTokens({ messages: conversation })).toBeGreaterThan(96)
    const seen = await read(chat(conversation, { maxTokens: 5, overflow: 'shift' }))
    expect(finishOf(seen).usage.promptTokens).toBeLessThan(96)
    expect(seen.parts[0]).toMatchObject({ warnings: [{ message: expect.stringContaining('messages') }] })
  })

  it("shifts raw tokens, and ends with context-overflow when there is nothing left to drop", async () => {
    await small()
    const { parts, error } = await read(answer(model, 1000, { raw: tokens(120, 2), overflow: 'shift' }))
    expect(error).toSatisfy(overflows)
    expect(deltas(parts).length).toBeGreaterThan(0)
    expect(parts.some(({ type }) => type === 'finish')).toBe(false)
  })

  it('asks a function as often as the window is full', async () => {
    await small()
    const windows: number[] = []
    const overflow: GenerateOptions['overflow'] = (messages, { promptTokens, completionTokens, contextTokens, countTokens }) => {
      expect(countTokens(messages)).toBe(promptTokens)
      expect(contextTokens).toBe(160)
      windows.push(completionTokens)
      return messages.slice(Math.ceil(messages.length / 2))
    }
    const [begin] = [conversation.slice(-9)]
    const seen = await read(chat(begin, { maxTokens: 130, overflow }))
    expect(finishOf(seen).usage.completionTokens).toBe(130)
    expect(windows.length).toBeGreaterThan(0)
    expect(windows.every((completion) => completion > 0)).toBe(true)
  })

  it.each([
    { answers: 'nothing shorter', overflow: (messages: readonly Message[]) => messages },
    { answers: 'too much', overflow: () => [{ role: 'user' as const, content: 'word '.repeat(500) }] },
  ])('is context-overflow when a function answers $answers', async ({ overflow }) => {
    await small(64)
    const { error } = await read(chat(conversation, { overflow }))
    expect(error).toSatisfy(overflows)
  })

  it.each([
    { answers: 'no messages', value: [] },
    { answers: 'nothing', value: undefined },
    { answers: 'a string', value: 'Hi' },
    { answers: 'holes', value: [undefined] },
  ])('is invalid-request when a function answers $answers', async ({ value }) => {
    await small(64)
    const { error } = await read(chat(conversation, { overflow: () => value as unknown as Message[] }))
    expect(error).toSatisfy((error) => isWickError(error, 'invalid-request'))
  })
})
