/** A model for the length of a command: loaded with a bar and a log on stderr, closed however the command ends. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import type { LoadOptions, LocalModel, LogLevel, LogRecord } from '../index.js'
import { UsageError } from './exit.js'
import type { common, loading, Values } from './flags.js'
import { colours, type Io } from './io.js'
import { type Bar, progressBar } from './progress.js'
import { printable } from './render.js'

/** What the flags say of a load. */
export type LoadValues = Values<typeof loading> & Values<typeof common>

/** What a command adds to the flags. */
export type OpenOptions = Pick<LoadOptions, 'vocabOnly' | 'log'> & { signal: AbortSignal }

/** Loads `source`, hands it to `work`, and closes it. */
export async function withModel<T>(
  io: Io,
  source: string,
  values: LoadValues,
  options: OpenOptions,
  work: (model: LocalModel) => Promise<T>,
): Promise<T> {
  const model = await openModel(io, source, values, options)
  try {
    return await work(model)
  } finally {
    await model.close()
  }
}

/** Loads `source`; the caller closes it. */
export async function openModel(io: Io, source: string, values: LoadValues, options: OpenOptions): Promise<LocalModel> {
  const bar = progressBar(io, `Loading ${basename(source)}`)
  try {
    return await io.face.load(source, { ...(await loadOptions(io, values, bar)), ...options, onProgress: bar.report })
  } finally {
    bar.stop()
  }
}

async function loadOptions(io: Io, values: LoadValues, bar: Bar): Promise<LoadOptions> {
  const { ctx, noMmap, chatTemplate, verbose, logLevel, ...rest } = values
  return {
    ...rest,
    ...(ctx === undefined ? {} : { contextTokens: ctx }),
    ...(noMmap ? { mmap: false } : {}),
    ...(chatTemplate === undefined ? {} : { chatTemplate: await templateFile(chatTemplate) }),
    ...log(io, bar, logLevel ?? (verbose ? 'info' : 'warn')),
  }
}

async function templateFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`--chat-template ${path}: ${(error as Error).message}`)
  }
}

/** The library's log on stderr; `silent` leaves it out. */
function log(io: Io, bar: Bar, level: LogLevel | 'silent'): Pick<LoadOptions, 'log'> {
  if (level === 'silent') return {}
  const paint = colours(io.stderr, io.env)
  const write = (record: LogRecord) => {
    const name = record.level === 'warn' ? paint.yellow('warning:') : paint.dim(`${record.level}:`)
    bar.print(`${name} ${printable(record.message)}`)
  }
  return { log: { level, write } }
}
