/**
 * A model in this process.
 *
 * Its own thread does the work; every method here hands over and waits. Made by `load`.
 */
import { basename } from 'node:path'
import { check } from '../errors/index.js'
import type { LanguageModel, LanguageRequest, Prompt, RawPrompt, StreamPart, Usage } from '../spec/index.js'
import { onAbort } from '../stream/index.js'
import { type Addon, openAddon } from './addon.js'
import { type Opened, streamParts } from './answer.js'
import { type LocalModelInfo, modelInfo } from './info.js'
import type { NativeCancel, NativeModel, NativeOutcome, NativeSnapshot } from './native.js'
import { unwrap } from './outcome.js'
import { shortening } from './overflow.js'
import { pastFrom } from './past.js'
import { Predictor } from './predictor.js'
import { ids, nativePrompt, nativeRequest } from './request.js'
import { beginSession, type Engine, LocalSession, type SessionOptions } from './session.js'
import { type ModelStats, modelStats } from './stats.js'
import { sampledTokens, type TokenGenerator, type TokensRequest } from './tokens.js'

/** How a text becomes tokens. */
export interface TokenizeOptions {
  /** Whether control tokens spelled out in the text (`<|im_end|>`) become those tokens. Default false. */
  readonly parseControl?: boolean | undefined
  /** Whether the tokens that the file puts around a text (beginning-of-text) are added. Default false. */
  readonly addSpecial?: boolean | undefined
}

/** How tokens become text. */
export interface DetokenizeOptions {
  /** Whether control tokens show by name; else they are left out. Default false. */
  readonly showControl?: boolean | undefined
}

/** What ends a call early. */
export interface AbortOptions {
  /** When it aborts, the call rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Which logits are wanted. */
export interface EvaluateOptions extends AbortOptions {
  /** Indexes into the tokens, ascending. Default: the last. */
  readonly positions?: readonly number[] | Uint32Array | undefined
}

const tokenizeChecks = { parseControl: check.flag, addSpecial: check.flag }
const detokenizeChecks = { showControl: check.flag }
const abortChecks = { signal: check.signal }
// The engine checks what these hold, as it does for every request.
const readBelow = (): void => {}
const tokensChecks = {
  prompt: readBelow,
  sampling: check.object,
  maxTokens: check.integer({ min: 1, max: 0xffff_ffff }),
  stop: check.listOf(check.someText),
  ignoreEnd: check.flag,
  overflow: readBelow,
  reasoningBudgetTokens: check.integer({ min: 0, max: 0xffff_ffff }),
  priority: check.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  cacheSalt: check.someText,
} satisfies Record<keyof TokensRequest, check.Check>
const evaluateChecks = { ...abortChecks, positions: () => {} }

/** A loaded model. Release it with `await using`, or `close()`. */
export class LocalModel implements LanguageModel {
  readonly kind = 'language'
  readonly provider = 'local'
  readonly #native: NativeModel
  readonly #engine: Engine = {
    open: (request, snapshot) => this.#open(request, snapshot),
    save: async (snapshot, text, path, signal) => {
      await cancellable(signal, (cancel) => this.#native.save(snapshot, text, path, cancel))
    },
  }
  #info: LocalModelInfo | undefined
  #closing: Promise<void> | undefined

  constructor(native: NativeModel) {
    this.#native = native
  }

  /** The name of its file or folder. */
  get id(): string {
    return basename(this.info.path)
  }

  /** Facts of the file and of this load. */
  get info(): LocalModelInfo {
    this.#info ??= modelInfo(this.#native.info())
    return this.#info
  }

