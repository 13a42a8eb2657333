/** `wick quantize`: a GGUF file with smaller weights. */
import type { Command } from 'commander'
import { UsageError } from '../exit.js'
import { addFlags, type Flags, output, pick } from '../flags.js'
import type { Io } from '../io.js'
import { oneOf } from '../values.js'
import { quiet, writeFile } from '../written.js'

const own = {
  type: { flags: '--type <type>', about: 'type of the matrices: f32, f16, bf16, q8_0 or q4_0', read: oneOf('f32', 'f16', 'bf16', 'q8_0', 'q4_0') },
} satisfies Flags

export function quantize(program: Command, io: Io): void {
  const command = program.command('quantize').description('writes a GGUF file with its weights in another type').argument('<in.gguf>').argument('<out.gguf>')
  addFlags(command, own)
  addFlags(command, output, { json: '{"bytes", "tensors", "warnings"} on stdout' })
  addFlags(command, quiet)
  command.action((from: string, to: string) => {
    const parsed = command.opts()
    const { type } = pick(own, parsed)
    if (type === undefined) throw new UsageError('Name the type: --type f32, f16, bf16, q8_0 or q4_0.')
    return writeFile(io, to, parsed, (hooks) => io.face.quantize({ from, to, dtype: type, ...hooks }))
  })
}
