/**
 * What the user types in `wick chat`, a message at a time.
 *
 * On a terminal each message gets a line editor of its own, which is closed before the answer begins: the terminal is then in
 * its normal mode, Ctrl-C is a signal again, and what is typed meanwhile waits for the next prompt.
 */
import { createInterface } from 'node:readline'
import { Interrupted } from './exit.js'
import { colours, type Io, lines } from './io.js'

/** Reads messages; `undefined` is the end of input. Ctrl-C on an empty line throws `Interrupted`. */
export interface MessageReader {
  /** Whether someone sits in front of it. */
  readonly interactive: boolean
  read(): Promise<string | undefined>
}

/** A line editor where stdin and stderr are a terminal, the piped lines otherwise. */
export function messageReader(io: Io): MessageReader {
  return io.stdin.isTTY && io.stderr.isTTY ? terminalReader(io) : pipedReader(io)
}

/**
 * Puts lines together: `\` at the end of a line goes on with the next one, `"""` opens and closes a block, and lines of one
 * paste belong together.
 */
export function joiner(): { add(line: string, goesOn?: boolean): string | undefined; readonly pending: boolean; reset(): void } {
  let open: string[] = []
  let block = false
  const close = (last: string) => {
    const message = [...open, last].join('\n')
    open = []
    block = false
    return message
  }
  const keep = (line: string) => void open.push(line)
  return {
    add(line, goesOn = false) {
      if (block) return line.endsWith(fence) ? close(line.slice(0, -fence.length)).replace(/^\n|\n$/g, '') : keep(line)
      if (open.length === 0 && line.startsWith(fence)) {
        const rest = line.slice(fence.length)
        if (rest.endsWith(fence)) return rest.slice(0, -fence.length)
        block = true
        return keep(rest)
      }
      if (goesOn) return keep(line)
      return line.endsWith('\\') ? keep(line.slice(0, -1)) : close(line)
    },
    get pending() {
      return block || open.length > 0
    },
    reset() {
      open = []
      block = false
    },
  }
}

const fence = '"""'

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

// Terminals mark what is pasted when asked to (bracketed paste); Node's key parser knows the marks.
const pasteMarks = { on: '\u001b[?2004h', off: '\u001b[?2004l' }

function terminalReader(io: Io): MessageReader {
  let past: string[] = []
  const paint = colours(io.stderr, io.env)
  const [prompt, goesOn] = [paint.green('> '), paint.dim('… ')]

  const read = () =>
    new Promise<string | undefined>((resolve, reject) => {
      const editor = createInterface({ input: io.stdin, output: io.stderr, history: [...past], prompt, terminal: true })
      const message = joiner()
      let pasting = false
      const onKey = (_text: string | undefined, key: { name?: string } | undefined) => {
        if (key?.name === 'paste-start') pasting = true
        if (key?.name === 'paste-end') pasting = false
      }
      const end = (settle: () => void) => {
        io.stdin.off('keypress', onKey)
        editor.removeAllListeners('close')
        editor.close()
        io.stderr.write(pasteMarks.off)
        settle()
      }
      const ask = () => {
        editor.setPrompt(message.pending ? goesOn : prompt)
        editor.prompt()
      }
      io.stdin.on('keypress', onKey)
      editor.on('history', (entries) => (past = [...entries]))
      editor.on('close', () => end(() => resolve(undefined)))
      editor.on('SIGINT', () => {
        if (editor.line === '' && !message.pending) return end(() => reject(new Interrupted()))
        message.reset()
        editor.write(null, { ctrl: true, name: 'e' })
        editor.write(null, { ctrl: true, name: 'u' })
        io.stderr.write('\n')
        ask()
      })
      editor.on('line', (line) => {
        const text = message.add(line, pasting)
        if (text === undefined) ask()
        else end(() => resolve(text))
      })
      io.stderr.write(pasteMarks.on)
      ask()
    })
  return { interactive: true, read }
}
