/**
 * A line editor for `wick chat`.
 *
 * Each message gets an editor of its own, which is closed before the answer begins: the terminal is then in its normal mode,
 * Ctrl-C is a signal again, and what is typed meanwhile waits for the next prompt.
 */
import { createInterface } from 'node:readline'
import { Interrupted } from './exit.js'
import { colours, type Io } from './io.js'
import { joiner } from './joiner.js'

// Terminals mark what is pasted when asked to (bracketed paste); Node's key parser knows the marks.
const pasteMarks = { on: '\u001b[?2004h', off: '\u001b[?2004l' }

/** Reads messages typed on stdin, echoed on stderr; `undefined` after Ctrl-D. */
export function terminalReader(io: Io): () => Promise<string | undefined> {
  let past: readonly string[] = []
  let ended = false
  const waiting: string[] = []
  return async () => {
    if (waiting.length === 0 && !ended) {
      const typed = await edit(io, past)
      waiting.push(...typed.messages)
      ;({ past, ended } = typed)
    }
    return waiting.shift()
  }
}

/** What came of one editor. */
interface Typed {
  /** One message, and those behind it that came in the same piece (typed ahead). */
  messages: string[]
  /** Lines for the arrow keys, the newest first. */
  past: readonly string[]
  /** Whether Ctrl-D was pressed. */
  ended: boolean
}

function edit(io: Io, earlier: readonly string[]): Promise<Typed> {
  const paint = colours(io.stderr, io.env)
  const editor = createInterface({ input: io.stdin, output: io.stderr, history: [...earlier], terminal: true })
  const message = joiner()
  const typed: Typed = { messages: [], past: earlier, ended: false }
  let pasting = false
  const onKey = (_text: string | undefined, key: { name?: string } | undefined) => {
    if (key?.name === 'paste-start') pasting = true
    if (key?.name === 'paste-end') pasting = false
  }
  const ask = () => {
    editor.setPrompt(message.pending ? paint.dim('… ') : paint.green('> '))
    editor.prompt()
  }
  let onClose = () => {}
  const settled = new Promise<Typed>((resolve, reject) => {
    onClose = () => resolve(Object.assign(typed, { ended: true }))
    editor.on('close', onClose)
    editor.on('line', (line) => {
      const text = message.add(line, pasting)
      if (text === undefined) return ask()
      if (typed.messages.push(text) === 1) setImmediate(() => resolve(typed))
    })
    editor.on('SIGINT', () => {
      if (editor.line === '' && !message.pending) return reject(new Interrupted())
      message.reset()
      editor.write(null, { ctrl: true, name: 'e' })
      editor.write(null, { ctrl: true, name: 'u' })
      io.stderr.write('\n')
      ask()
    })
  })
  editor.on('history', (entries) => (typed.past = [...entries]))
  io.stdin.on('keypress', onKey)
  io.stderr.write(pasteMarks.on)
  ask()
  return settled.finally(() => {
    io.stdin.off('keypress', onKey)
    editor.off('close', onClose)
    editor.close()
    // Without a message nobody pressed Return: what comes next begins on a line of its own.
    io.stderr.write(pasteMarks.off + (typed.messages.length === 0 ? '\n' : ''))
  })
}
