import { expectTypeOf, test } from 'vitest'
import { generate, generateMany, type GenerateOptions, type GenerateResult, isWickError, type LanguageModel, load, type LocalModel, type LocalReasoning, type LocalSession, type ManyResult, type Message, type ModelStats, Run, type StreamPart, type TokenAnswer, type TokenGenerator, type ToolCall, type WickError } from '../../src/index.js'

const model = {} as LocalModel

test('generate gives a run of parts, not a promise', () => {
  const run = generate({ model, prompt: 'Hi' })
  expectTypeOf(run).toEqualTypeOf<Run<StreamPart, GenerateResult>>()
  expectTypeOf(run).not.toExtend<PromiseLike<unknown>>()
  expectTypeOf(run.collect()).resolves.toEqualTypeOf<GenerateResult>()
  expectTypeOf(run.collectOne()).resolves.toEqualTypeOf<StreamPart | undefined>()
  expectTypeOf(run.text()).toEqualTypeOf<Run<string, string>>()
  expectTypeOf(run.map((part) => part.type)).toEqualTypeOf<Run<StreamPart['type'], StreamPart['type'][]>>()
  expectTypeOf(run.map(async () => 7)).toEqualTypeOf<Run<number, number[]>>()
  expectTypeOf(run.collectOrElse(() => null)).resolves.toEqualTypeOf<GenerateResult | null>()
  expectTypeOf(run.toReadableStream()).toEqualTypeOf<ReadableStream<StreamPart>>()
})

test('the result has no any', () => {
  expectTypeOf<GenerateResult['text']>().toBeString()
  expectTypeOf<GenerateResult['reasoning']>().toEqualTypeOf<string | undefined>()
  expectTypeOf<GenerateResult['usage']['reasoningTokens']>().toBeNumber()
  expectTypeOf<GenerateResult['toolCalls']>().toEqualTypeOf<readonly ToolCall[]>()
  expectTypeOf<GenerateResult['seed']>().toEqualTypeOf<number | undefined>()
  expectTypeOf<GenerateResult['timings']['tokensPerSecond']>().toBeNumber()
  expectTypeOf<GenerateResult[keyof GenerateResult]>().not.toBeAny()
})

test('prompt, messages and raw exclude each other', () => {
  generate({ model, messages: [{ role: 'user', content: 'Hi' }], system: 'S' })
  generate({ model, raw: { text: 'Hi' }, n: 2 })
  generate({ model, raw: { tokens: Uint32Array.of(1) } })
  generate({ model, infill: { prefix: 'a', suffix: 'b', files: [{ path: 'p', text: 't' }], path: 'q', repository: 'r' } })
  // @ts-expect-error a gap has two sides
  generate({ model, infill: { prefix: 'a' } })
  // @ts-expect-error two prompts
  generate({ model, prompt: 'Hi', infill: { prefix: 'a', suffix: 'b' } })
  // @ts-expect-error nothing to continue
  generate({ model })
  // @ts-expect-error two prompts
  generate({ model, prompt: 'Hi', messages: [] })
  // @ts-expect-error raw goes past the template
  generate({ model, raw: { text: 'Hi' }, system: 'S' })
  // @ts-expect-error no such option
  generate({ model, prompt: 'Hi', temprature: 1 })
  generate({ model, prompt: 'Hi', preset: 'creative', bannedTokens: [5, ' the'], draw: 'mirostat-v2', chain: ['dry', 'xtc'] })
  // @ts-expect-error no such preset
  generate({ model, prompt: 'Hi', preset: 'wild' })
  // @ts-expect-error no such draw
  generate({ model, prompt: 'Hi', draw: 'mirostat' })
  // @ts-expect-error no such stage
  generate({ model, prompt: 'Hi', chain: ['top-z'] })
})

test('a model may be told how to think', () => {
  generate({ model, prompt: 'Hi', reasoning: { enabled: false } })
  generate({ model, messages: [], reasoning: { budgetTokens: 0, enabled: undefined } })
  expectTypeOf(model.info.reasoning).toEqualTypeOf<LocalReasoning | undefined>()
  // @ts-expect-error no such option
  generate({ model, prompt: 'Hi', reasoning: { budget: 1 } })
  // @ts-expect-error it is an object
  generate({ model, prompt: 'Hi', reasoning: false })
  // @ts-expect-error raw and infill go past the template, which is where thoughts are known from
  generate({ model, raw: { text: 'Hi' }, reasoning: { budgetTokens: 1 } })
})

