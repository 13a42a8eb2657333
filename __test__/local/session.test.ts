import { afterEach, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, isWickError, load, type LocalSession, type Message, type RawPrompt, type SessionOptions } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import type { NativePrompt } from '../../src/local/native.js'
import { delta, failure, finish, full, saying, ScriptedModel, scriptedAddon, start, type Step, thought, usage } from './scripted-addon.js'

afterEach(() => replaceAddon(undefined))

const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })

async function talking(scripts: Step[][], options?: SessionOptions) {
  const native = new ScriptedModel(scripts)
  replaceAddon(scriptedAddon(native))
  const model = await load('m')
  return { native, model, session: model.session(options) }
}

const say = (session: LocalSession, prompt: string, options: Partial<GenerateOptions> = {}) => generate({ model: session, prompt, ...options } as GenerateOptions)

/** What the engine was given, `role: content` each. */
function heard(prompt: NativePrompt | undefined): string[] {
  if (prompt?.type !== 'Chat') throw new Error('not a conversation')
  return (JSON.parse(prompt.messages) as Message[]).map(({ role, content }) => `${role}: ${String(content)}`)
}

const invalid = (error: unknown) => isWickError(error, 'invalid-request')
const busy = (error: unknown) => isWickError(error, 'busy')

describe('a session', () => {
  it('is a language model that keeps what was said', async () => {
    const { session, native, model } = await talking([saying('A'), saying('B')], { messages: [{ role: 'system', content: 'S' }] })
    expect(session).toMatchObject({ kind: 'language', provider: 'local', id: 'scripted.gguf', model })
    expect((await say(session, 'one').collect()).text).toBe('A')
    expect((await say(session, 'two').collect()).text).toBe('B')
    expect(native.requests.map(({ prompt }) => heard(prompt))).toEqual([
      ['system: S', 'user: one'],
      ['system: S', 'user: one', 'assistant: A', 'user: two'],
    ])
    expect(session.messages).toEqual([{ role: 'system', content: 'S' }, user('one'), assistant('A'), user('two'), assistant('B')])
  })

  it('takes messages as what is new, and none where all was appended', async () => {
    const { session, native } = await talking([saying('A')])
    const call = { role: 'assistant' as const, content: [{ type: 'tool-call' as const, toolCallId: '1', toolName: 'weather', input: {} }] }
    const result = { role: 'tool' as const, content: [{ type: 'tool-result' as const, toolCallId: '1', toolName: 'weather', output: 'rain' }] }
    await generate({ model: session, messages: [user('one'), assistant('A'), user('two')] }).collect()
    session.append([call, result])
    await generate({ model: session, messages: [] }).collect()
    expect(heard(native.requests[1]?.prompt)).toHaveLength(6)
    expect(session.messages.slice(4)).toEqual([call, result, assistant('A')])
  })

  it('means a system message that is given with each prompt once', async () => {
    const { session, native } = await talking([saying('A')])
    await say(session, 'one', { system: 'S' }).collect()
    await say(session, 'two', { system: 'S' }).collect()
    await say(session, 'three', { system: 'T' }).collect()
    expect(heard(native.requests[2]?.prompt)).toEqual(['system: S', 'user: one', 'assistant: A', 'user: two', 'assistant: A', 'system: T', 'user: three'])
  })

  it('remembers the prefix of an answer, its thought and its calls', async () => {
    const { session } = await talking([[[start, thought('Hm'), thought('.'), delta(' so'), finish()], null], saying()])
    await say(session, 'one', { responsePrefix: 'Well,' }).collect()
    expect(session.messages[1]).toEqual({ role: 'assistant', content: [{ type: 'reasoning', text: 'Hm.' }, { type: 'text', text: 'Well, so' }] })
    await say(session, 'two').collect()
    expect(session.messages[3]).toEqual(assistant(''))
  })

  it('hands every option on with the whole conversation', async () => {
    const { session, native } = await talking([saying('A')])
    await say(session, 'one', { temperature: 0, maxTokens: 3, stop: 'x', templateVariables: { a: 1 }, reasoning: { enabled: false } }).collect()
    expect(native.requests[0]).toMatchObject({ sampling: { temperature: 0 }, maxTokens: 3, stop: ['x'], prompt: { variables: '{"a":1}', thinking: false } })
  })

  it('counts tokens, of finished answers and of what it would take', async () => {
    const { session } = await talking([saying('A')])
    expect(session.countTokens()).toBe(0)
    await say(session, 'one').collect()
    await say(session, 'two').collect()
    expect(session.usage).toEqual({ promptTokens: 2 * usage.promptTokens, cachedTokens: 0, completionTokens: 2 * usage.completionTokens, reasoningTokens: 0 })
    expect(session.countTokens()).toBe('oneAtwoA'.length)
    expect(session.countTokens('more')).toBe('oneAtwoAmore'.length)
    expect(session.countTokens({ messages: [user('mo')] })).toBe('oneAtwoAmo'.length)
  })

  it('holds the answer when finish is seen, also by who reads no further', async () => {
    const { session } = await talking([saying('A')])
    for await (const part of say(session, 'one')) if (part.type === 'finish') break
    expect(session.messages).toEqual([user('one'), assistant('A')])
    const parts = say(session, 'two')[Symbol.asyncIterator]()
    for (let step = await parts.next(); step.value?.type !== 'finish'; step = await parts.next());
    expect((await say(session, 'three').collect()).text).toBe('A')
    await parts.return?.()
    expect(session.messages).toHaveLength(6)
  })
})

