/** What a model is to the verbs: the same for one in this process and one behind a provider. */
import type { LanguageRequest } from './request.js'
import type { StreamPart } from './stream-part.js'

/** A model that continues text. */
export interface LanguageModel {
  readonly kind: 'language'
  /** Who runs it: `local`, or a provider's id. */
  readonly provider: string
  /** The model's name there. */
  readonly id: string
  /**
   * Streams one answer, `start` to `finish`. Nothing starts before the first part is asked for; leaving early ends the work.
   * When `signal` aborts, the stream throws the signal's reason.
   */
  stream(request: LanguageRequest, signal: AbortSignal): AsyncIterable<StreamPart>
}
