/** One answer of the engine as stream parts; leaving early, by break, throw or abort, cancels it. */
import { WickError } from '../errors/index.js'
import type { AnswerEnd, FinishReason, OnToken, Prompt, SampledToken, StreamPart, TokenAnswer } from '../spec/index.js'
import { onAbort, unlessAborted } from '../stream/index.js'
import type { NativeEvent, NativeSession, NativeToken } from './native.js'
import { unwrap } from './outcome.js'
import type { Predictor } from './predictor.js'
import { ids, nativePrompt } from './request.js'

/** The window is full: so many tokens stand in it. */
export type FullWindow = Extract<NativeEvent, { type: 'Overflow' }>

/** A token was sampled, and the engine waits for what becomes of it. */
type AskedToken = Extract<NativeEvent, { type: 'Token' }>

/** The engine wants to know what may come next. */
type AskedGuess = Extract<NativeEvent, { type: 'Predict' }>

/** A prompt that leaves room, and what was done to get it. */
export interface Shorter {
  readonly prompt: Prompt
  readonly note: string
}

/** Makes room in a full window. */
export type Shorten = (window: FullWindow) => Shorter | Promise<Shorter>

/** An answer that has begun. */
export interface Opened {
  readonly session: NativeSession
  /** Answers a full window, where the engine was told to ask. */
  readonly shorten: Shorten | undefined
  /** Says what becomes of each token, where the engine was told to ask. */
  readonly onToken?: OnToken | undefined
  /** Guesses what comes next, where the engine was told to ask. */
  readonly predictor?: Predictor | undefined
}

/** Parts of the answer that `open` begins, until it ends. Nothing is begun before the first part is asked for. */
export async function* streamParts(open: () => Opened, signal: AbortSignal): AsyncGenerator<StreamPart> {
  signal.throwIfAborted()
  const opened = open()
  const { session, onToken } = opened
  const letGo = onAbort(signal, () => session.cancel())
  const answer = new Answer()
  try {
    for (;;) {
      for (const event of await events(session)) {
        if (event.type === 'Token') await feed(session, event.token, signal, onToken)
        else if (event.type === 'Overflow') answer.note(await resume(opened, event, signal))
        else if (event.type === 'Predict') await predict(opened, event, signal)
        else yield* answer.parts(event)
        if (event.type === 'Finish') return
        signal.throwIfAborted()
      }
    }
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    letGo()
    session.cancel()
  }
}

export async function events(session: NativeSession): Promise<NativeEvent[]> {
  const events = unwrap(await session.next())
  if (events === null) throw new WickError('internal', 'The engine ended an answer without saying how.')
  return events
}

/** Has the caller say what becomes of a token. */
async function feed(session: NativeSession, token: NativeToken, signal: AbortSignal, onToken: OnToken | undefined): Promise<void> {
  if (onToken === undefined) throw new WickError('internal', 'The engine asked about a token without having been told to.')
  answerToken(session, await unlessAborted(signal, onToken(sampled(token))))
}

/** A token as callers see it: without probabilities where none were asked for. */
export function sampled({ id, text, logprob, top }: NativeToken): SampledToken {
  return Number.isNaN(logprob) ? { id, text } : { id, text, logprob, top }
}

/** Hands over what becomes of the token that the session waits for. */
export function answerToken(session: NativeSession, answer: TokenAnswer): void {
  if (answer === undefined) return void unwrap(session.feed())
  if (answer === 'stop') return void unwrap(session.finish())
  unwrap(session.feed(ids(answer, 'What stands in a token\'s place')))
}

/** Answers an overflow; returns what was done. */
export async function resume({ session, shorten, predictor }: Opened, window: FullWindow, signal: AbortSignal): Promise<string> {
  if (shorten === undefined) throw new WickError('internal', 'The engine asked for a shorter prompt without having been told to.')
  const { prompt, note } = await unlessAborted(signal, shorten(window))
  unwrap(session.resume(nativePrompt(prompt)))
  predictor?.restart()
  return note
}

/** Answers a question of what may come next. */
async function predict({ session, predictor }: Opened, { tokens }: AskedGuess, signal: AbortSignal): Promise<void> {
  if (predictor === undefined) throw new WickError('internal', 'The engine asked for a guess without having been told to.')
  await predictor.answer(session, tokens, signal)
}

type Delta = Extract<NativeEvent, { type: 'TextDelta' | 'ReasoningDelta' }>

const kinds = { TextDelta: { kind: 'text', id: '0' }, ReasoningDelta: { kind: 'reasoning', id: 'thought-0' } } as const

/** Turns the events of one answer into parts: thought and text are bracketed, and nothing comes after the finish. */
class Answer {
  #open: Delta['type'] | undefined
  readonly #notes: string[] = []

  /** What was done before the start becomes one of its warnings. */
  note(message: string): void {
    this.#notes.push(message)
  }

  *parts(event: Exclude<NativeEvent, FullWindow | AskedToken | AskedGuess>): Generator<StreamPart> {
    switch (event.type) {
      case 'Start':
        yield { type: 'start', warnings: [...this.#notes, ...event.warnings].map((message) => ({ message })) }
        return
      case 'TextDelta':
      case 'ReasoningDelta':
        yield* this.#delta(event)
        return
      case 'Finish':
        yield* this.#close()
        yield { type: 'usage', usage: event.usage }
        yield { type: 'finish', ...end(event) }
    }
  }

  *#delta({ type, text, tokens }: Delta): Generator<StreamPart> {
    const { kind, id } = kinds[type]
    if (this.#open !== type) {
      yield* this.#close()
      this.#open = type
      yield { type: `${kind}-start`, id }
    }
    yield { type: `${kind}-delta`, id, text, ...(tokens.length > 0 && { tokens }) }
  }

  *#close(): Generator<StreamPart> {
    if (this.#open === undefined) return
    const { kind, id } = kinds[this.#open]
    yield { type: `${kind}-end`, id }
  }
}

/** How an answer ended. */
export function end({ reason, stop, usage, timings, seed }: Extract<NativeEvent, { type: 'Finish' }>): AnswerEnd {
  return { reason: reason as FinishReason, ...(stop !== undefined && { stop }), usage, timings, seed }
}