describe('a run that does not finish leaves the session as it was', () => {
  const cases: Array<[string, Step[], (session: LocalSession) => Promise<unknown>]> = [
    ['fails', [[start, delta('a')], failure('io')], (session) => say(session, 'two').collect()],
    ['is aborted', [[start, delta('a')], 'wait'], (session) => say(session, 'two', { signal: AbortSignal.timeout(5) }).collect()],
    ['is aborted before', saying('a'), (session) => say(session, 'two', { signal: AbortSignal.abort() }).collect()],
    ['is left', [[start, delta('a')], 'wait'], async (session) => {
      for await (const part of say(session, 'two')) if (part.type === 'text-delta') break
      throw new Error('left')
    }],
    ['is refused', saying('a'), (session) => generate({ model: session, messages: [{ role: 'secret' } as unknown as Message] }).collect()],
    ['shortens, and fails then', [[full(0, 64, 94)], failure('io')], (session) => say(session, 'x'.repeat(30), { overflow: 'shift' }).collect()],
  ]
  it.each(cases)('when it %s', async (_, steps, run) => {
    const { session } = await talking([saying('A'), saying('B'), steps, saying('C')])
    await say(session, 'zero').collect()
    await say(session, 'one').collect()
    const before = session.messages
    await expect(run(session)).rejects.toBeDefined()
    expect(session.messages).toBe(before)
    // Where the engine was not asked, the script is still there.
    await say(session, 'three', { overflow: 'shift' }).collectOrElse(() => undefined)
    await say(session, 'four').collect()
    expect(session.messages.slice(0, 4)).toEqual(before)
  })
})

describe('one run at a time', () => {
  it('a second is busy while one is being answered, and so is append', async () => {
    const { session, native } = await talking([[[start, delta('a')], 'wait']])
    const parts = say(session, 'one')[Symbol.asyncIterator]()
    await parts.next()
    await expect(say(session, 'two').collect()).rejects.toSatisfy(busy)
    await expect(say(session, 'two').collect()).rejects.toThrow('fork the session')
    expect(() => session.append([user('two')])).toThrow('fork the session')
    expect(native.requests).toHaveLength(1)
    await parts.return?.()
    session.append([user('two')])
    expect(session.messages).toEqual([user('two')])
  })

  it('and one answer: several are invalid-request', async () => {
    const { session, native } = await talking([saying('A')])
    await expect(say(session, 'one', { n: 2 }).collect()).rejects.toSatisfy(invalid)
    expect(native.requests).toEqual([])
    expect((await say(session, 'one', { n: 1 }).collect()).text).toBe('A')
  })

  it('a run that was never read holds nothing up', async () => {
    const { session } = await talking([saying('A')])
    say(session, 'one')
    expect((await say(session, 'two').collect()).text).toBe('A')
  })
})

