/**
 * A conversation that keeps itself: each prompt is appended to what was said before, and so is the answer.
 *
 * A session is what was said, not a place in memory. The keys and values of it lie in the model's one cache, shared with whoever begins
 * alike, and are computed again where they had to make room. So a fork is another name for the same past, a run that does not finish
 * leaves nothing behind, and there is nothing to release.
 */
import { check, WickError } from '../errors/index.js'
import type { ChatPrompt, LanguageModel, LanguageRequest, Message, Prompt, StreamPart, Usage } from '../spec/index.js'
import { type Opened, type Shorten, streamParts } from './answer.js'
import type { LocalModel } from './model.js'
import { nativePrompt } from './request.js'
import { Said } from './said.js'

/** How a session begins. */
export interface SessionOptions {
  /** What was said before, such as a system message. Default: nothing. */
  readonly messages?: readonly Message[] | undefined
}

const sessionChecks = { messages: () => {} } satisfies Record<keyof SessionOptions, check.Check>

/** What a session asks of its model. */
export interface Engine {
  /** Begins the answer to a whole prompt. */
  open(request: LanguageRequest): Opened
}

/** What a session holds at one moment. Never changed, only replaced, so forks share it. */
interface Held {
  readonly messages: readonly Message[]
  readonly usage: Usage
}

const nothing: Held = { messages: [], usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 } }

/**
 * A conversation with a local model, and a model itself: give it to `generate` as `model`. Made by `model.session()`.
 *
 * `prompt` and `messages` of a request are what is new. They and the answer become part of the session when the answer has finished; a
 * run that fails, is aborted or left leaves it as it was (`append` what there was, if it is to stay). With an `overflow` that drops
 * turns, they are dropped from the session too: it holds what the model last saw. Template variables and `reasoning` are not kept.
 *
 * One run at a time; a second one is `busy`. For several answers to one past, `fork` it.
 */
export class LocalSession implements LanguageModel {
  readonly kind = 'language'
  readonly provider = 'local'
  /** The model it talks with. Closing it ends the session's runs; what was said can still be read. */
  readonly model: LocalModel
  readonly #engine: Engine
  #held: Held
  /** The run under way. */
  #run: symbol | undefined

  constructor(model: LocalModel, engine: Engine, held: Held = nothing) {
    this.model = model
    this.#engine = engine
    this.#held = held
  }

  /** The model's. */
  get id(): string {
    return this.model.id
  }

  /** What was said, answers included. A run's messages are here when it has finished. */
  get messages(): readonly Message[] {
    return this.#held.messages
  }

  /** The tokens of all its finished answers together, those before a fork included; each answer's prompt is the whole conversation. */
  get usage(): Usage {
    return this.#held.usage
  }

  /** How many tokens a prompt would be after what the session holds, under the template; without one, what it holds. */
  countTokens(prompt: string | ChatPrompt = { messages: [] }): number {
    const whole = this.#after(typeof prompt === 'string' ? { messages: [{ role: 'user', content: prompt }] } : prompt)
    return whole.messages.length === 0 ? 0 : this.model.countTokens(whole)
  }

  /** Adds to the conversation without an answer: a tool's result, or what there was of an answer that was stopped. */
  append(messages: readonly Message[]): void {
    this.#refuseIfBusy('Messages appended now would be lost')
    nativePrompt({ messages })
    this.#held = { ...this.#held, messages: [...this.#held.messages, ...messages] }
  }

  /** Another session with the same past, in no time and no memory: what either says from here is its own. During a run: the past before it. */
  fork(): LocalSession {
    return new LocalSession(this.model, this.#engine, this.#held)
  }

  /** Streams the answer to what is new. `generate({ model: session, … })` is the comfortable way to ask for it. */
  async *stream(request: LanguageRequest, signal: AbortSignal): AsyncGenerator<StreamPart> {
    signal.throwIfAborted()
    this.#refuseIfBusy('A session answers one prompt at a time')
    if (request.alternative !== undefined) throw new WickError('invalid-request', 'n gives several answers, and a session goes on from one. Fork it, and ask each fork.')
    let prompt = this.#after(request.prompt)
    const open = (): Opened => {
      const opened = this.#engine.open({ ...request, prompt })
      // What is dropped to make room is dropped from the conversation.
      return { ...opened, shorten: opened.shorten && following(opened.shorten, (shorter) => void (prompt = shorter)) }
    }
    const said = new Said(prompt.responsePrefix)
    const run = Symbol('run')
    this.#run = run
    try {
      for await (const part of streamParts(open, signal)) {
        said.add(part)
        if (part.type === 'finish') {
          this.#held = { messages: [...prompt.messages, said.message()], usage: sum(this.#held.usage, part.usage) }
          this.#run = undefined
        }
        yield part
      }
    } finally {
      if (this.#run === run) this.#run = undefined
    }
  }

  #refuseIfBusy(why: string): void {
    if (this.#run !== undefined) throw new WickError('busy', `${why}, and one is being answered. Wait for it, or fork the session.`)
  }

  /** What the session holds, and a prompt behind it. */
  #after(prompt: Prompt): ChatPrompt {
    if (!('messages' in prompt)) throw new WickError('invalid-request', 'A session is a conversation: it takes prompt or messages. Ask the model itself for anything else.')
    const { messages: held } = this.#held
    if (!Array.isArray(prompt.messages)) return prompt
    const [first, ...rest] = prompt.messages as readonly Message[]
    return { ...prompt, messages: [...held, ...(repeats(held[0], first) ? rest : prompt.messages)] }
  }
}

/** Whether a conversation begins with this system message: whoever asks with the same `system` each turn means it once. */
function repeats(held: Message | undefined, given: Message | undefined): boolean {
  return held?.role === 'system' && given?.role === 'system' && JSON.stringify(held.content) === JSON.stringify(given.content)
}

/** A `shorten` that also says what it made of the prompt. */
function following(shorten: Shorten, on: (prompt: ChatPrompt) => void): Shorten {
  return async (window) => {
    const shorter = await shorten(window)
    on(shorter.prompt as ChatPrompt)
    return shorter
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
  const session = new LocalSession(model, engine)
  if (options.messages !== undefined) session.append(options.messages)
  return session
}
