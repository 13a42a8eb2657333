/** The verb that asks a language model for text. */
import type { StreamPart } from '../spec/index.js'
import { Run } from '../stream/index.js'
import { alternatives } from './alternatives.js'
import { checkGenerate, type GenerateOptions, toRequest } from './options.js'
import { GenerateFold, type GenerateResult } from './result.js'

/**
 * Continues a prompt, a conversation or a raw text.
 *
 * Nothing happens before the run is consumed: then wrong options are `invalid-request`, and the model begins.
 */
export function generate(options: GenerateOptions): Run<StreamPart, GenerateResult> {
  return new Run({
    signal: options?.signal instanceof AbortSignal ? options.signal : undefined,
    fold: () => new GenerateFold(options?.logprobs !== undefined),
    start(signal) {
      checkGenerate(options)
      return alternatives(options.n ?? 1, (index) => options.model.stream(toRequest(options, index), signal))
    },
  })
}
