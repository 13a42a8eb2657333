import { expectTypeOf, test } from 'vitest'
import type { FinishPart, FinishReason, JsonValue, LanguageModel, LocalModel, Message, StreamPart, TokenInfo, Warning } from '../../src/index.js'

test('a part is known by its type', () => {
  const part = {} as StreamPart
  expectTypeOf(part.type).not.toBeAny()
  if (part.type === 'text-delta') {
    expectTypeOf(part.text).toEqualTypeOf<string>()
    expectTypeOf(part.tokens).toEqualTypeOf<readonly TokenInfo[] | undefined>()
    expectTypeOf(part.alternative).toEqualTypeOf<number | undefined>()
  }
  if (part.type === 'start') expectTypeOf(part.warnings).toEqualTypeOf<readonly Warning[]>()
  if (part.type === 'tool-call') expectTypeOf(part.input).toEqualTypeOf<JsonValue>()
  if (part.type === 'raw') expectTypeOf(part.value).toBeUnknown()
  if (part.type === 'finish') {
    expectTypeOf(part).toEqualTypeOf<FinishPart>()
    expectTypeOf(part.reason).toEqualTypeOf<FinishReason>()
    expectTypeOf(part.timings.tokensPerSecond).toBeNumber()
  }
})

test('the union is what the design lists', () => {
  expectTypeOf<StreamPart['type']>().toEqualTypeOf<
    | 'start'
    | `${'text' | 'reasoning' | 'tool-input'}-${'start' | 'delta' | 'end'}`
    | `tool-${'call' | 'approval' | 'result'}`
    | 'source'
    | 'file'
    | 'raw'
    | 'usage'
    | 'finish'
  >()
})

test('a switch over all types leaves nothing', () => {
  const textOf = (part: Extract<StreamPart, { type: 'text-delta' | 'finish' }>): string => {
    switch (part.type) {
      case 'text-delta':
        return part.text
      case 'finish':
        return part.reason
      default:
        expectTypeOf(part).toBeNever()
        return part
    }
  }
  expectTypeOf(textOf).returns.toBeString()
})

test('a message carries what its role can', () => {
  expectTypeOf<{ role: 'user'; content: string }>().toExtend<Message>()
  expectTypeOf<{ role: 'tool'; content: string }>().not.toExtend<Message>()
  expectTypeOf<{ role: 'user'; content: [{ type: 'reasoning'; text: string }] }>().not.toExtend<Message>()
})

test('a local model is a language model, and can be disposed of', () => {
  expectTypeOf<LocalModel>().toExtend<LanguageModel>()
  expectTypeOf<LocalModel>().toExtend<AsyncDisposable>()
})
