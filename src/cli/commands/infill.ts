/** `wick infill`: what belongs in the gap of a text. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { InfillFile, InfillPrompt } from '../../index.js'
import { generationOptions, showAnswer } from '../answer.js'
import { Interrupted, UsageError } from '../exit.js'
import { addFlags, common, type Flags, generation, loading, output, pick, sampling, type Values } from '../flags.js'
import { interruptible } from '../interrupt.js'
import type { Io } from '../io.js'
import { withModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { list, someText, text } from '../values.js'

const own = {
  prefix: { flags: '--prefix <text>', about: 'what stands before the gap', standard: 'nothing', read: text },
  prefixFile: { flags: '--prefix-file <file>', about: 'a file with what stands before the gap', read: someText },
  suffix: { flags: '--suffix <text>', about: 'what stands behind the gap', standard: 'nothing', read: text },
  suffixFile: { flags: '--suffix-file <file>', about: 'a file with what stands behind the gap', read: someText },
  file: { flags: '--file <path>', about: 'another file of the repository, the most telling last; repeatable, needs --path', read: list(someText) },
  path: { flags: '--path <path>', about: 'the path of the file with the gap', read: someText },
  repository: { flags: '--repository <name>', about: 'the name of the repository', read: someText },
} satisfies Flags

const examples = `
MODEL must be one that was trained to fill gaps (a code model such as Qwen2.5-Coder); wick inspect says so.

  wick infill ./coder.gguf --prefix "def add(a, b):\n    return " --suffix "\n" --temperature 0
  wick infill ./coder.gguf --prefix-file head.txt --suffix-file tail.txt --file src/lamp.ts --path src/main.ts`

export function infill(program: Command, io: Io): void {
  const command = program.command('infill').description('fills the gap between a prefix and a suffix').argument('[model]')
  addFlags(command, own)
  addFlags(command, generation)
  addFlags(command, sampling)
  addFlags(command, loading)
  addFlags(command, output, { json: 'one part as JSON a line on stdout, token ids and log-probabilities included' })
  addFlags(command, common)
  command.addHelpText('after', examples).action((model: string = defaultModel) => fill(io, model, command.opts()))
}

async function fill(io: Io, source: string, parsed: Record<string, unknown>): Promise<void> {
  const infill = await gap(pick(own, parsed))
  const show = { ...pick(output, parsed), ...pick(common, parsed) }
  await interruptible(io, (signal) =>
    withModel(io, source, { ...pick(loading, parsed), ...pick(common, parsed) }, { signal }, async (model) => {
      const answer = await showAnswer(io, io.face.generate({ model, infill, ...generationOptions(parsed), signal }), show)
      if (answer.finish === undefined) throw new Interrupted()
    }),
  )
}

async function gap(values: Values<typeof own>): Promise<InfillPrompt> {
  const { file: paths = [], path, repository } = values
  if (paths.length > 0 && path === undefined) throw new UsageError('--file needs --path, the path of the file with the gap.')
  const files: InfillFile[] = []
  for (const path of paths) files.push({ path, text: await fileText('--file', path) })
  return {
    prefix: await side('prefix', values.prefix, values.prefixFile),
    suffix: await side('suffix', values.suffix, values.suffixFile),
    ...(files.length > 0 && { files }),
    ...(path !== undefined && { path }),
    ...(repository !== undefined && { repository }),
  }
}

async function side(name: 'prefix' | 'suffix', text: string | undefined, file: string | undefined): Promise<string> {
  if (text !== undefined && file !== undefined) throw new UsageError(`--${name} and --${name}-file are the same thing: give one.`)
  return file === undefined ? (text ?? '') : fileText(`--${name}-file`, file)
}

async function fileText(flag: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${flag} ${path}: ${(error as Error).message}`)
  }
}