test('a hook may keep, replace or stop', () => {
  generate({ model, prompt: 'Hi', onToken: () => {} })
  generate({ model, prompt: 'Hi', onToken: async ({ id }, alternative) => [id, alternative] })
  generate({ model, prompt: 'Hi', onToken: ({ text, logprob }) => (text === '!' && (logprob ?? 0) < -1 ? 'stop' : Uint32Array.of(1)) })
  // @ts-expect-error no such answer
  generate({ model, prompt: 'Hi', onToken: () => 'go' })
})

test('a session is a model, and so is its fork', () => {
  const session = model.session({ messages: [{ role: 'system', content: 'S' }] })
  generate({ model: session, prompt: 'Hi' })
  generate({ model: session.fork(), raw: { text: 'Hi' } })
  expectTypeOf(session).toEqualTypeOf<LocalSession>()
  expectTypeOf(session).toExtend<LanguageModel>()
  expectTypeOf(session.messages).toEqualTypeOf<readonly Message[]>()
  expectTypeOf(session.save('x')).resolves.toBeVoid()
  expectTypeOf(model.restore('x', { signal: AbortSignal.abort() })).resolves.toEqualTypeOf<LocalSession>()
  session.append([{ role: 'user', content: 'Hi' }])
  session.append({ tokens: [1] })
  // @ts-expect-error a string is no message
  session.append('Hi')
  // @ts-expect-error no such option
  model.session({ system: 'S' })
  // @ts-expect-error what was said is read
  session.messages.push({ role: 'user', content: 'Hi' })
})

test('a predictor is shown tokens and returns some', () => {
  generate({ model, prompt: 'Hi', predict: (tokens, alternative) => [tokens.length, alternative] })
  generate({ model, prompt: 'Hi', predict: async (tokens) => tokens.subarray(3), priority: 1 })
  generate({ model, prompt: 'Hi', predict: () => {} })
  // @ts-expect-error a text is no tokens
  generate({ model, prompt: 'Hi', predict: () => 'Hi' })
})

test('a model tells what it does', () => {
  expectTypeOf(model.stats()).toEqualTypeOf<ModelStats>()
  expectTypeOf<ModelStats['sessions']['running']>().toBeNumber()
  expectTypeOf<ModelStats[keyof ModelStats]>().not.toBeAny()
})

test('a load may be told what guesses', () => {
  void load('m', { draft: 'prompt-lookup', maxSessions: 1, kvBytes: 1e9, prefixCacheBytes: 0 })
  void load('m', { draft: false })
  void load('m', { draft: { model: 'x', tokens: 4 } })
  // @ts-expect-error a draft model is an object
  void load('m', { draft: 'x.gguf' })
  // @ts-expect-error it has a model
  void load('m', { draft: { tokens: 4 } })
})

test('tokens are fed through next', () => {
  const tokens = model.tokens({ prompt: { text: 'Hi' } })
  expectTypeOf(tokens).toEqualTypeOf<TokenGenerator>()
  expectTypeOf(tokens.next).parameters.toEqualTypeOf<[] | [TokenAnswer]>()
  // @ts-expect-error nothing to continue
  model.tokens({ sampling: { temperature: 0 } })
})

test('many requests give results or errors', () => {
  const run = generateMany({ requests: [{ model, prompt: 'Hi' }], concurrency: 4 })
  expectTypeOf(run).toEqualTypeOf<Run<ManyResult, ManyResult[]>>()
  generateMany({ requests: {} as AsyncIterable<GenerateOptions> })
  // @ts-expect-error nothing to continue
  generateMany({ requests: [{ model }] })
  // @ts-expect-error a string is no request
  generateMany({ requests: 'Hi' })
  const one = {} as ManyResult
  expectTypeOf(one.index).toBeNumber()
  if (one.result) expectTypeOf(one.result).toEqualTypeOf<GenerateResult>()
  else expectTypeOf(one.error).toBeUnknown()
})

test('load gives a model', () => {
  expectTypeOf(load).returns.resolves.toEqualTypeOf<LocalModel>()
  expectTypeOf(load).parameter(0).toEqualTypeOf<string | undefined>()
})

test('the guard narrows to the code', () => {
  const error: unknown = undefined
  if (isWickError(error, 'busy')) expectTypeOf(error.code).toEqualTypeOf<'busy'>()
  if (isWickError(error)) expectTypeOf(error).toExtend<WickError>()
})
