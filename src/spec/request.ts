/** What a verb asks of a model: checked, with one spelling for everything. */
import type { Message } from './message.js'
import type { Prompt } from './prompt.js'
import type { SamplingOptions } from './sampling.js'
import type { AlternativeToken } from './usage.js'

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

/** A token that was sampled and is not part of the answer yet. */
export interface SampledToken {
  readonly id: number
  /** The token's own text; bytes that are not whole characters show as U+FFFD. An end token shows by name. */
  readonly text: string
  /** Natural log of its probability, where `logprobs` are asked for. */
  readonly logprob?: number
  /** The most probable tokens, best first, where `logprobs` are asked for. */
  readonly top?: readonly AlternativeToken[]
}

/**
 * What becomes of a token.
 *
 * - nothing: it is taken.
 * - ids, at least one: they stand in its place, as if they had been sampled; in `tokens` their `logprob` is NaN.
 * - `'stop'`: the answer ends before it, with the finish reason `stop`.
 */
export type TokenAnswer = void | undefined | readonly number[] | Uint32Array | 'stop'

/** Is told each token before it is taken, end tokens too, and says what becomes of it; the model waits. What it throws ends the run. */
export type OnToken = (token: SampledToken) => TokenAnswer | Promise<TokenAnswer>

/**
 * Guesses what comes next, given all tokens of prompt and answer so far (to be read, not written to). The ids it returns are computed
 * together with the next token and kept as far as the model says the same: good guesses save time, wrong ones cost some, and none
 * changes the answer. Nothing, or no ids, is no guess. It is asked where an answer pays, and the model waits for it. What it throws
 * ends the run.
 */
export type Predict = (tokens: Uint32Array) => Prediction | Promise<Prediction>

/** Ids that may come next, in their order. */
export type Prediction = void | undefined | readonly number[] | Uint32Array

/** How a model thinks before it answers. */
export interface ReasoningOptions {
  /**
   * Whether it thinks at all, by its template's own variable (`enable_thinking`). A model whose template has none says so in a
   * warning. Default: as the template has it.
   */
  readonly enabled?: boolean | undefined
  /**
   * Most tokens of a thought, ≥ 0. When they are spent the thought is closed, with what its template closes one with, and the
   * answer goes on; 0 closes it at once. A model whose template knows no thoughts says so in a warning. Default: no limit.
   */
  readonly budgetTokens?: number | undefined
}

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
  /** Says what becomes of each token. Without it the model does not wait for anyone. */
  readonly onToken?: OnToken
  /** Most tokens of the model's thought, ≥ 0; absent: no limit. */
  readonly reasoningBudgetTokens?: number
  /** Guesses what comes next. A hosted model, which cannot use them, says so in a warning. */
  readonly predict?: Predict
  /**
   * An integer; where a model has more to do than it can at once, requests of a higher priority go first. Absent: 0. A hosted
   * model says in a warning that it does not choose among requests.
   */
  readonly priority?: number
  /**
   * What a local model computes of the prompt is shared with requests of the same salt alone; absent: with all that have none. A
   * hosted model says in a warning that its cache is not the caller's to divide.
   */
  readonly cacheSalt?: string
  /** Which of several answers to the prompt this is, from 0; absent: the only one. */
  readonly alternative?: number
}
