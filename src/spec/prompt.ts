/**
 * What a model continues.
 *
 * A conversation goes through the model's own chat template; raw prompts and gaps to be filled go past it.
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
  /** Whether the model thinks before it answers, by its template's own variable. Default: as the template has it. */
  readonly reasoning?: boolean | undefined
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

/** A file that stands before the one with the gap. */
export interface InfillFile {
  /** Its path in the repository. */
  readonly path: string
  readonly text: string
}

/**
 * A text with a gap in it, for models whose file names the tokens for it (`model.info.infill`); else it is `unsupported`. What is
 * written here never becomes a control token.
 */
export interface InfillPrompt {
  /** What stands before the gap; may be empty. */
  readonly prefix: string
  /** What stands behind the gap; may be empty. */
  readonly suffix: string
  /** Other files of the repository, the most telling last; they need `path`. A model without a token for files is `unsupported`. */
  readonly files?: readonly InfillFile[] | undefined
  /** The path of the file with the gap. */
  readonly path?: string | undefined
  /** The repository's name. A model without a token for it is `unsupported`. */
  readonly repository?: string | undefined
}

/** Any prompt. */
export type Prompt = ChatPrompt | RawPrompt | InfillPrompt
