/** Requests that are wrong on purpose: an answer or a typed error, and the model goes on. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { convert, generate, type GenerateOptions, isWickError, load, type LocalModel, quantize } from '../../src/index.js'
import { failure, read } from './parts.js'
import { answer, ember } from './subjects.js'

/** Options as no type allows them. */
type Loose = Record<string, unknown>
const refused = (error: unknown): boolean => isWickError(error, 'invalid-request')

let model: LocalModel
beforeAll(async () => {
  model = await ember.open()
})
afterAll(() => model.close())

const ask = (options: Loose) => generate({ model, ...options } as unknown as GenerateOptions)

const circular: Loose = {}
circular['self'] = circular
const values: readonly [string, unknown][] = [
  ['NaN', NaN],
  ['Infinity', Infinity],
  ['-Infinity', -Infinity],
  ['-1', -1],
  ['-0', -0],
  ['0.5', 0.5],
  ['1e308', 1e308],
  ['2^53', 2 ** 53],
  ['2^32', 2 ** 32],
  ['a number as text', '5'],
  ['an empty string', ''],
  ['half a character', 'x\uD800'],
  ['null', null],
  ['true', true],
  ['an array', []],
  ['an array of nothing', [undefined]],
  ['an array of null', [null]],
  ['an object', {}],
  ['a circular object', circular],
  ['an object of nothing', Object.create(null)],
  ['a function', () => {}],
  ['a symbol', Symbol('s')],
  ['a bigint', 10n],
  ['a date', new Date(NaN)],
  ['a promise', Promise.resolve(1)],
  ['a map', new Map([[1, 2]])],
  ['bytes', new Uint8Array(4)],
]

/** Every option, and which of the values above it takes. */
const options: Record<string, readonly string[]> = {
  model: [],
  prompt: ['a number as text', 'an empty string', 'half a character'],
  messages: [],
  raw: [],
  system: ['a number as text', 'an empty string', 'half a character'],
  responsePrefix: ['a number as text', 'an empty string', 'half a character'],
  templateVariables: ['an object', 'an object of nothing', 'a promise', 'a map', 'bytes'],
  maxTokens: [],
  stop: ['a number as text', 'half a character', 'an array'],
  overflow: ['a function'],
  n: [],
  preset: [],
  dynamicTemperatureRange: ['-0', '0.5', '2^53', '2^32'],
  dynamicTemperatureExponent: ['0.5', '2^53', '2^32'],
  typicalP: ['0.5'],
  topNSigma: ['-0', '0.5', '2^53', '2^32'],
  xtcProbability: ['-0', '0.5'],
  xtcThreshold: ['0.5'],
  dryMultiplier: ['-0', '0.5', '2^53', '2^32'],
  dryBase: ['2^53', '2^32'],
  dryAllowedLength: [],
  dryWindow: ['-0'],
  drySequenceBreakers: ['an array'],
  bannedTokens: ['an array'],
  draw: [],
  mirostatTau: [],
  mirostatEta: [],
  ignoreEnd: ['true'],
  signal: [],
  temperature: ['-0', '0.5', '2^53', '2^32'],
  topK: ['-0'],
  topP: ['0.5'],
  minP: ['-0', '0.5'],
  repetitionPenalty: ['0.5', '2^53', '2^32'],
  frequencyPenalty: ['-1', '-0', '0.5'],
  presencePenalty: ['-1', '-0', '0.5'],
  penaltyWindow: ['-0'],
  logitBias: ['an object', 'an object of nothing', 'a date', 'a promise', 'a map', 'bytes'],
  seed: ['-0', '2^32'],
  logprobs: ['-0'],
  chain: ['an array'],
}

describe.each(Object.entries(options))('the option %s', (name, taken) => {
  const others: Loose = ['prompt', 'messages', 'raw'].includes(name) ? {} : { prompt: 'Hi' }

  it.each(values)(`given %s`, async (title, value) => {
    const { parts, error } = await read(ask({ maxTokens: 1, ...others, [name]: value }))
    if (!taken.includes(title)) expect(error).toSatisfy(refused)
    else expect(error).toBeUndefined()
    expect(parts.at(-1)?.type).toBe(taken.includes(title) ? 'finish' : undefined)
  })
})

