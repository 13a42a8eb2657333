/**
 * One error for the whole library: a stable code for programs, a sentence for people, figures for both.
 *
 * Messages, causes and figures never hold prompts, bodies or keys: an error can be logged as it is.
 */

/** The stable codes, and whether trying the same again later may work. */
const retryable = {
  /** An option or message that no model could serve as given. */
  'invalid-request': false,
  /** Nothing at the path or reference. */
  'model-not-found': false,
  /** The file is there and is broken, truncated, or contradicts itself. */
  'model-invalid': false,
  /** Well-formed, but not something this build or model can do; the message names it. */
  unsupported: false,
  /** Counted before it was taken, and there is not that much memory. */
  'out-of-memory': false,
  /** The prompt does not fit the context window. */
  'context-overflow': false,
  /** No room now; later there may be. */
  busy: true,
  /** Stopped by the library itself. A caller's own abort throws the signal's reason instead. */
  cancelled: false,
  /** The model was closed under the call. */
  closed: false,
  /** Text could not be tokenised, or ids could not be turned into text. */
  tokenizer: false,
  /** The operating system refused a read or write. */
  io: false,
  /** A provider failed. */
  provider: true,
  /** A provider wants fewer requests. */
  'rate-limited': true,
  /** A key is missing, wrong, or not allowed this. */
  auth: false,
  /** Took longer than it may. */
  timeout: true,
  /** The model or provider is no longer in service; the message says what to use instead. */
  retired: false,
  /** A bug in wick. */
  internal: false,
} as const satisfies Record<string, boolean>

/** What went wrong, for programs. */
export type WickErrorCode = keyof typeof retryable

/** What an error carries beside code and message. */
export interface WickErrorOptions {
  /** What led to it. */
  readonly cause?: unknown
  /** Figures the message names, such as `{ promptTokens, contextTokens }`. */
  readonly detail?: Readonly<Record<string, number>>
  /** Whether trying the same again later may work. Default: by the code. */
  readonly retryable?: boolean
}

const brand = Symbol.for('wick.error')

/** What wick throws. */
export class WickError extends Error {
  declare readonly name: 'WickError'
  /** The stable code. */
  readonly code: WickErrorCode
  /** Whether trying the same again later may work. */
  readonly retryable: boolean
  /** Figures for programs; empty where there are none. */
  readonly detail: Readonly<Record<string, number>>

  constructor(code: WickErrorCode, message: string, options: WickErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.retryable = options.retryable ?? retryable[code]
    this.detail = { ...options.detail }
  }

  /** What a log keeps; without it an `Error` is `{}` in JSON. */
  toJSON(): { name: string; code: WickErrorCode; message: string; retryable: boolean; detail: Readonly<Record<string, number>> } {
    const { name, code, message, retryable, detail } = this
    return { name, code, message, retryable, detail }
  }
}
// On the prototype, so that an inspected error shows its name once and its own fields only.
Object.defineProperties(WickError.prototype, {
  name: { value: 'WickError', configurable: true, writable: true },
  [brand]: { value: true },
})

/** Whether `error` is a `WickError` (of that code), also one from another copy of the package. */
export function isWickError<Code extends WickErrorCode = WickErrorCode>(
  error: unknown,
  code?: Code,
): error is WickError & { readonly code: Code } {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false
  return code === undefined || ('code' in error && error.code === code)
}

/** Whether `code` is one of ours. */
export function isWickErrorCode(code: string): code is WickErrorCode {
  return Object.hasOwn(retryable, code)
}
