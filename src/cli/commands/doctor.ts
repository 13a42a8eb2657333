/** `wick doctor`: the machine, the addon, and what loading a model chooses here. */
import type { Command } from 'commander'
import type { LocalModel, LogRecord, MachineInfo } from '../../index.js'
import { Interrupted } from '../exit.js'
import { addFlags, common, loading, output, pick } from '../flags.js'
import { interruptible } from '../interrupt.js'
import { type Io, write, writeJson } from '../io.js'
import { type LoadValues, withModel } from '../model.js'
import { defaultModel } from '../prompt.js'
import { bytes, clip, count, fields, printable } from '../render.js'

const about = `
Loads MODEL (default: ember) as any command would, and says what was chosen and why. Its output belongs in bug reports:
there are no prompts and no keys in it.`

/** Variables of the environment that change what is chosen. */
const variables = ['WICK_CPU', 'WICK_THREADS', 'NAPI_RS_NATIVE_LIBRARY_PATH', 'RAYON_NUM_THREADS'] as const

/** What loading chose. */
type Choice = Pick<
  LocalModel['info'],
  'path' | 'architecture' | 'backend' | 'device' | 'isa' | 'threads' | 'contextTokens' | 'trainedContextTokens' | 'weightsBytes' | 'kvBytesPerToken'
>

interface Report {
  wick: string
  node: string
  platform: string
  environment: Record<string, string>
  machine: MachineInfo
  model: { source: string; chosen?: Choice; why: string[] }
}

export function doctor(program: Command, io: Io): void {
  const command = program.command('doctor').description('describes the machine, and what loading a model chooses here').argument('[model]')
  addFlags(command, loading)
  addFlags(command, output, { json: 'the report as one JSON object on stdout' })
  addFlags(command, common, {
    verbose: 'stacks of errors',
    logLevel: 'how much of why is told: silent, warn, info or debug (default: info)',
  })
  command.addHelpText('after', about).action((model: string = defaultModel) => examine(io, model, command.opts()))
}

async function examine(io: Io, source: string, parsed: Record<string, unknown>): Promise<void> {
  const machine = await io.face.machine()
  const found: Report = {
    wick: machine.version,
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    environment: Object.fromEntries(variables.flatMap((name) => (io.env[name] === undefined ? [] : [[name, io.env[name]]]))),
    machine,
    model: { source, why: [] },
  }
  const failure = await tryLoading(io, source, { ...pick(loading, parsed), ...pick(common, parsed) }, found.model)
  await (pick(output, parsed).json ? writeJson(io.stdout, found) : write(io.stdout, forPeople(found)))
  if (failure !== undefined) throw failure
}

/** Loads the model and notes what came of it; a failure is given back, so that the report is printed before it. */
async function tryLoading(io: Io, source: string, values: LoadValues, found: Report['model']): Promise<unknown> {
  const level = values.logLevel ?? 'info'
  const notes = level === 'silent' ? {} : { log: { level, write: ({ message }: LogRecord) => void found.why.push(message) } }
  try {
    await interruptible(io, (signal) =>
      withModel(io, source, values, { signal, ...notes }, async ({ info }) => {
        const { path, architecture, backend, device, isa, threads, contextTokens, trainedContextTokens, weightsBytes, kvBytesPerToken } = info
        found.chosen = { path, architecture, backend, device, isa, threads, contextTokens, trainedContextTokens, weightsBytes, kvBytesPerToken }
      }),
    )
    return undefined
  } catch (error) {
    if (error instanceof Interrupted) throw error
    return error
  }
}

function forPeople({ wick, node, platform, environment, machine, model }: Report): string {
  const { chosen } = model
  const rows: Array<[name: string, value: string | number | undefined]> = [
    ['wick', wick],
    ['node', `${node}, ${platform}`],
    ...Object.entries(environment).map(([name, value]): [string, string] => [name, printable(value)]),
    ['addon', machine.addon && printable(machine.addon)],
    ['isa', machine.isa],
    ['cores', `${machine.physicalCores} physical, ${machine.usableCores} usable`],
    ['threads', machine.threads],
    ['memory', `${bytes(machine.memoryBytes)}, ${bytes(machine.availableMemoryBytes)} available`],
    ['devices', machine.devices.join(', ')],
    ['backends', machine.backends.join(', ')],
    ['model', clip(chosen?.path ?? model.source, 200)],
    ['chosen', chosen && `${chosen.architecture} on ${chosen.backend}, ${chosen.device}, ${chosen.isa}, ${chosen.threads} threads`],
    ['context', chosen && `${count(chosen.contextTokens)} of ${count(chosen.trainedContextTokens)} tokens as trained`],
    ['weights', chosen && bytes(chosen.weightsBytes)],
    ['kv cache', chosen && `${bytes(chosen.kvBytesPerToken)} a token, ${bytes(chosen.kvBytesPerToken * chosen.contextTokens)} when full`],
    ...model.why.map((message): [string, string] => ['why', printable(message)]),
  ]
  return fields(rows)
}
