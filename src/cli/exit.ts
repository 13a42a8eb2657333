/**
 * How a command ends: the exit codes scripts can rely on, and what a failure prints.
 *
 * A failure is `wick: message [code]` on stderr, with one line on what to do where the command line has something to offer;
 * the stack only with `--verbose`. A reader that went away (`wick run … | head -1`) is not a failure.
 */
import { CommanderError } from 'commander'
import { isWickError } from '../index.js'
import { colours, type Io } from './io.js'

/** The exit codes, as `docs/cli.md` lists them. */
export const exitCodes = {
  ok: 0,
  /** Anything not named below. */
  failure: 1,
  /** Unknown flags, values out of range, a request no model could serve. */
  usage: 2,
  /** The model is not there, is broken, or is not something this build can run. */
  model: 3,
  /** Not enough memory for it. */
  memory: 4,
  /** The prompt does not fit the context window. */
  context: 5,
  /** Ctrl-C. */
  interrupted: 130,
} as const

/** Which exit code a `WickError`'s code becomes; the rest is `failure`. */
const exitOf: Record<string, number> = {
  'invalid-request': exitCodes.usage,
  'model-not-found': exitCodes.model,
  'model-invalid': exitCodes.model,
  unsupported: exitCodes.model,
  tokenizer: exitCodes.model,
  'out-of-memory': exitCodes.memory,
  'context-overflow': exitCodes.context,
}

/** What the command line can offer beside the error's own message. */
const hints: Record<string, string> = {
  'model-not-found': 'MODEL is ember, a .gguf file, or a Hugging Face folder with config.json.',
  'out-of-memory': 'Try a smaller --ctx, or a file of a smaller type (wick quantize).',
  'context-overflow': 'Shorten it, load with a larger --ctx, or choose --overflow shift.',
  internal: 'This is a bug in wick: please report it with the output of `wick doctor` and of --verbose.',
}

/** A command line that cannot be carried out; the message says why. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Ctrl-C. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  constructor() {
    super('interrupted')
  }
}

/** Prints what a failure has to say, and says which code to exit with. */
export function report(error: unknown, io: Io, verbose: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage // it has printed already
  if (isBrokenPipe(error)) return exitCodes.ok
  if (error instanceof Interrupted) return exitCodes.interrupted
  const paint = colours(io.stderr, io.env)
  const say = (line: string) => io.stderr.write(`${line}\n`, () => {})
  if (error instanceof UsageError) {
    say(`${paint.red('wick:')} ${error.message}`)
    return exitCodes.usage
  }
  const known = isWickError(error)
  const message = error instanceof Error ? error.message : String(error)
  say(`${paint.red('wick:')} ${message}${known ? paint.dim(` [${error.code}]`) : ''}`)
  const hint = known ? hints[error.code] : hints['internal']
  if (hint !== undefined) say(`      ${hint}`)
  if (verbose && error instanceof Error && error.stack) say(paint.dim(error.stack))
  return known ? (exitOf[error.code] ?? exitCodes.failure) : exitCodes.failure
}

function isBrokenPipe(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code
  return code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED'
}