  /** The token ids of a text. */
  tokenize(text: string, options: TokenizeOptions = {}): Uint32Array {
    check.text('The text', text)
    check.checkOptions('tokenize', options, tokenizeChecks)
    const { parseControl = false, addSpecial = false } = options
    return unwrap(this.#native.tokenize(text, parseControl, addSpecial))
  }

  /** The text of token ids; bytes that are not whole characters show as U+FFFD. An unknown id is `tokenizer`. */
  detokenize(tokens: readonly number[] | Uint32Array, options: DetokenizeOptions = {}): string {
    check.checkOptions('detokenize', options, detokenizeChecks)
    return unwrap(this.#native.detokenize(Uint32Array.from(ids(tokens)), options.showControl ?? false))
  }

  /** What the chat template makes of a prompt; a string is what a user says. A raw text is itself, raw tokens and infills their text. */
  render(prompt: string | Prompt): string {
    return unwrap(this.#native.render(nativePrompt(prompt)))
  }

  /** How many tokens a prompt is. */
  countTokens(prompt: string | Prompt): number {
    return unwrap(this.#native.countTokens(nativePrompt(prompt)))
  }

  /**
   * Computes a prompt ahead: the next answer whose prompt begins with it starts where this one ends. Resolves with what was
   * computed and what had been.
   */
  async prepare(prompt: string | Prompt, options: AbortOptions = {}): Promise<Usage> {
    check.checkOptions('prepare', options, abortChecks)
    const asked = nativePrompt(prompt)
    return cancellable(options.signal, (cancel) => this.#native.prepare(asked, cancel))
  }

  /**
   * Logits of chosen positions, each (v), one row a position: what the model expects after that token. Nothing is sampled and
   * nothing kept.
   */
  async evaluate(tokens: readonly number[] | Uint32Array, options: EvaluateOptions = {}): Promise<Float32Array[]> {
    check.checkOptions('evaluate', options, evaluateChecks)
    const asked = Uint32Array.from(ids(tokens))
    const positions = Uint32Array.from(ids(options.positions ?? [Math.max(0, asked.length - 1)], 'positions'))
    const logits = await cancellable(options.signal, (cancel) => this.#native.evaluate(asked, positions, cancel))
    const v = positions.length === 0 ? 0 : logits.length / positions.length
    return Array.from(positions, (_, row) => logits.subarray(row * v, (row + 1) * v))
  }

  /** Streams one answer. `generate` is the comfortable way to ask for it. */
  stream(request: LanguageRequest, signal: AbortSignal): AsyncIterable<StreamPart> {
    return streamParts(() => this.#open(request), signal)
  }

  /**
   * The tokens of one answer as they are sampled, end tokens too. A plain `for await` takes them as they are; `next(ids)` feeds other
   * ids in place of the token yielded last, and `next('stop')` ends the answer before it. Nothing is sampled ahead.
   */
  tokens(request: TokensRequest, options: AbortOptions = {}): TokenGenerator {
    check.checkOptions('tokens', options, abortChecks)
    check.checkOptions('a request of tokens', request, tokensChecks)
    check.required('a request of tokens', request, 'prompt')
    const { sampling = {}, ...rest } = request
    const asked: LanguageRequest = { ...rest, sampling, onToken: () => {} }
    return sampledTokens(() => this.#open(asked), options.signal ?? new AbortController().signal)
  }

  /** A conversation that keeps what was said, and forks in no time. It needs no release. */
  session(options: SessionOptions = {}): LocalSession {
    return beginSession(this, this.#engine, options)
  }

  /**
   * The session that `save` wrote; its keys and values are used as far as there is room. `invalid-request` where it was written with
   * another model, or another way of keeping keys and values: the load must be alike. A file of somebody else may hold keys and values
   * of his choice: restore what you have saved.
   */
  async restore(path: string, options: AbortOptions = {}): Promise<LocalSession> {
    check.someText('The path', path)
    check.checkOptions('restore', options, abortChecks)
    const { snapshot, text } = await cancellable(options.signal, (cancel) => this.#native.restore(path, cancel))
    return new LocalSession(this, this.#engine, pastFrom(text, snapshot))
  }

  /** What it does at the moment, and totals since the load. */
  stats(): ModelStats {
    return modelStats(this.#native.stats())
  }

  /** Ends all its work with `closed` and frees its memory; resolves when that is done. */
  async close(): Promise<void> {
    this.#closing ??= this.#native.close().then((outcome) => void unwrap(outcome))
    await this.#closing
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #open(request: LanguageRequest, snapshot?: NativeSnapshot): Opened {
    const counter = { countTokens: (prompt: Prompt) => this.countTokens(prompt), rawTokens: (prompt: RawPrompt) => this.#rawTokens(prompt) }
    const shorten = shortening(request.prompt, request.overflow, counter)
    const { onToken, predict } = request
    return { session: unwrap(this.#native.generate(nativeRequest(request), snapshot)), shorten, onToken, predictor: predict && new Predictor(predict) }
  }

  #rawTokens(prompt: RawPrompt): { tokens: readonly number[]; kept: number } {
    const { parseControl } = { parseControl: false, ...prompt }
    const tokens = 'text' in prompt ? [...this.tokenize(prompt.text, { parseControl, addSpecial: true })] : ids(prompt.tokens)
    return { tokens, kept: tokens[0] !== undefined && tokens[0] === this.info.bosToken ? 1 : 0 }
  }
}

/** Starts `work` and cancels it when `signal` aborts. */
async function cancellable<Value>(
  signal: AbortSignal | undefined,
  work: (cancel: NativeCancel) => Promise<NativeOutcome<Value>>,
): Promise<Value> {
  signal?.throwIfAborted()
  const { NativeCancel }: Addon = await openAddon()
  const cancel = new NativeCancel()
  const letGo = onAbort(signal, () => cancel.cancel())
  try {
    const outcome = await work(cancel)
    signal?.throwIfAborted()
    return unwrap(outcome)
  } finally {
    letGo()
  }
}
