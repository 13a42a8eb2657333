/** `wick quantize`: a GGUF file with smaller weights. */
import type { Command } from 'commander'
import { weightsDtypes } from '../../index.js'
import { UsageError } from '../exit.js'
import { addFlags, type Flags, output, pick } from '../flags.js'
import type { Io } from '../io.js'
import { oneOf } from '../values.js'
import { quiet, writeFile } from '../written.js'

const own = {
  type: { flags: '--type <type>', about: `type of the matrices: ${weightsDtypes.join(', ')}`, read: oneOf(...weightsDtypes) },
} satisfies Flags

export function quantize(program: Command, io: Io): void {
  const command = program.command('quantize').description('writes a GGUF file with its weights in another type').argument('<in.gguf>').argument('<out.gguf>')
  addFlags(command, own)
  addFlags(command, output, { json: '{"bytes", "tensors", "warnings"} on stdout' })
  addFlags(command, quiet)
  command.action((from: string, to: string) => {
    const parsed = command.opts()
    const { type } = pick(own, parsed)
    if (type === undefined) throw new UsageError(`Name the type: --type ${weightsDtypes.join(', ')}.`)
    return writeFile(io, to, parsed, (hooks) => io.face.quantize({ from, to, dtype: type, ...hooks }))
  })
}
