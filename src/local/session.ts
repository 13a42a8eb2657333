/**
 * A conversation that keeps itself: each prompt is put behind what was said before, and so is the answer.
 *
 * A session is what was said, not a place in memory. Its keys and values lie in the model's one cache, shared with whoever begins alike,
 * and are computed again where they had to make room. So a fork is another name for the same past, a run that does not finish leaves
 * nothing behind, and there is nothing to release.
 */
import { check, WickError } from '../errors/index.js'
import type { LanguageModel, LanguageRequest, Message, Prompt, RawPrompt, StreamPart, Usage } from '../spec/index.js'
import { type Opened, type Shorten, streamParts } from './answer.js'
import type { AbortOptions, LocalModel } from './model.js'
import type { NativeSnapshot } from './native.js'
import { after, appended, noPast, type Past, pastText, type SessionPrompt } from './past.js'
import { Said } from './said.js'

/** How a session begins. */
export interface SessionOptions {
  /** What was said before, such as a system message. Default: nothing. */
  readonly messages?: readonly Message[] | undefined
}

const sessionChecks = { messages: () => {} } satisfies Record<keyof SessionOptions, check.Check>
const abortChecks = { signal: check.signal } satisfies Record<keyof AbortOptions, check.Check>

/** What a session asks of its model. */
export interface Engine {
  /** Begins the answer to a whole prompt; `snapshot` is the last answer of the same conversation, whose ids it keeps. */
  open(request: LanguageRequest, snapshot: NativeSnapshot | undefined): Opened
  save(snapshot: NativeSnapshot, text: string, path: string, signal: AbortSignal | undefined): Promise<void>
}

/**
 * A conversation with a local model, and a model itself: give it to `generate` as `model`. Made by `model.session()`.
 *
 * `prompt` and `messages` of a request are what is new. They and the answer become part of the session when the answer has finished; a
 * run that fails, is aborted or left leaves it as it was (`append` what there was, if it is to stay). With an `overflow` that drops
 * turns, they are dropped from the session too: it holds what the model last saw. Template variables and `reasoning` are not kept.
 *
 * A session that begins with `raw` text or tokens goes on with those: they do not mix with messages (`invalid-request`).
 *
 * One run at a time; a second one is `busy`. For several answers to one past, `fork` it.
 */
export class LocalSession implements LanguageModel {
  readonly kind = 'language'
  readonly provider = 'local'
  /** The model it talks with. Closing it ends the session's runs; what was said can still be read. */
  readonly model: LocalModel
  readonly #engine: Engine
  #past: Past
  /** The run under way. */
  #run: symbol | undefined

  constructor(model: LocalModel, engine: Engine, past: Past) {
    this.model = model
    this.#engine = engine
    this.#past = past
  }

  /** The model's. */
  get id(): string {
    return this.model.id
  }

  /** What was said, answers included, where it is a conversation. A run's messages are here when it has finished. */
  get messages(): readonly Message[] {
    return this.#past.messages
  }

  /** The token ids of a session of raw text or tokens, answers included; a copy. Of a conversation none. */
  get tokens(): Uint32Array {
    return this.#past.tokens.slice()
  }

  /** The tokens of all its finished answers together, those before a fork included; each answer's prompt is the whole past. */
  get usage(): Usage {
    return this.#past.usage
  }

