/**
 * An engine in a process of its own, so that its threads, its memory and its crash are its own.
 *
 * `host.mjs` is what runs there; calls go over Node's own channel, one at a time. Time is taken in the child, around the engine's
 * public API: what the channel takes is in no figure.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { here } from '../paths.mjs'

/**
 * What an adapter of this folder exports as `open`.
 * @callback Open
 * @param {{ file: string, threads?: number, contextTokens?: number, sequences?: number, load?: object }} options no thread count: the
 *   engine's default; `sequences`: answers there may be at once, where an engine must be told; `load`: more for wick's `load`
 * @returns {Promise<Opened>}
 *
 * @typedef {object} Opened
 * @property {{ threads?: number, isa: string, backend: string }} facts
 * @property {(variant: object) => Promise<void>} configure another variant of the same engine
 * @property {(tokens: number[], count: number, sampling: 'greedy' | 'chain') => Promise<{ tokens: number, cached: number }>} answer
 * @property {(tokens: number[] | object, count: number, options?: StreamOptions) => Promise<{ tokens: number, cached: number }>} stream
 *   wick takes a prompt as `generate` does too: `{ prompt: 'Hello' }`
 * @property {(tokens: number[]) => Promise<object>} [prepare] computes a prompt ahead
 * @property {() => object | undefined} [stats] what the engine says of itself
 * @property {() => Promise<void>} close
 *
 * @typedef {object} StreamOptions
 * @property {'greedy' | 'chain' | object} [sampling] by name, or an engine's own options; default greedy
 * @property {AbortSignal} [signal]
 * @property {boolean} [ids] whether parts are single tokens and say which
 * @property {() => void} [onStart] the engine has begun with the prompt; of an engine that does not say so never called
 * @property {(ids: number[]) => void} [onPart] something was decoded
 */

const running = new Set()
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')))
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]]) process.on(signal, () => process.exit(code))

/** Has `child` end when the bench does. */
export function ownChild(child) {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** The environment of a process that may use these instructions. */
export function environment({ cpu }) {
  const { WICK_CPU: _, ...rest } = process.env
  return cpu === 'avx2' ? { ...rest, WICK_CPU: 'avx2' } : rest
}

/** A child that answers calls. */
export class Engine {
  #child
  #waiting
  #last = ''

  /**
   * Starts the process of an adapter; nothing is loaded before `open`.
   * @param {string} name of an adapter of this folder
   * @param {{ cpu: string, under: string[] }} options
   * @param {{ prefix?: string[], env?: Record<string, string> }} [where]
   */
  constructor(name, options, { prefix = [], env = {} } = {}) {
    const [command, ...args] = [...options.under, ...prefix, process.execPath, '--expose-gc', join(here, 'engines/host.mjs'), name]
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env: { ...environment(options), ...env } })
    this.name = name
    this.#child = ownChild(child)
    child.stderr.on('data', (chunk) => (this.#last = (this.#last + chunk).slice(-2000)))
    child.on('error', (error) => this.#settle({ error: `${command}: ${error.message}` }))
    child.on('exit', (code, signal) => this.#settle({ error: `${name} ended with ${signal ?? code}. ${this.#last.trim()}` }))
    child.on('message', (message) => this.#settle(message))
  }

  get pid() {
    return this.#child.pid
  }

  /** Calls a function of `host.mjs`; rejects with what it threw. */
  call(what, argument = {}) {
    if (this.#waiting) throw new Error(`${this.name} is asked for ${what} while it works`)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      if (this.#child.exitCode !== null || !this.#child.connected) this.#settle({ error: `${this.name} is gone. ${this.#last.trim()}` })
      else this.#child.send({ what, argument })
    })
  }

  /** Ends the process, whatever it does. */
  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#waiting = undefined
    this.#child.kill('SIGKILL')
    await gone
  }

  #settle({ error, value }) {
    const waiting = this.#waiting
    this.#waiting = undefined
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject(new Error(error))
  }
}
