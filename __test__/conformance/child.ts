/**
 * Programs of their own, for what is about a process: its end, its threads, its crash.
 *
 * They run what is published, `dist/`, and report lines of JSON. A crash shows as a signal, a hang as silence.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** How a program ended, and what it said. */
export interface Ended<Report> {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly reports: Report[]
  readonly err: string
  /** From its last report to its end. */
  readonly msToEnd: number
}

/** How to run one. */
export interface ChildOptions {
  readonly args?: readonly string[]
  /** Flags of Node. */
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Longest silence before it is taken for hung and killed. */
  readonly silenceMs?: number
}

/** Runs `children/NAME.mjs` to its end. */
export async function child<Report = Record<string, unknown>>(name: string, options: ChildOptions = {}): Promise<Ended<Report>> {
  const { args = [], flags = [], env = {}, silenceMs = 30_000 } = options
  const script = join(import.meta.dirname, 'children', `${name}.mjs`)
  const program = spawn(process.execPath, [...flags, script, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const hung = setTimeout(() => program.kill('SIGKILL'), silenceMs)
  const reports: Report[] = []
  let [err, last] = ['', performance.now()]
  program.stderr.setEncoding('utf8').on('data', (chunk: string) => (err += chunk))
  createInterface(program.stdout).on('line', (line) => {
    reports.push(JSON.parse(line) as Report)
    last = performance.now()
    hung.refresh()
  })
  const exited = once(program, 'exit').then(() => performance.now())
  const [code, signal] = (await once(program, 'close')) as [number | null, NodeJS.Signals | null]
  clearTimeout(hung)
  return { code, signal, reports, err, msToEnd: (await exited) - last }
}

/** What a program that ended well looks like. */
export const well = { code: 0, signal: null, err: '' }
