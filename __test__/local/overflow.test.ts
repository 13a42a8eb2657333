import { afterEach, describe, expect, it } from 'vitest'
import { generate, type InfillPrompt, isWickError, load, type Message, type Overflow } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import type { NativePrompt } from '../../src/local/native.js'
import { delta, finish, full, ScriptedModel, scriptedAddon, start, type Step } from './scripted-addon.js'

afterEach(() => replaceAddon(undefined))

// A token is a letter: this conversation is 4 + 4 × (10 + 10) + 10 = 94 tokens.
const system: Message = { role: 'system', content: 'SYST' }
const turns: Message[] = [0, 1, 2, 3].flatMap((n) => [
  { role: 'user' as const, content: `question ${n}` },
  { role: 'assistant' as const, content: `answer   ${n}` },
])
const last: Message = { role: 'user', content: 'question 4' }
const messages = [system, ...turns, last]

async function overflowing(steps: Step[], overflow: Overflow, prompt: Message[] | string = messages) {
  const native = new ScriptedModel([steps])
  replaceAddon(scriptedAddon(native))
  const model = await load('m')
  const asked = typeof prompt === 'string' ? { raw: { text: prompt } } : { messages: prompt }
  const outcome = await generate({ model, overflow, ...asked }).collect().catch((error: unknown) => error)
  return { native, outcome, resumed: native.sessions[0]?.resumed ?? [] }
}

const lamp = { files: [{ path: 'a', text: 'x'.repeat(20) }, { path: 'b', text: 'y'.repeat(20) }], path: 'c' }

async function overflowingGap(full: Step, gap: InfillPrompt, overflow: Overflow = 'shift') {
  const native = new ScriptedModel([[full, [start, finish()]]])
  replaceAddon(scriptedAddon(native))
  const outcome = await generate({ model: await load('m'), overflow, infill: gap }).collect().catch((error: unknown) => error)
  return { outcome, resumed: native.sessions[0]?.resumed[0] }
}

describe("overflow: 'shift' around a gap", () => {
  it('drops files first, and keeps the text around the gap whole', async () => {
    const { resumed } = await overflowingGap([full(0, 64, 80)], { ...lamp, prefix: 'p'.repeat(20), suffix: 's'.repeat(8) })
    expect(resumed).toEqual({ type: 'Infill', prefix: 'p'.repeat(20), suffix: 's'.repeat(8), files: [{ path: 'b', text: 'y'.repeat(20) }], path: 'c' })
  })

  it('then drops what is farthest from the gap, whole characters', async () => {
    const { resumed } = await overflowingGap([full(0, 64, 200)], { prefix: '😀'.repeat(50) + 'near', suffix: 'near' + 's'.repeat(96) })
    if (resumed?.type !== 'Infill') throw new Error('not an infill')
    expect(resumed.prefix).toMatch(/^(😀)+near$/u)
    expect(resumed.suffix).toMatch(/^nears+$/)
    expect(resumed.prefix.length + resumed.suffix.length).toBeLessThanOrEqual(64 - 1 - 8)
  })

  it('shortens nothing with a function', async () => {
    const { outcome } = await overflowingGap([full(0, 64, 200)], { prefix: 'a', suffix: 'b' }, (messages) => messages)
    expect(isWickError(outcome, 'invalid-request')).toBe(true)
  })
})

function contents(prompt: NativePrompt | undefined): string[] {
  if (prompt?.type !== 'Chat') throw new Error('not a conversation')
  return (JSON.parse(prompt.messages) as { content: string }[]).map(({ content }) => content)
}

const overflows = (error: unknown) => isWickError(error, 'context-overflow')