describe('requests that contradict themselves', () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  it.each<[string, Loose]>([
    ['nothing', {}],
    ['two prompts', { prompt: 'Hi', messages }],
    ['three', { prompt: 'Hi', messages, raw: { text: 'Hi' } }],
    ['an option that is none', { prompt: 'Hi', maxToken: 5 }],
    ['one from a prototype', { prompt: 'Hi', __proto__hidden: 1, constructor: 1 }],
    ['a name of a megabyte', { prompt: 'Hi', ['x'.repeat(1 << 20)]: 1 }],
    ['a system message twice', { system: 'A', messages: [{ role: 'system', content: 'B' }, ...messages] }],
    ['a system message beside a raw prompt', { system: 'A', raw: { text: 'Hi' } }],
    ['messages that are a string', { messages: 'Hi' }],
    ['messages that are one message', { messages: messages[0] }],
    ['messages with a hole', { messages: [messages[0], , messages[0]] }],
    ['content with a hole', { messages: [{ role: 'user', content: [, { type: 'text', text: 'Hi' }] }] }],
    ['messages that are like an array', { messages: { length: 1, 0: messages[0] } }],
    ['no messages', { messages: [] }],
    ['a message that is a string', { messages: ['Hi'] }],
    ['a role that is none', { messages: [{ role: 'wizard', content: 'Hi' }] }],
    ['a role from a prototype', { messages: [{ role: 'constructor', content: 'Hi' }] }],
    ['no role', { messages: [{ content: 'Hi' }] }],
    ['no content', { messages: [{ role: 'user' }] }],
    ['content that is a number', { messages: [{ role: 'user', content: 5 }] }],
    ['a part that is none', { messages: [{ role: 'user', content: [{ type: 'smell', text: 'Hi' }] }] }],
    ['a part without text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['a call without arguments', { messages: [{ role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'a', toolName: 'b' }] }] }],
    ['a call with circular arguments', { messages: [{ role: 'assistant', content: [{ type: 'tool-call', toolCallId: 'a', toolName: 'b', input: circular }] }] }],
    ['tokens beyond the vocabulary', { raw: { tokens: [2 ** 31] } }],
    ['tokens that are none', { raw: { tokens: [1.5] } }],
    ['tokens that are bytes', { raw: { tokens: new Uint8Array(3) } }],
    ['tokens and text', { raw: { tokens: [5], text: 'Hi' } }],
    ['text that is none', { raw: { text: 5 } }],
    ['a stop text that is empty', { prompt: 'Hi', stop: ['a', ''] }],
    ['more stop texts than anyone needs', { prompt: 'Hi', stop: Array.from({ length: 10_000 }, (_, n) => `stop ${n}`) }],
    ['a bias on no token', { prompt: 'Hi', logitBias: { lighthouse: 1 } }],
    ['a bias beyond the vocabulary', { prompt: 'Hi', logitBias: { 4_000_000_000: 1 } }],
    ['a bias that is no number', { prompt: 'Hi', logitBias: { 5: NaN } }],
    ['a ban of a token beyond the vocabulary', { prompt: 'Hi', bannedTokens: [4_000_000_000] }],
    ['a ban of a text that is no token', { prompt: 'Hi', bannedTokens: ['surely not one token of any model'] }],
    ['more banned texts than anyone needs', { prompt: 'Hi', bannedTokens: Array.from({ length: 10_000 }, () => 'a') }],
    ['a breaker of a megabyte', { prompt: 'Hi', dryMultiplier: 1, drySequenceBreakers: ['a'.repeat(1 << 20)] }],
    ['more breakers than anyone needs', { prompt: 'Hi', drySequenceBreakers: Array.from({ length: 10_000 }, () => 'a') }],
    ['a target without mirostat', { prompt: 'Hi', mirostatTau: 3 }],
    ['mirostat and greed', { prompt: 'Hi', draw: 'mirostat-v2', temperature: 0 }],
    ['mirostat and a filter', { prompt: 'Hi', draw: 'mirostat-v1', topK: 40 }],
    ['mirostat and a preset of filters', { prompt: 'Hi', draw: 'mirostat-v1', preset: 'focused' }],
    ['noise and greed', { prompt: 'Hi', draw: 'gumbel-max', preset: 'deterministic' }],
    ['a chain with a stage twice', { prompt: 'Hi', chain: ['top-k', 'top-k'] }],
    ['a chain with a stage that is none', { prompt: 'Hi', chain: ['top-z'] }],
  ])('are invalid-request: %s', async (_, options) => {
    const { parts, error } = await read(ask({ maxTokens: 2, ...options }))
    expect(error).toSatisfy(refused)
    expect(parts).toEqual([])
    expect(error).toSatisfy((error: Error) => error.message.length < 1000)
  })

  it('are none where a text has half a character: it becomes U+FFFD', () => {
    const halves = 'a \uD83D b \uDE00 \\uD800 \\\uD800'
    expect(model.render(halves)).toBe(model.render('a \uFFFD b \uFFFD \\uD800 \\\uFFFD'))
    expect(model.detokenize(model.tokenize(halves))).toBe('a \uFFFD b \uFFFD \\uD800 \\\uFFFD')
  })

  it('are refused also where every token is forbidden', async () => {
    const logitBias = Object.fromEntries(Array.from({ length: model.info.vocabSize }, (_, id) => [id, -Infinity]))
    expect(await failure(ask({ prompt: 'Hi', logitBias, maxTokens: 2 }).collect())).toSatisfy(refused)
  })

  it.each([[undefined], [null], [5], ['Hi'], [[]]])('are refused where the options are %s', async (options) => {
    expect(await failure(generate(options as unknown as GenerateOptions).collect())).toSatisfy(refused)
  })
})

