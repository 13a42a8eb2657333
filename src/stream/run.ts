/**
 * `Run`: the one shape of everything that takes time.
 *
 * A run is pulled: its source works only while its one consumer asks for the next part, so it holds one part at a time however
 * long the stream and however slow the reader. It is not a promise: a thenable that an async function returned would be
 * consumed on the way. Views (`text`, `map`) are runs as well, and take the place of the consumer.
 */
import { WickError } from '../errors/index.js'
import { Consumer } from './consumer.js'
import { changed, texts, until } from './views.js'

/** How a run is made. */
export interface RunRecipe<Part, Result> {
  /** Begins the work; called once, when the first part is asked for. `signal` aborts when nobody wants more. */
  start(signal: AbortSignal): AsyncIterable<Part>
  /** What gathers the parts of a run that is collected. */
  fold(): Fold<Part, Result>
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined
}

/** Gathers parts into a result. */
export interface Fold<Part, Result> {
  /** Takes the next part. */
  add(part: Part): void
  /** The result of all parts; asked for once, after the last. */
  result(): Result
}

/**
 * Work that yields parts and ends in a result.
 *
 * `for await` gives the parts, `collect()` the result. Nothing starts before one of them asks; it starts once; it has one
 * consumer, a second one gets `invalid-request`. Leaving the loop ends the work. A failure is thrown after the parts that came
 * before it; an abort throws the signal's own reason.
 */
export class Run<Part, Result> implements AsyncIterable<Part> {
  readonly #recipe: RunRecipe<Part, Result>
  #taken = false

  /** A run of `recipe`. */
  constructor(recipe: RunRecipe<Part, Result>) {
    this.#recipe = recipe
  }

  /** The parts. Taking the iterator makes its holder the one consumer. */
  [Symbol.asyncIterator](): AsyncIterator<Part, undefined, undefined> {
    if (this.#taken) {
      throw new WickError('invalid-request', 'This run already has a consumer. A run is read once: keep what it gave, or start another.')
    }
    this.#taken = true
    return new Consumer(this.#recipe)
  }

  /** Runs to the end and resolves with the result. */
  async collect(): Promise<Result> {
    const fold = this.#recipe.fold()
    for await (const part of this) fold.add(part)
    return fold.result()
  }

  /** Resolves with the first part and ends the work there; `undefined` where there was none. */
  async collectOne(): Promise<Part | undefined> {
    for await (const part of this) return part
    return undefined
  }

  /** Like `collect`, but a failure resolves with what `otherwise` makes of it. The caller's own abort still rejects. */
  async collectOrElse<Other>(otherwise: (error: unknown) => Other | Promise<Other>): Promise<Result | Other> {
    try {
      return await this.collect()
    } catch (error) {
      this.#recipe.signal?.throwIfAborted()
      return otherwise(error)
    }
  }

  /** The text alone, as it comes; collected, the whole text. With several answers (`n`): the first one's. */
  text(): Run<string, string> {
    return this.#view(texts, () => {
      let text = ''
      return { add: (piece) => void (text += piece), result: () => text }
    })
  }

  /** What `change` makes of each part, in order, one at a time; collected, all of it in an array. */
  map<Changed>(change: (part: Part) => Changed | Promise<Changed>): Run<Changed, Changed[]> {
    return this.#view<Changed, Changed[]>(
      (parts) => changed(parts, change),
      () => {
        const all: Changed[] = []
        return { add: (one) => void all.push(one), result: () => all }
      },
    )
  }

  /** The parts as a web stream; nothing is read ahead, and cancelling it ends the work. */
  toReadableStream(): ReadableStream<Part> {
    const parts = this[Symbol.asyncIterator]()
    return new ReadableStream<Part>(
      {
        async pull(controller) {
          const step = await parts.next()
          if (step.done === true) controller.close()
          else controller.enqueue(step.value)
        },
        async cancel() {
          await parts.return?.()
        },
      },
      { highWaterMark: 0 },
    )
  }

  #view<Shown, Whole>(
    show: (parts: AsyncIterable<Part>) => AsyncIterable<Shown>,
    fold: () => Fold<Shown, Whole>,
  ): Run<Shown, Whole> {
    const { signal } = this.#recipe
    return new Run({ signal, fold, start: (left) => show(until(left, this)) })
  }
}
