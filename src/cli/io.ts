/**
 * What a command touches of the process: its streams, environment, Ctrl-C, and the library.
 *
 * Commands are functions of an `Io`, so a test hands them memory streams and a model of its own; `processIo` is the real one.
 */
import type { Readable, Writable } from 'node:stream'
import pc from 'picocolors'
import type * as wick from '../index.js'

/** What the commands use of the public surface. */
export type Face = Pick<typeof wick, 'load' | 'generate' | 'convert' | 'quantize' | 'machine' | 'support'>

/** A stream that may be a terminal. */
export type Input = Readable & { isTTY?: boolean | undefined }
export type Output = Writable & { isTTY?: boolean | undefined; columns?: number | undefined }

export interface Io {
  stdin: Input
  stdout: Output
  stderr: Output
  env: Record<string, string | undefined>
  face: Face
  /** Calls `listener` at each Ctrl-C until the returned function is called; while nobody listens, Ctrl-C ends the process. */
  onInterrupt(listener: () => void): () => void
  /** Ends the process at once. */
  exit(code: number): void
}

/** The running process. */
export function processIo(face: Face): Io {
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    face,
    onInterrupt(listener) {
      process.on('SIGINT', listener)
      return () => process.off('SIGINT', listener)
    },
    exit: (code) => process.exit(code),
  }
}

/**
 * Writes to a stream and waits until it has been taken, so a slow reader slows the command down.
 * Rejects with the stream's own error (`EPIPE` when the reader has gone).
 */
export function write(stream: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    if (stream.errored) return reject(stream.errored)
    stream.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

/** One line of JSON. */
export function writeJson(stream: Output, value: unknown): Promise<void> {
  return write(stream, `${JSON.stringify(value)}\n`)
}

/** All that is piped in, as UTF-8 text. */
export async function readAll(stdin: Input): Promise<string> {
  stdin.setEncoding('utf8')
  let text = ''
  for await (const chunk of stdin) text += String(chunk)
  return text
}

/** The lines of a stream without their ends, as they come. Only `\n` ends a line: JSON may hold U+2028. */
export async function* lines(stdin: Input): AsyncGenerator<string> {
  stdin.setEncoding('utf8')
  let rest = ''
  for await (const chunk of stdin) {
    const pieces = (rest + String(chunk)).split('\n')
    rest = pieces.pop() ?? ''
    yield* pieces.map((line) => line.replace(/\r$/, ''))
  }
  if (rest !== '') yield rest
}

/**
 * Colours for a stream: on a terminal only. `NO_COLOR` turns them off and `FORCE_COLOR` on, whatever the stream
 * (https://no-color.org).
 */
export function colours(stream: Output, env: Io['env']): ReturnType<typeof pc.createColors> {
  const forced = (env['FORCE_COLOR'] ?? '') !== '' && env['FORCE_COLOR'] !== '0'
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return pc.createColors(!refused && (forced || stream.isTTY === true))
}
