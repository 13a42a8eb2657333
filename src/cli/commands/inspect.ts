/** `wick inspect`: what a model file says of itself, without loading its weights. */
import type { Command } from 'commander'
import type { LocalModelInfo } from '../../index.js'
import { addFlags, common, output, pick } from '../flags.js'
import { interruptible } from '../interrupt.js'
import { type Io, write, writeJson } from '../io.js'
import { withModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { bytes, clip, count, fields, table } from '../render.js'

export function inspect(program: Command, io: Io): void {
  const command = program.command('inspect').description('shows metadata, tensors, tokenizer, context and sizes of a model').argument('[model]')
  addFlags(command, output, { json: 'everything as one JSON object on stdout' })
  addFlags(command, common)
  command.action((model: string = defaultModel) => show(io, model, command.opts()))
}

async function show(io: Io, source: string, parsed: Record<string, unknown>): Promise<void> {
  await interruptible(io, (signal) =>
    withModel(io, source, pick(common, parsed), { signal, vocabOnly: true }, ({ info }) =>
      pick(output, parsed).json ? writeJson(io.stdout, info) : write(io.stdout, forPeople(info, io.stdout.columns ?? 160)),
    ),
  )
}

function forPeople(info: LocalModelInfo, width: number): string {
  const metadata = Object.entries(info.metadata).map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)] as const)
  const keys = Math.max(0, ...metadata.map(([key]) => key.length))
  const sections: Array<[title: string, body: string]> = [
    ['Model', fields(summary(info))],
    [`Metadata (${metadata.length})`, fields(metadata.map(([key, value]) => [key, clip(value, Math.max(24, width - keys - 2))]))],
    [`Tensors (${info.tensors.length})`, table(info.tensors.map(({ name, dtype, shape }) => [clip(name, 80), dtype, `[${shape.join(', ')}]`]))],
  ]
  return sections.map(([title, body]) => `${title}\n${body.replace(/^(?=.)/gm, '  ')}`).join('\n')
}

function summary(info: LocalModelInfo): Array<[name: string, value: string | number | undefined]> {
  return [
    ['path', clip(info.path, 200)],
    ['name', info.name === undefined ? undefined : clip(info.name, 120)],
    ['format', info.format],
    ['architecture', clip(info.architecture, 80)],
    ['parameters', count(info.parameters)],
    ['file', bytes(info.fileBytes)],
    ['weights', [...(info.weightsBytes > 0 ? [bytes(info.weightsBytes)] : []), clip(info.weightsDtype, 80)].join(', ')],
    ['layers', info.layers],
    ['width', info.embeddingLength],
    ['heads', info.heads ? `${info.heads}, ${info.kvHeads} for keys and values, ${info.headDim} wide` : undefined],
    ['context', info.trainedContextTokens ? `${count(info.trainedContextTokens)} tokens, as trained` : undefined],
    ['kv cache', info.kvBytesPerToken ? `${bytes(info.kvBytesPerToken)} a token` : undefined],
    ['tokenizer', `${clip(info.tokenizer, 80)}, ${count(info.vocabSize)} tokens`],
    ['begins with', info.bosToken],
    ['ends with', info.endTokens.join(', ')],
    ['chat template', info.chatTemplate === undefined ? 'no' : 'yes'],
    ['infill', info.infill ? 'yes' : 'no'],
    ['warnings', info.warnings.map((warning) => clip(warning, 200)).join('; ')],
  ]
}
