/** What the user says in `wick chat`, a message at a time. */
import { type Io, lines } from './io.js'
import { fence, joiner } from './joiner.js'
import { terminalReader } from './terminal.js'

/** Reads messages; `undefined` is the end of input. Ctrl-C on an empty line throws `Interrupted`. */
export interface MessageReader {
  /** Whether someone sits in front of it. */
  readonly interactive: boolean
  read(): Promise<string | undefined>
}

/** A line editor where stdin and stderr are a terminal, the piped lines otherwise. */
export function messageReader(io: Io): MessageReader {
  return io.stdin.isTTY && io.stderr.isTTY ? { interactive: true, read: terminalReader(io) } : pipedReader(io)
}

function pipedReader(io: Io): MessageReader {
  const source = lines(io.stdin)
  const message = joiner()
  return {
    interactive: false,
    async read() {
      for (let line; !(line = await source.next()).done; ) {
        const text = message.add(line.value)
        if (text !== undefined) return text
      }
      return message.pending ? message.add(fence) ?? message.add('') : undefined
    },
  }
}