  /** How many tokens a prompt would be behind the past; without one, the past itself. A string is what a user says. */
  countTokens(prompt?: string | Prompt): number {
    const { messages, tokens } = this.#past
    if (prompt === undefined) return messages.length > 0 ? this.model.countTokens({ messages }) : tokens.length
    return this.model.countTokens(this.#after(typeof prompt === 'string' ? { messages: [{ role: 'user', content: prompt }] } : prompt))
  }

  /** Adds to the past without an answer: a tool's result, or what there was of an answer that was stopped. */
  append(what: readonly Message[] | RawPrompt): void {
    this.#refuseIfBusy('What is appended now would be lost')
    this.#past = appended(this.#past, what, (text, options) => this.model.tokenize(text, options))
  }

  /** Another session with the same past, at no cost: what either says from here is its own. During a run: the past before it. */
  fork(): LocalSession {
    return new LocalSession(this.model, this.#engine, this.#past)
  }

  /**
   * Writes what was said, with its keys and values (what is no longer there is computed again), for `restore` of the same model. The file
   * holds the conversation as it is, unencrypted; it appears when it is complete, and replaces one of that name. A session without a
   * finished answer is `invalid-request`. During a run: the past before it.
   */
  async save(path: string, options: AbortOptions = {}): Promise<void> {
    check.someText('The path', path)
    check.checkOptions('save', options, abortChecks)
    const { snapshot } = this.#past
    if (snapshot === undefined) throw new WickError('invalid-request', 'The session has no finished answer yet: there is nothing to save.')
    await this.#engine.save(snapshot, pastText(this.#past), path, options.signal)
  }

  /** Streams the answer to what is new. `generate({ model: session, … })` is the comfortable way to ask for it. */
  async *stream(request: LanguageRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    signal.throwIfAborted()
    this.#refuseIfBusy('A session answers one prompt at a time')
    if (request.alternative !== undefined) {
      throw new WickError('invalid-request', 'n gives several answers, and a session goes on from one. Fork it, and ask each fork.')
    }
    const asked = new Asked(this.#engine, this.#past, { ...request, prompt: this.#after(request.prompt) })
    const run = Symbol('run')
    this.#run = run
    try {
      for await (const part of streamParts(() => asked.open(), signal)) {
        asked.said.add(part)
        if (part.type === 'finish') {
          this.#past = asked.past(part.usage)
          this.#run = undefined
        }
        yield part
      }
    } finally {
      if (this.#run === run) this.#run = undefined
    }
  }

  #after(prompt: Prompt): SessionPrompt {
    return after(this.#past, prompt, (text, options) => this.model.tokenize(text, options))
  }

  #refuseIfBusy(why: string): void {
    if (this.#run !== undefined) throw new WickError('busy', `${why}, and one is being answered. Wait for it, or fork the session.`)
  }
}

/** A prompt that is being answered, and the past that comes of it. */
class Asked {
  readonly said: Said
  readonly #engine: Engine
  readonly #before: Past
  readonly #request: LanguageRequest
  /** The prompt as the model saw it last: what is dropped to make room is dropped from the session. */
  #prompt: SessionPrompt
  #opened: Opened | undefined

  constructor(engine: Engine, before: Past, request: LanguageRequest & { readonly prompt: SessionPrompt }) {
    this.#engine = engine
    this.#before = before
    this.#request = request
    this.#prompt = request.prompt
    this.said = new Said('messages' in request.prompt ? request.prompt.responsePrefix : undefined)
  }

  open(): Opened {
    // Tokens are all there; of a conversation the engine has only the text until it is told.
    const opened = this.#engine.open(this.#request, 'messages' in this.#prompt ? this.#before.snapshot : undefined)
    const { shorten } = opened
    const following: Shorten | undefined = shorten && (async (window) => {
      const shorter = await shorten(window)
      this.#prompt = shorter.prompt as SessionPrompt
      return shorter
    })
    this.#opened = opened
    return { ...opened, shorten: following }
  }

  /** What the session holds after the answer. */
  past(usage: Usage): Past {
    const snapshot = this.#opened?.session.snapshot()
    if (!snapshot) throw new WickError('internal', 'The engine ended an answer without keeping what was said.')
    const common = { usage: sum(this.#before.usage, usage), snapshot }
    if ('messages' in this.#prompt) return { ...noPast, ...common, messages: [...this.#prompt.messages, this.said.message()] }
    return { ...noPast, ...common, tokens: snapshot.ids() }
  }
}

function sum(before: Usage, last: Usage): Usage {
  return {
    promptTokens: before.promptTokens + last.promptTokens,
    cachedTokens: before.cachedTokens + last.cachedTokens,
    completionTokens: before.completionTokens + last.completionTokens,
    reasoningTokens: before.reasoningTokens + last.reasoningTokens,
  }
}

/** A session of `model` that begins as the options say. */
export function beginSession(model: LocalModel, engine: Engine, options: SessionOptions): LocalSession {
  check.checkOptions('session', options, sessionChecks)
  const session = new LocalSession(model, engine, noPast)
  if (options.messages !== undefined) session.append(options.messages)
  return session
}
