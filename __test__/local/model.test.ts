import { afterEach, describe, expect, it } from 'vitest'
import { isWickError, load, type Message, type Prompt } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import { ScriptedModel, scriptedAddon } from './scripted-addon.js'

afterEach(() => replaceAddon(undefined))

async function scripted() {
  const native = new ScriptedModel([])
  replaceAddon(scriptedAddon(native))
  return { native, model: await load('m') }
}

describe('LocalModel', () => {
  it('says what it is', async () => {
    const { model } = await scripted()
    expect(model).toMatchObject({ kind: 'language', provider: 'local', id: 'scripted.gguf' })
    expect(model.info).toMatchObject({ format: 'gguf', vocabSize: 128, metadata: { 'general.name': 'scripted' } })
    expect(model.info.tensors).toEqual([{ name: 'token_embd.weight', dtype: 'F32', shape: [128, 8] }])
  })

  it('tokenizes without special tokens unless asked', async () => {
    const { model } = await scripted()
    expect([...model.tokenize('ab')]).toEqual([97, 98])
    expect([...model.tokenize('ab', { addSpecial: true })]).toEqual([1, 97, 98])
    expect(model.detokenize([97, 98])).toBe('ab')
    expect(model.detokenize(Uint32Array.of(99))).toBe('c')
  })

  it('refuses ids that are none, and options that are none', async () => {
    const { model } = await scripted()
    expect(() => model.detokenize([97, -1])).toThrow('tokens[1] must be an integer from 0 to 4294967295.')
    expect(() => model.detokenize([2 ** 32])).toThrow('tokens[0]')
    expect(() => model.tokenize('a', { special: true } as object)).toThrow('tokenize has no option "special"')
    expect(() => model.tokenize(1 as unknown as string)).toThrow('The text must be a string')
  })

  it('gives one row of logits a position, by default the last', async () => {
    const { model } = await scripted()
    expect(await model.evaluate([5, 6, 7], { positions: [0, 2] })).toEqual([Float32Array.of(0, 0.5), Float32Array.of(2, 2.5)])
    expect(await model.evaluate(Uint32Array.of(5, 6, 7))).toEqual([Float32Array.of(2, 2.5)])
  })

  it('ends an evaluation on abort with the signal\'s own reason', async () => {
    const { model } = await scripted()
    const controller = new AbortController()
    setTimeout(() => controller.abort('mine'), 5)
    await expect(model.evaluate([1], { signal: controller.signal })).rejects.toBe('mine')
  })

  it('prepares a prompt', async () => {
    const { model } = await scripted()
    expect(await model.prepare('Hello')).toEqual({ promptTokens: 5, cachedTokens: 2, completionTokens: 0, reasoningTokens: 0 })
  })

  it('tells what it does', async () => {
    const { model } = await scripted()
    expect(model.stats()).toEqual({
      sessions: { running: 1, waiting: 2 }, kv: { usedBytes: 3, cachedBytes: 4, limitBytes: 5 }, prefixCache: { hitTokens: 6, lookupTokens: 7 },
      tokensPerSecond: 8, promptTokensPerSecond: 9, preemptions: 10, draft: { proposedTokens: 11, acceptedTokens: 12 },
    })
  })

  it('closes once, however often it is asked', async () => {
    const { model, native } = await scripted()
    await Promise.all([model.close(), model.close()])
    await model[Symbol.asyncDispose]()
    expect(native.closes).toBe(1)
  })

  it('is closed by await using', async () => {
    const native = new ScriptedModel([])
    replaceAddon(scriptedAddon(native))
    {
      await using model = await load('m')
      expect(model.provider).toBe('local')
    }
    expect(native.closes).toBe(1)
  })
})

describe('messages', () => {
  const messages: Message[] = [
    { role: 'system', content: 'S' },
    { role: 'user', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] },
    {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'think' },
        { type: 'text', text: 'say' },
        { type: 'tool-call', toolCallId: '1', toolName: 'weather', input: { city: 'Oslo' } },
      ],
    },
    { role: 'tool', content: [{ type: 'tool-result', toolCallId: '1', toolName: 'weather', output: { degrees: 3 } }] },
  ]

  it('reach the template in the shape it reads', async () => {
    const { model } = await scripted()
    expect(JSON.parse(model.render({ messages }))).toEqual([
      { role: 'system', content: 'S' },
      { role: 'user', content: 'ab' },
      { role: 'assistant', content: 'say', reasoning_content: 'think', tool_calls: [{ id: '1', type: 'function', function: { name: 'weather', arguments: { city: 'Oslo' } } }] },
      { role: 'tool', tool_call_id: '1', name: 'weather', content: '{"degrees":3}' },
    ])
    expect(JSON.parse(model.render('Hi'))).toEqual([{ role: 'user', content: 'Hi' }])
  })

  it.each<[string, unknown]>([
    ['messages must be an array with at least one message.', { messages: [] }],
    ['messages must be an array', { messages: 'secret' }],
    ['messages[0] must be an object.', { messages: [null] }],
    ['messages[0].role must be one of system, user, assistant, tool.', { messages: [{ role: 'secret', content: '' }] }],
    ['messages[0].content must be a string or an array', { messages: [{ role: 'user', content: 7 }] }],
    ['messages[0].content[0].type must be one of text', { messages: [{ role: 'user', content: [{ type: 'secret' }] }] }],
    ['messages[0].content[0].type must be one of text in', { messages: [{ role: 'user', content: [{ type: 'toString' }] }] }],
    ['messages[0].content[0].text must be a string.', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['messages[0].content[0].input must be something JSON can hold.', { messages: [{ role: 'assistant', content: [{ type: 'tool-call', toolCallId: '', toolName: '', input: 1n }] }] }],
    ['messages[0].content[0].type must be \'tool-result\'', { messages: [{ role: 'tool', content: [{ type: 'text', text: 'secret' }] }] }],
    ['a prompt of messages has no option "responsePrefx"', { messages: [{ role: 'user', content: '' }], responsePrefx: 'secret' }],
    ['a prompt of text has no option "tools"', { text: 'secret', tools: [] }],
    ['tokens must be an array of numbers', { tokens: 'secret' }],
    ['The prompt must be an object', 7],
  ])('are refused by place, never by content: %s', async (message, prompt) => {
    const { model } = await scripted()
    const error = refusal(() => model.render(prompt as Prompt))
    expect(isWickError(error, 'invalid-request')).toBe(true)
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('secret')
  })

  it('with a file are unsupported by a model that reads text', async () => {
    const { model } = await scripted()
    const file: Message = { role: 'user', content: [{ type: 'text', text: 'see' }, { type: 'file', mediaType: 'image/png', data: new Uint8Array(1) }] }
    const error = refusal(() => model.countTokens({ messages: [file] }))
    expect(isWickError(error, 'unsupported')).toBe(true)
    expect(String(error)).toContain('messages[0].content[1] is a file')
  })
})

function refusal(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  throw new Error('nothing was refused')
}
