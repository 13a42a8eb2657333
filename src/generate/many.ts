/**
 * Many requests, answered side by side, in bounded memory.
 *
 * Requests are read when there is room for one, and there is room when a result has been handed over: a slow reader holds the source
 * back, and a source of millions is never in memory. A request that fails is a result that says so. That is no exception from "a failure
 * is thrown": each request is a run of its own, and its failure, thrown here, would take the answers of all the others with it. What is
 * thrown is what fails the whole: the source's own failure, an abort, wrong options.
 */
import { check, WickError } from '../errors/index.js'
import { onAbort, Run, unlessAborted, until } from '../stream/index.js'
import { generate } from './generate.js'
import type { GenerateOptions } from './options.js'
import { GenerateFold, type GenerateResult } from './result.js'

/** Options of `generateMany`. */
export interface GenerateManyOptions {
  /** What to ask, of one model or of several; read one at a time, when there is room. */
  readonly requests: Iterable<GenerateOptions> | AsyncIterable<GenerateOptions>
  /** Most requests that are begun and not yet handed over, ≥ 1. Default 16. */
  readonly concurrency?: number | undefined
  /** When it aborts, all that is under way ends, and the run throws its reason. A request's own signal ends that request alone. */
  readonly signal?: AbortSignal | undefined
}

/** What became of one request: its result, or what it failed with. */
export type ManyResult = Answered | Failed

/** A request that was answered. */
interface Answered {
  /** The request's place in the source, from 0. */
  readonly index: number
  readonly result: GenerateResult
  readonly error?: undefined
}

/** A request that was not. */
interface Failed {
  /** The request's place in the source, from 0. */
  readonly index: number
  readonly result?: undefined
  /** What the request's own run would have thrown. */
  readonly error: unknown
}

const checks = {
  requests(name, value) {
    if (typeof value === 'object' && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value)) return
    throw new WickError('invalid-request', `${name} must be an iterable or async iterable of what generate takes.`)
  },
  concurrency: check.integer({ min: 1 }),
  signal: check.signal,
} satisfies Record<keyof GenerateManyOptions, check.Check>

/**
 * Asks for all of `requests`, some at a time, and gives each result when it is there; collected, all of them in the order of the
 * requests. Leaving the run ends what is under way and closes the source (`return()`).
 *
 * When the source itself fails, what had been begun is handed over first, and then its error is thrown.
 */
export function generateMany(options: GenerateManyOptions): Run<ManyResult, ManyResult[]> {
  return new Run({
    signal: options?.signal instanceof AbortSignal ? options.signal : undefined,
    fold() {
      const all: ManyResult[] = []
      return { add: (one) => void (all[one.index] = one), result: () => all }
    },
    start(signal) {
      check.checkOptions('generateMany', options, checks)
      check.required('generateMany', options, 'requests')
      return results(new Line(options.requests, options.concurrency ?? 16), signal)
    },
  })
}

/** What comes out of a line, until it is empty, left or aborted. */
async function* results(line: Line, signal: AbortSignal): AsyncGenerator<ManyResult> {
  const letGo = onAbort(signal, () => line.stop(signal.reason))
  try {
    for (let one; (one = await unlessAborted(signal, line.next())) !== undefined; ) yield one
  } finally {
    letGo()
    await line.close()
  }
}

type Requests = Iterator<GenerateOptions> | AsyncIterator<GenerateOptions>

/** Requests between the source and the reader: never more than `room` of them. */
class Line {
  readonly #source: Requests
  readonly #room: number
  // A controller each: one signal with a listener for every request is what Node warns of.
  readonly #running = new Map<AbortController, Promise<void>>()
  readonly #finished: ManyResult[] = []
  /** Begun and not yet handed over. */
  #open = 0
  #begun = 0
  #reading = false
  #ended = false
  #stopped = false
  #failure: { readonly error: unknown } | undefined
  #wake = (): void => {}

  constructor(requests: GenerateManyOptions['requests'], room: number) {
    this.#source = Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]()
    this.#room = room
  }

  /** The next result; `undefined` when there are no more. */
  async next(): Promise<ManyResult | undefined> {
    for (;;) {
      void this.#fill()
      const one = this.#finished.shift()
      if (one !== undefined) {
        this.#open -= 1
        void this.#fill()
        return one
      }
      if (this.#ended && this.#open === 0) break
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
    if (this.#failure !== undefined) throw this.#failure.error
    return undefined
  }

  /** Ends what is under way, and begins no more. */
  stop(reason: unknown): void {
    this.#stopped = true
    for (const running of this.#running.keys()) running.abort(reason)
  }

  /** Ends what is under way, and tells the source that nobody wants more of it. */
  async close(): Promise<void> {
    this.stop(new WickError('cancelled', 'The reader has left the run.'))
    await Promise.all(this.#running.values())
    if (this.#ended) return
    this.#ended = true
    const closed = Promise.resolve(this.#source.return?.())
    // A source that is being waited for may never answer: it is told, and nobody waits.
    if (this.#reading) closed.catch(() => undefined)
    else await closed
  }

  /** Reads requests while there is room. */
  async #fill(): Promise<void> {
    if (this.#reading) return
    this.#reading = true
    while (this.#open < this.#room && !this.#ended && !this.#stopped) await this.#read()
    this.#reading = false
  }

  async #read(): Promise<void> {
    try {
      const step = await this.#source.next()
      if (step.done === true) this.#ended = true
      else if (!this.#stopped) this.#begin(step.value)
    } catch (error) {
      this.#ended = true
      this.#failure = { error }
    }
    this.#wake()
  }

  #begin(request: GenerateOptions): void {
    const index = this.#begun
    this.#begun += 1
    this.#open += 1
    const work = new AbortController()
    const running = outcome(request, work.signal).then((outcome) => {
      this.#running.delete(work)
      this.#finished.push({ index, ...outcome })
      this.#wake()
    })
    this.#running.set(work, running)
  }
}

/** Runs one request to its end, or until `signal` aborts. Never rejects. */
async function outcome(request: GenerateOptions, signal: AbortSignal): Promise<Omit<Answered, 'index'> | Omit<Failed, 'index'>> {
  try {
    const run = generate(request)
    const fold = new GenerateFold(request?.logprobs !== undefined)
    for await (const part of until(signal, run)) fold.add(part)
    signal.throwIfAborted()
    return { result: fold.result() }
  } catch (error) {
    return { error }
  }
}
