/** The command line of `npm run bench`. */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** What can be measured, in the order it is. */
export const MEASURES = ['bandwidth', 'prefill', 'decode', 'first-token', 'load', 'memory', 'sampler', 'defaults', 'contention', 'crossing', 'many', 'join', 'abort', 'prefix', 'lookup']

/** Who is measured. */
export const ENGINES = ['wick', 'node-llama-cpp', 'llama.cpp']

export const HELP = `npm run bench -- [options]

Measures wick beside node-llama-cpp and llama.cpp (llama-bench), in turn, on files it makes itself. bench/README.md says what
each figure is. Tables go to stdout, progress to stderr.

  --only LIST       of ${MEASURES.join(', ')} (default all)
  --file LIST       of the files that --help-files names (default: those of the bars); or paths of .gguf files
  --engines LIST    of ${ENGINES.join(', ')} (default all)
  --threads LIST    thread counts (default 1,2)
  --prompt LIST     lengths of prompts for prefill, in tokens (default 257, and 2048 where a file is marked long)
  --rounds N        rounds of each figure, the engines in turn (default 3)
  --seconds N       a figure begins no further round after that long; it has one round at least (default 40)
  --cpu NAME        avx2 or native: instructions that every engine may use (default avx2)
  --under COMMAND   put in front of every engine's process: "chrt -f 10", "taskset -c 0,1"
  --json FILE       writes every value of every round too
  --smoke           measures wick alone on the model that ships with it, in seconds, to see that the bench works
  --help            this text
  --help-files      the files`

/**
 * What is asked for.
 * @typedef {object} Options
 * @property {string[]} only
 * @property {string[] | undefined} files
 * @property {string[]} engines
 * @property {number[]} threads
 * @property {number[] | undefined} prompts
 * @property {number} rounds
 * @property {number} seconds
 * @property {string} cpu avx2 or native
 * @property {string[]} under
 * @property {string | undefined} json
 * @property {boolean} small whether situations of several requests are cut to fit a window of 512 tokens
 */

/** A command line that cannot be followed; `message` says why. */
export class UsageError extends Error {}

const flags = /** @type {const} */ ({
  only: { type: 'string' },
  file: { type: 'string' },
  engines: { type: 'string' },
  threads: { type: 'string' },
  prompt: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  cpu: { type: 'string' },
  under: { type: 'string' },
  json: { type: 'string' },
  smoke: { type: 'boolean' },
  help: { type: 'boolean' },
  'help-files': { type: 'boolean' },
})

/**
 * Reads the arguments; UsageError where they are wrong, 'help' or 'help-files' where that is all that is wanted.
 * @param {string[]} args
 * @returns {Options | 'help' | 'help-files'}
 */
export function readOptions(args) {
  const values = parsed(args)
  if (values.help) return 'help'
  if (values['help-files']) return 'help-files'
  const standard = values.smoke ? SMOKE : STANDARD
  return {
    only: choices('--only', values.only ?? standard.only, MEASURES),
    files: list(values.file ?? standard.file),
    engines: choices('--engines', values.engines ?? standard.engines, ENGINES),
    threads: list(values.threads ?? standard.threads).map((value) => integer('--threads', value)),
    prompts: list(values.prompt ?? standard.prompt)?.map((value) => integer('--prompt', value)),
    rounds: integer('--rounds', values.rounds ?? standard.rounds),
    seconds: integer('--seconds', values.seconds ?? '40'),
    cpu: oneOf('--cpu', values.cpu ?? standard.cpu, ['avx2', 'native']),
    under: values.under?.split(/\s+/).filter(Boolean) ?? [],
    json: values.json,
    small: values.smoke ?? false,
  }
}

const EMBER = fileURLToPath(new URL('../../models/ember.gguf', import.meta.url))

const STANDARD = { only: MEASURES.join(), engines: ENGINES.join(), threads: '1,2', rounds: '3', cpu: 'avx2' }

/** `native`: it is to run on machines of any kind. */
const SMOKE = { only: 'prefill,decode,first-token,load,memory,many,join,abort,prefix,lookup', file: EMBER, engines: 'wick', threads: '1', prompt: '64', rounds: '1', cpu: 'native' }

function parsed(args) {
  try {
    return parseArgs({ args, options: flags, strict: true, allowPositionals: false }).values
  } catch (error) {
    throw new UsageError(`${error.message} See --help.`)
  }
}

function list(value) {
  return value?.split(',').map((item) => item.trim()).filter(Boolean)
}

/** Some of what is known, in its order. */
function choices(flag, value, known) {
  const chosen = list(value)
  const stranger = chosen.find((item) => !known.includes(item))
  if (stranger !== undefined || chosen.length === 0) throw new UsageError(`${flag} has ${stranger ?? 'nothing'}; it takes ${known.join(', ')}.`)
  return known.filter((item) => chosen.includes(item))
}

function oneOf(flag, value, known) {
  if (!known.includes(value)) throw new UsageError(`${flag} is ${value}; it takes ${known.join(' or ')}.`)
  return value
}

function integer(flag, value) {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`${flag} is ${value}; it takes whole numbers from 1.`)
  return number
}
