/** What `wick convert` and `wick quantize` share: a file is written with a bar, and what came of it is told. */
import { basename } from 'node:path'
import type { Converted, Progress } from '../index.js'
import { common, output, pick } from './flags.js'
import { interruptible } from './interrupt.js'
import { colours, type Io, write, writeJson } from './io.js'
import { progressBar } from './progress.js'
import { bytes, printable } from './render.js'

/** What every command takes, where there is no load to log. */
export const quiet = { verbose: { ...common.verbose, about: 'stacks of errors' } }

/** What a conversion is handed besides its files. */
export interface Hooks {
  onProgress: (progress: Progress) => void
  signal: AbortSignal
}

/** Runs `work`, which writes the file `to`. */
export async function writeFile(io: Io, to: string, parsed: Record<string, unknown>, work: (hooks: Hooks) => Promise<Converted>): Promise<void> {
  const bar = progressBar(io, `Writing ${basename(to)}`)
  const result = await interruptible(io, (signal) => work({ onProgress: bar.report, signal })).finally(bar.stop)
  if (pick(output, parsed).json) return writeJson(io.stdout, result)
  for (const warning of result.warnings) await write(io.stderr, `${colours(io.stderr, io.env).yellow('warning:')} ${printable(warning)}\n`)
  await write(io.stdout, `${to}: ${result.tensors} tensors, ${bytes(result.bytes)}\n`)
}
