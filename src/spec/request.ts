/** What a verb asks of a model: checked, with one spelling for everything. */
import type { Message } from './message.js'
import type { Prompt } from './prompt.js'
import type { SamplingOptions } from './sampling.js'

/** The figures of a window that is full. */
export interface OverflowInfo {
  /** Tokens of the conversation as rendered last. */
  readonly promptTokens: number
  /** Tokens generated so far; they stay in the window. */
  readonly completionTokens: number
  /** Tokens the window holds. */
  readonly contextTokens: number
  /** Counts the tokens of another conversation. */
  countTokens(messages: readonly Message[]): number
}

/** Makes a conversation shorter: prompt and generated tokens must leave room for one more. */
export type ShortenConversation = (
  conversation: readonly Message[],
  info: OverflowInfo,
) => readonly Message[] | Promise<readonly Message[]>

/**
 * What happens when the context window cannot hold the prompt or the next token.
 *
 * - `error`: a prompt that is too long is `context-overflow`; an answer that reaches the end of the window finishes with `length`.
 * - `shift`: the oldest turns are dropped, the system messages and the last user message stay; of a raw prompt the oldest tokens
 *   are dropped, the beginning-of-text token stays; of an infill first files, then what is farthest from the gap. When nothing more can be dropped it is `context-overflow`.
 * - a function: its messages replace the conversation.
 */
export type Overflow = 'error' | 'shift' | ShortenConversation

/** One answer asked of a model. */
export interface LanguageRequest {
  readonly prompt: Prompt
  readonly sampling: SamplingOptions
  /** Most tokens to generate, ≥ 1; absent: what the window holds. */
  readonly maxTokens?: number
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: readonly string[]
  /** Goes on over end-of-text and end-of-turn tokens (for benches). */
  readonly ignoreEnd?: boolean
  readonly overflow?: Overflow
}