describe('a fork', () => {
  it('has the same past and a future of its own', async () => {
    const { session, native } = await talking([saying('A'), saying('B'), saying('C')])
    await say(session, 'one').collect()
    const fork = session.fork()
    expect(fork.messages).toBe(session.messages)
    await say(session, 'two').collect()
    await say(fork, 'three').collect()
    expect(session.messages.slice(2)).toEqual([user('two'), assistant('B')])
    expect(fork.messages).toEqual([user('one'), assistant('A'), user('three'), assistant('C')])
    expect(heard(native.requests[2]?.prompt)).toEqual(['user: one', 'assistant: A', 'user: three'])
    expect(fork.usage).toEqual(session.usage)
  })

  it('of a session that is answering is of the past before, and can answer at once', async () => {
    const { session } = await talking([[[start], 'wait'], saying('B')])
    const parts = say(session, 'one')[Symbol.asyncIterator]()
    await parts.next()
    const fork = session.fork()
    expect((await say(fork, 'two').collect()).text).toBe('B')
    expect(fork.messages).toEqual([user('two'), assistant('B')])
    await parts.return?.()
  })
})

describe('a full window', () => {
  // A token is a letter: 4 + 2 × (10 + 10) + 10 = 54 tokens at the third question.
  const past: Message[] = [{ role: 'system', content: 'SYST' }, user('question 0'), assistant('answer   0'), user('question 1'), assistant('answer   1')]

  it("with 'shift': the session holds what the model last saw, and the answer", async () => {
    const { session, native } = await talking([[[full(0, 48, 54)], [start, delta('a')], [full(12, 48, 40)], [delta('b'), finish()], null], saying('c')], { messages: past })
    await say(session, 'question 2', { overflow: 'shift' }).collect()
    expect(native.sessions[0]?.resumed.map(heard)).toEqual([
      ['system: SYST', 'user: question 1', 'assistant: answer   1', 'user: question 2'],
      ['system: SYST', 'user: question 2'],
    ])
    expect(session.messages).toEqual([{ role: 'system', content: 'SYST' }, user('question 2'), assistant('ab')])
    await say(session, 'next').collect()
    expect(heard(native.requests[1]?.prompt)).toEqual(['system: SYST', 'user: question 2', 'assistant: ab', 'user: next'])
  })

  it('with a function: it gets the whole conversation, and its messages are the conversation from there', async () => {
    const { session } = await talking([[[full(0, 48, 54)], [start, delta('a'), finish()], null]], { messages: past })
    await say(session, 'question 2', { overflow: (messages) => messages.slice(-1) }).collect()
    expect(session.messages).toEqual([user('question 2'), assistant('a')])
  })

  it('dropped in a session is not dropped in its forks', async () => {
    const { session } = await talking([[[full(0, 48, 54)], [start, finish()], null]], { messages: past })
    const fork = session.fork()
    await say(session, 'question 2', { overflow: 'shift' }).collect()
    expect(fork.messages).toEqual(past)
  })
})

