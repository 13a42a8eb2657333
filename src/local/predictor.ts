/** A caller's guesses of what comes next. The engine tells what is new since it asked last; the caller is shown all. */
import type { Predict } from '../spec/index.js'
import { unlessAborted } from '../stream/index.js'
import type { NativeSession } from './native.js'
import { unwrap } from './outcome.js'
import { ids } from './request.js'

/** Asks the caller of one answer. */
export class Predictor {
  readonly #predict: Predict
  // It doubles when it is full: what earlier views show stays where it is.
  #tokens = new Uint32Array(1024)
  #length = 0

  constructor(predict: Predict) {
    this.#predict = predict
  }

  /** Answers the question that came with these new tokens. */
  async answer(session: NativeSession, tokens: readonly number[], signal: AbortSignal): Promise<void> {
    this.#add(tokens)
    const guess = await unlessAborted(signal, this.#predict(this.#tokens.subarray(0, this.#length)))
    unwrap(session.predicted(guess === undefined ? [] : ids(guess, 'What predict returns')))
  }

  /** The prompt was replaced: the engine tells all of it again. */
  restart(): void {
    this.#tokens = new Uint32Array(1024)
    this.#length = 0
  }

  #add(tokens: readonly number[]): void {
    const length = this.#length + tokens.length
    if (length > this.#tokens.length) {
      const more = new Uint32Array(2 * length)
      more.set(this.#tokens.subarray(0, this.#length))
      this.#tokens = more
    }
    this.#tokens.set(tokens, this.#length)
    this.#length = length
  }
}
