/**
 * What a model continues.
 *
 * A conversation goes through the model's own chat template; raw prompts go past it.
 */
import type { JsonObject } from './json.js'
import type { Message } from './message.js'

/** A conversation under the model's chat template. */
export interface ChatPrompt {
  readonly messages: readonly Message[]
  /** Text the answer begins with. It is part of the prompt: the parts and `result.text` hold what follows it. */
  readonly responsePrefix?: string | undefined
  /** Further variables of the template, such as `{ enable_thinking: false }`. */
  readonly templateVariables?: JsonObject | undefined
}

/** Text as it is, without a template; the beginning-of-text token is put in front if the model's file says so. */
export interface RawText {
  readonly text: string
  /** Whether control tokens spelled out in `text` (`<|im_end|>`) become those tokens. Default false: for text you did not write. */
  readonly parseControl?: boolean | undefined
}

/** Token ids as they are; nothing is put in front. */
export interface RawTokens {
  readonly tokens: readonly number[] | Uint32Array
}

/** A prompt without a chat template. */
export type RawPrompt = RawText | RawTokens

/** Any prompt. */
export type Prompt = ChatPrompt | RawPrompt