describe("overflow: 'shift'", () => {
  it('drops the oldest turns before the start, keeps the system message, and says so', async () => {
    const { resumed, outcome } = await overflowing([[full(0, 64, 94)], [start, delta('a'), finish()]], 'shift')
    // 64 - 1 - 8 leaves 55: the system message, two turns of 20, and the question.
    expect(contents(resumed[0])).toEqual(['SYST', 'question 2', 'answer   2', 'question 3', 'answer   3', 'question 4'])
    expect(outcome).toMatchObject({ text: 'a', warnings: [{ message: 'The window of 64 tokens was full: of 10 messages 6 were kept.' }] })
  })

  it('drops more when the window fills again while it answers; what was generated counts', async () => {
    const { resumed, outcome } = await overflowing([[full(0, 64, 94)], [start, delta('a')], [full(10, 64, 54)], [delta('b'), finish()]], 'shift')
    expect(contents(resumed[1])).toEqual(['SYST', 'question 3', 'answer   3', 'question 4'])
    expect(outcome).toMatchObject({ text: 'ab' })
  })

  it('drops the least that makes room', async () => {
    const { resumed } = await overflowing([[full(0, 95, 94)], [start, finish()]], 'shift')
    expect(contents(resumed[0])).toHaveLength(8)
  })

  it('takes less room than it would like where there is no more to drop', async () => {
    const { resumed } = await overflowing([[full(48, 64, 94)], [start, finish()]], 'shift')
    expect(contents(resumed[0])).toEqual(['SYST', 'question 4'])
  })

  it('keeps system messages wherever they stand, and drops what an assistant says first', async () => {
    const note: Message = { role: 'system', content: 'NOTE' }
    const greeting: Message = { role: 'assistant', content: 'g'.repeat(40) }
    const { resumed } = await overflowing([[full(0, 64, 62)], [start, finish()]], 'shift', [system, greeting, note, last])
    expect(contents(resumed[0])).toEqual(['SYST', 'NOTE', 'question 4'])
  })

  it('counts by halving, not by walking', async () => {
    const many = Array.from({ length: 1000 }, (_, n): Message => ({ role: 'user', content: `question ${n}` }))
    const { native } = await overflowing([[full(0, 64, 9999)], [start, finish()]], 'shift', many)
    expect(native.counts).toBeLessThan(15)
  })

  it.each([
    ['the last turn alone is too long', full(0, 12, 94), messages],
    ['what was generated fills the window', full(60, 64, 94), messages],
    ['there is one turn', full(0, 64, 64), [system, last]],
  ])('is context-overflow with the figures when %s', async (_, window, prompt) => {
    const { outcome, native } = await overflowing([[window]], 'shift', prompt)
    expect(outcome).toSatisfy(overflows)
    expect(outcome).toMatchObject({ detail: { contextTokens: expect.any(Number) as number, promptTokens: expect.any(Number) as number } })
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
  })

  it('drops the oldest tokens of a raw prompt and keeps the beginning-of-text token', async () => {
    const text = 'x'.repeat(30) + 'y'.repeat(40)
    const { resumed } = await overflowing([[full(0, 64, 71)], [start, delta('a')], [full(9, 64, 55)], [finish()]], 'shift', text)
    const tokens = resumed.map((prompt) => (prompt.type === 'Tokens' ? prompt.tokens : []))
    expect(tokens[0]).toEqual([1, ...Array<number>(14).fill(120), ...Array<number>(40).fill(121)])
    expect(tokens[1]).toEqual([1, ...Array<number>(5).fill(120), ...Array<number>(40).fill(121)])
  })

  it('is context-overflow when a raw prompt cannot get shorter', async () => {
    expect((await overflowing([[full(62, 64, 2)]], 'shift', 'x')).outcome).toSatisfy(overflows)
  })
})

describe('an overflow function', () => {
  it('gets the conversation and the figures, and its messages replace the conversation', async () => {
    const seen: unknown[] = []
    const shorten: Overflow = async (conversation, { countTokens, ...figures }) => {
      seen.push(conversation.length, figures, countTokens([last]))
      return [last]
    }
    const { resumed } = await overflowing([[full(0, 64, 94)], [start], [full(5, 64, 59)], [finish()]], shorten)
    expect(contents(resumed[0])).toEqual(['question 4'])
    expect(seen).toEqual([
      10, { promptTokens: 94, completionTokens: 0, contextTokens: 64 }, 10,
      1, { promptTokens: 59, completionTokens: 5, contextTokens: 64 }, 10,
    ])
  })

  it('whose messages do not fit either is context-overflow with their count', async () => {
    const { outcome } = await overflowing([[full(0, 64, 94)]], (conversation) => conversation)
    expect(outcome).toSatisfy(overflows)
    expect(outcome).toMatchObject({ message: expect.stringContaining('as the overflow function returned them') as string, detail: { promptTokens: 94, contextTokens: 64 } })
  })

  it('that throws ends the run with what it threw', async () => {
    const { outcome, native } = await overflowing([[full(0, 64, 94)]], () => {
      throw new Error('mine')
    })
    expect(outcome).toMatchObject({ message: 'mine' })
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
  })

  it('that returns no messages is invalid-request', async () => {
    const { outcome } = await overflowing([[full(0, 64, 94)]], () => 'short' as unknown as Message[])
    expect(outcome).toSatisfy((error) => isWickError(error, 'invalid-request'))
  })

  it('that never answers does not hold an abort up', async () => {
    const native = new ScriptedModel([[[full(0, 64, 94)]]])
    replaceAddon(scriptedAddon(native))
    const controller = new AbortController()
    const run = generate({ model: await load('m'), messages, overflow: () => new Promise(() => {}), signal: controller.signal })
    setTimeout(() => controller.abort('mine'), 5)
    await expect(run.collect()).rejects.toBe('mine')
  })
})

describe("overflow: 'error'", () => {
  it('leaves the decision to the engine', async () => {
    const { native } = await overflowing([[start, finish('length')]], 'error')
    expect(native.requests[0]?.overflow).toBe('error')
  })
})