describe('a session of raw text or tokens', () => {
  const codes = (text: string) => Array.from(text, (letter) => letter.charCodeAt(0))
  const raw = (session: LocalSession, raw: RawPrompt, options: Partial<GenerateOptions> = {}) => generate({ model: session, raw, ...options } as GenerateOptions)

  it('goes on from the ids of both, the first with what the file puts in front', async () => {
    const { session, native } = await talking([saying('B', 'C'), saying('E')])
    await raw(session, { text: 'A' }).collect()
    expect([...session.tokens]).toEqual([1, ...codes('ABC')])
    await raw(session, { tokens: codes('D') }).collect()
    expect(native.requests.map(({ prompt }) => prompt)).toEqual([{ type: 'Tokens', tokens: [1, ...codes('A')] }, { type: 'Tokens', tokens: [1, ...codes('ABCD')] }])
    expect([...session.tokens]).toEqual([1, ...codes('ABCDE')])
    expect(session.messages).toEqual([])
    expect([session.countTokens(), session.countTokens({ text: 'FG' })]).toEqual([6, 8])
  })

  it('forks, and takes what is appended', async () => {
    const { session } = await talking([saying('B'), saying('C'), saying('D')])
    await raw(session, { text: 'A' }).collect()
    const fork = session.fork()
    fork.append({ text: '+' })
    fork.append({ tokens: codes('-') })
    await raw(fork, { text: '!' }).collect()
    expect([...fork.tokens]).toEqual([1, ...codes('AB+-!C')])
    expect([...session.tokens]).toEqual([1, ...codes('AB')])
    session.tokens[0] = 99
    expect(session.tokens[0]).toBe(1)
  })

  it('is as it was after a run that failed', async () => {
    const { session } = await talking([saying('B'), [[start, delta('C')], failure('io')]])
    await raw(session, { text: 'A' }).collect()
    await expect(raw(session, { text: 'x' }).collect()).rejects.toBeDefined()
    expect([...session.tokens]).toEqual([1, ...codes('AB')])
  })

  it("drops from itself what 'shift' drops", async () => {
    // 32 - 1 - 4 leaves 27: the first and the last 26.
    const { session } = await talking([[[full(0, 32, 41)], [start, delta('z'), finish()], null]])
    await raw(session, { text: 'x'.repeat(20) + 'y'.repeat(20) }, { overflow: 'shift' }).collect()
    expect([...session.tokens]).toEqual([1, ...codes('x'.repeat(6) + 'y'.repeat(20) + 'z')])
  })

  it('does not mix with messages', async () => {
    const { session } = await talking([saying('B')])
    const fork = session.fork()
    await raw(session, { text: 'A' }).collect()
    await expect(say(session, 'Hi').collect()).rejects.toSatisfy(invalid)
    expect(() => session.append([user('Hi')])).toThrow('do not mix')
    await say(fork, 'Hi').collect()
    await expect(raw(fork, { text: 'A' }).collect()).rejects.toThrow('do not mix')
    expect(() => fork.append({ tokens: [1] })).toThrow('do not mix')
    expect(() => fork.countTokens({ text: 'A' })).toThrow('do not mix')
  })
})

describe('what the engine is told', () => {
  it('names the last finished answer, also of a fork; a first prompt names none', async () => {
    const { session, native } = await talking([saying('A'), saying('B'), [[start], failure('io')], saying('D')])
    await say(session, 'one').collect()
    const fork = session.fork()
    await say(session, 'two').collect()
    await say(session, 'three').collectOrElse(() => undefined)
    await say(fork, 'four').collect()
    const named = native.named.map((snapshot) => snapshot && String.fromCharCode(...snapshot.ids()))
    expect(named).toEqual([undefined, 'A', 'B', 'A'])
  })

  it('has all ids of raw prompts, and needs no answer named', async () => {
    const { session, native } = await talking([saying('A')])
    for (const text of ['1', '2']) await generate({ model: session, raw: { text } }).collect()
    expect(native.named).toEqual([undefined, undefined])
  })
})

