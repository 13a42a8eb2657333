/** `wick tokenize`: text to token ids, with the tokenizer alone. */
import type { Command } from 'commander'
import type { LocalModel } from '../../index.js'
import { UsageError } from '../exit.js'
import { addFlags, common, type Flags, output, pick } from '../flags.js'
import { interruptible } from '../interrupt.js'
import { type Io, lines, write, writeJson } from '../io.js'
import { withModel } from '../model.js'
import { positionals, promptText } from '../prompt.js'
import { printable, table } from '../render.js'

const own = {
  special: { flags: '--special', about: 'adds the special tokens the model puts around a text' },
  parseControl: { flags: '--parse-control', about: 'control tokens written in the text become those tokens' },
} satisfies Flags

const notes = `
Loads the tokenizer only, so a vocabulary-only file will do. No special tokens are added unless --special says so.
TEXT is read from stdin where it is not given. With --json stdin holds a JSON string a line, and each becomes an array of
token ids a line; with TEXT given too, it is the one string.

  wick tokenize model.gguf "Hello, world"
  printf '"Hello"\\n"world"\\n' | wick tokenize --json model.gguf`

export function tokenize(program: Command, io: Io): void {
  const command = program.command('tokenize').description('shows how a text is cut into tokens').argument('[model]').argument('[text]')
  addFlags(command, own)
  addFlags(command, output, { json: 'a JSON string a line on stdin, an array of ids a line on stdout' })
  addFlags(command, common)
  command.addHelpText('after', notes).action((first?: string, second?: string) => {
    const { model, prompt } = positionals([first, second].filter((word) => word !== undefined))
    return tokenizeAll(io, model, prompt, command.opts())
  })
}

async function tokenizeAll(io: Io, source: string, given: string | undefined, parsed: Record<string, unknown>): Promise<void> {
  const { special = false, parseControl = false } = pick(own, parsed)
  const options = { addSpecial: special, parseControl }
  await interruptible(io, (signal) =>
    withModel(io, source, pick(common, parsed), { signal, vocabOnly: true }, async (model) => {
      if (!pick(output, parsed).json) return showPieces(io, model, model.tokenize(await promptText(given, io), options))
      for await (const text of strings(io, given)) {
        signal.throwIfAborted()
        await writeJson(io.stdout, Array.from(model.tokenize(text, options)))
      }
    }),
  )
}

async function* strings(io: Io, given: string | undefined): AsyncGenerator<string> {
  if (given !== undefined) return yield given
  let number = 0
  for await (const line of lines(io.stdin)) {
    number += 1
    if (line.trim() !== '') yield jsonString(line, number)
  }
}

function jsonString(line: string, number: number): string {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    value = undefined
  }
  if (typeof value !== 'string') throw new UsageError(`Line ${number} of stdin is not a JSON string.`)
  return value
}

async function showPieces(io: Io, model: LocalModel, ids: Uint32Array): Promise<void> {
  const rows = Array.from(ids, (id) => [String(id).padStart(7), `"${printable(model.detokenize([id], { showControl: true }))}"`])
  await write(io.stdout, table(rows))
}
