/**
 * The one reader of a run.
 *
 * Written out rather than as an async generator: a generator's `return` waits behind a pending `next`, and a reader that leaves
 * while a part is being computed wants the computation ended, not awaited.
 */
import { WickError } from '../errors/index.js'
import { onAbort } from './abort.js'

/** Where the parts come from. */
export interface Source<Part> {
  /** Begins the work; called when the first part is asked for. */
  start(signal: AbortSignal): AsyncIterable<Part>
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
}

type Step<Part> = IteratorResult<Part, undefined>

const done = { done: true, value: undefined } as const

/** Pulls parts from a source until it ends, fails, is aborted, or the reader leaves. */
export class Consumer<Part> implements AsyncIterator<Part, undefined, undefined> {
  readonly #source: Source<Part>
  readonly #work = new AbortController()
  #parts: AsyncIterator<Part> | undefined
  #ended = false
  #letGo = (): void => {}

  constructor(source: Source<Part>) {
    this.#source = source
  }

  async next(): Promise<Step<Part>> {
    if (this.#ended) return done
    try {
      this.#parts ??= this.#begin()
      this.#work.signal.throwIfAborted()
      const step = await this.#parts.next()
      if (this.#ended) return done
      this.#work.signal.throwIfAborted()
      if (step.done !== true) return { done: false, value: step.value }
    } catch (error) {
      if (this.#ended) return done
      await this.#abandon()
      throw this.#work.signal.aborted ? this.#work.signal.reason : error
    }
    this.#end()
    return done
  }

  async return(): Promise<Step<Part>> {
    if (this.#ended) return done
    this.#end()
    this.#work.abort(new WickError('cancelled', 'The reader has left the run.'))
    await this.#parts?.return?.()
    return done
  }

  #begin(): AsyncIterator<Part> {
    const { signal } = this.#source
    this.#letGo = onAbort(signal, () => this.#work.abort(signal?.reason))
    this.#work.signal.throwIfAborted()
    return this.#source.start(this.#work.signal)[Symbol.asyncIterator]()
  }

  /** Lets the source clean up after a failure or an abort, whose reason matters more than what the cleanup may throw. */
  async #abandon(): Promise<void> {
    this.#end()
    await this.#parts?.return?.().then(undefined, () => undefined)
  }

  #end(): void {
    this.#ended = true
    this.#letGo()
  }
}
