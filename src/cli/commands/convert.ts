/** `wick convert`: a Hugging Face folder as one GGUF file. */
import type { Command } from 'commander'
import { weightsDtypes } from '../../index.js'
import { addFlags, type Flags, output, pick } from '../flags.js'
import type { Io } from '../io.js'
import { oneOf } from '../values.js'
import { quiet, writeFile } from '../written.js'

const own = {
  dtype: { flags: '--dtype <type>', about: `type of the matrices: ${weightsDtypes.join(', ')}`, standard: 'as stored', read: oneOf(...weightsDtypes) },
} satisfies Flags

export function convert(program: Command, io: Io): void {
  const command = program.command('convert').description('writes a Hugging Face folder as a GGUF file').argument('<folder>').argument('<out.gguf>')
  addFlags(command, own)
  addFlags(command, output, { json: '{"bytes", "tensors", "warnings"} on stdout' })
  addFlags(command, quiet)
  command.action((from: string, to: string) => {
    const parsed = command.opts()
    return writeFile(io, to, parsed, (hooks) => io.face.convert({ from, to, ...pick(own, parsed), ...hooks }))
  })
}