describe('a session in a file', () => {
  it('is what it was, in a conversation', async () => {
    const { session, native, model } = await talking([saying('A'), saying('B')])
    await say(session, 'one', { system: 'S' }).collect()
    session.append([user('later')])
    await session.save('talk.wick')
    const restored = await model.restore('talk.wick')
    expect(restored.messages).toEqual(session.messages)
    expect(restored.usage).toEqual(session.usage)
    await generate({ model: restored, messages: [] }).collect()
    expect(native.named[1]).toBe(native.files.get('talk.wick')?.snapshot)
    expect(heard(native.requests[1]?.prompt)).toEqual(['system: S', 'user: one', 'assistant: A', 'user: later'])
  })

  it('is what it was, of tokens', async () => {
    const { session, model } = await talking([saying('B')])
    await generate({ model: session, raw: { text: 'A' } }).collect()
    session.append({ text: '+' })
    await session.save('raw.wick')
    const restored = await model.restore('raw.wick')
    expect([...restored.tokens]).toEqual([...session.tokens])
    expect(restored.messages).toEqual([])
  })

  it('has a past when it is saved', async () => {
    const { session, native } = await talking([saying('A')], { messages: [user('one')] })
    await expect(session.save('talk.wick')).rejects.toThrow('no finished answer yet')
    await expect(session.save('')).rejects.toSatisfy(invalid)
    await expect(session.save('x', { signl: 1 } as object)).rejects.toThrow('save has no option "signl"')
    expect(native.files.size).toBe(0)
  })

  it.each(['save', 'restore'] as const)('ends a %s that is aborted with the signal\'s own reason', async (verb) => {
    const { session, model } = await talking([saying('A')])
    await say(session, 'one').collect()
    const controller = new AbortController()
    setTimeout(() => controller.abort('mine'), 5)
    await expect(verb === 'save' ? session.save('x', controller) : model.restore('x', controller)).rejects.toBe('mine')
    await expect(model.restore('x', { signal: AbortSignal.abort('mine') })).rejects.toBe('mine')
  })

  it.each(['', '[]', 'null', '{"version":2}', '{"version":1,"messages":{}}', '{"version":1,"messages":[],"raw":false,"appended":[],"usage":{}}', '{"version":1,"messages":[{"role":"secret"}],"raw":false,"appended":[],"usage":{"promptTokens":1,"cachedTokens":1,"completionTokens":1,"reasoningTokens":1}}'])(
    'that another program wrote is refused: %s',
    async (text) => {
      const { session, model, native } = await talking([saying('A')])
      await say(session, 'one').collect()
      await session.save('talk.wick')
      native.files.set('talk.wick', { ...native.files.get('talk.wick')!, text })
      const error: unknown = await model.restore('talk.wick').catch((error: unknown) => error)
      expect(error).toSatisfy(invalid)
      expect(String(error)).not.toContain('secret')
    },
  )

  it('that is not there is the engine\'s failure', async () => {
    const { model } = await talking([])
    await expect(model.restore('nowhere')).rejects.toMatchObject({ code: 'io' })
  })
})

describe('what a session refuses', () => {
  it.each<[string, (session: LocalSession) => unknown]>([
    ['messages must be an array with at least one', (session) => session.append([])],
    ['messages[0].role must be one of', (session) => session.append([{ role: 'secret' } as unknown as Message])],
    ['messages must be an array', (session) => session.append('secret' as unknown as Message[])],
    ['messages must be an array', (session) => session.model.session({ messages: 'secret' as unknown as Message[] })],
    ['session has no option "system"', (session) => session.model.session({ system: 'secret' } as SessionOptions)],
    ['A gap is filled on its own', (session) => generate({ model: session, infill: { prefix: 'secret', suffix: '' } }).collect()],
    ['messages must be an array', (session) => generate({ model: session, messages: 'secret' as unknown as Message[] }).collect()],
    ['messages must be an array with at least one', (session) => generate({ model: session, messages: [] }).collect()],
  ])('%s', async (message, act) => {
    const { session, native } = await talking([saying('A')])
    const error: unknown = await Promise.resolve().then(() => act(session)).catch((error: unknown) => error)
    expect(error).toSatisfy(invalid)
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('secret')
    expect(session.messages).toEqual([])
    expect(native.requests).toEqual([])
  })

  it('after its model has closed: an answer; what was said can still be read', async () => {
    const { session, model } = await talking([saying('A')])
    await say(session, 'one').collect()
    await model.close()
    await expect(say(session, 'two').collect()).rejects.toSatisfy((error) => isWickError(error, 'closed'))
    expect(session.messages).toHaveLength(2)
  })
})