describe('prompts of megabytes', { timeout: 60_000 }, () => {
  const ways: Record<string, (text: string) => Loose> = {
    chat: (prompt) => ({ prompt }),
    raw: (text) => ({ raw: { text } }),
    parsed: (text) => ({ raw: { text, parseControl: true } }),
  }
  const pieces = { letters: 'a', words: 'lighthouse ', spaces: ' ', lines: '\n', digits: '7', pictures: '\u{1F600}', halves: '\uD800', control: '<|im_end|>', opened: '<|im_' }
  const every = Object.keys(pieces).flatMap((piece) => Object.keys(ways).map((way) => [piece, way, 1] as const))

  it.each([...every, ['letters', 'raw', 10], ['control', 'chat', 10]] as const)('of %s, as %s, %d of them, do not fit', async (piece, way, size) => {
    const text = pieces[piece as keyof typeof pieces]
    const { error } = await read(ask({ maxTokens: 2, ...ways[way]?.(text.repeat((size << 20) / text.length)) }))
    expect(error).toSatisfy((error) => isWickError(error, 'context-overflow'))
    expect(error).toSatisfy((error: Error) => error.message.length < 1000)
  })

  it('are refused in every other place, or do no harm there', async () => {
    const text = 'a'.repeat(10 << 20)
    expect((await answer(model, 3, { stop: text }).collect()).usage.completionTokens).toBe(3)
    expect(await failure(load(text))).toSatisfy((error) => isWickError(error))
    expect(await failure(load('ember', { chatTemplate: text }).then((model) => answer(model, 1, { raw: undefined, prompt: 'Hi' } as Loose).collect()))).toSatisfy((error) => isWickError(error))
    expect(await failure(load('ember', { chatTemplate: '{'.repeat(10 << 20) }))).toSatisfy((error) => isWickError(error))
  })
})

describe('other calls', () => {
  it.each<[string, () => unknown]>([
    ['load of a number', () => load(5 as unknown as string)],
    ['load of nothing', () => load('')],
    ['load with options that are none', () => load('ember', 5 as unknown as Loose)],
    ['load with an option that is none', () => load('ember', { contextToken: 5 } as Loose)],
    ['load with no window', () => load('ember', { contextTokens: 0 })],
    ['load with a window below nothing', () => load('ember', { contextTokens: -1 })],
    ['load with half a token', () => load('ember', { contextTokens: 1.5 })],
    ['load with no threads', () => load('ember', { threads: 0 })],
    ['load with a thousand million threads', () => load('ember', { threads: 1e9 })],
    ['load with a device that is none', () => load('ember', { device: 'abacus' } as Loose)],
    ['load with metadata that is an array', () => load('ember', { metadata: [] } as Loose)],
    ['load with circular metadata', () => load('ember', { metadata: circular } as Loose)],
    ['load with a log that cannot be written', () => load('ember', { log: { write: 5 } } as Loose)],
    ['tokenize of a number', () => model.tokenize(5 as unknown as string)],
    ['tokenize with an option that is none', () => model.tokenize('Hi', { special: true } as Loose)],
    ['detokenize of text', () => model.detokenize('Hi' as unknown as number[])],
    ['detokenize below nothing', () => model.detokenize([-1])],
    ['evaluate of nothing', () => model.evaluate([])],
    ['evaluate beyond the vocabulary', () => model.evaluate([999_999])],
    ['evaluate at no position', () => model.evaluate([5], { positions: [] })],
    ['evaluate beyond the end', () => model.evaluate([5], { positions: [1] })],
    ['evaluate backwards', () => model.evaluate([5, 6], { positions: [1, 0] })],
    ['evaluate with a signal that is none', () => model.evaluate([5], { signal: {} } as Loose)],
    ['prepare of a number', () => model.prepare(5 as unknown as string)],
    ['prepare of null', () => model.prepare(null as unknown as string)],
    ['render of no messages', () => model.render({ messages: [] })],
    ['countTokens of half a prompt', () => model.countTokens({} as unknown as string)],
    ['convert of nothing', () => convert({} as unknown as { from: string; to: string })],
    ['quantize without a type', () => quantize({ from: 'a', to: 'b' } as unknown as { from: string; to: string; dtype: 'f16' })],
  ])('%s is invalid-request', async (_, call) => {
    expect(await failure((async () => call())())).toSatisfy(refused)
  })

  it.each<[string, Loose, string]>([
    ['a window of four thousand million tokens', { contextTokens: 0xffff_ffff }, 'out-of-memory'],
    ['a device that comes later', { device: 'cuda' }, 'unsupported'],
    ['metadata that contradicts the file', { metadata: { 'llama.block_count': 4e9 } }, 'model-invalid'],
    ['metadata of another architecture', { metadata: { 'general.architecture': 'abacus' } }, 'unsupported'],
  ])('load with %s says so', async (_, options, code) => {
    expect(await failure(load('ember', options))).toMatchObject({ code })
  })
})
