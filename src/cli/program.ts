/**
 * The command line: `wick <command>`.
 *
 * `wick` never ends the process: it gives back the exit code, so a test runs it as a function. A command throws what went
 * wrong, and `exit.ts` turns it into a message and a code.
 */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { bench } from './commands/bench.js'
import { chat } from './commands/chat.js'
import { convert } from './commands/convert.js'
import { doctor } from './commands/doctor.js'
import { evaluate } from './commands/evaluate.js'
import { infill } from './commands/infill.js'
import { inspect } from './commands/inspect.js'
import { quantize } from './commands/quantize.js'
import { run } from './commands/run.js'
import { support } from './commands/support.js'
import { tokenize } from './commands/tokenize.js'
import { exitCodes, report } from './exit.js'
import { colours, type Io } from './io.js'

const commands = [run, chat, infill, inspect, tokenize, evaluate, convert, quantize, bench, doctor, support]

// From src/cli and from dist/cli alike.
const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

const notes = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no such model or not one this build runs, 4 out of memory,
5 the prompt does not fit the context, 130 interrupted.`

/** Runs one command line (without `node` and the script's name); resolves with the exit code, never rejects. */
export async function wick(args: readonly string[], io: Io): Promise<number> {
  // A failed write rejects where it was made (`write` in io.ts); the event must only not be unhandled.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {})
  try {
    await parser(io).parseAsync([...args], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    return report(error, io, args.includes('--verbose') || args.includes('-v'))
  }
}

function parser(io: Io): Command {
  const program = new Command('wick')
  const paint = colours(io.stdout, io.env)
  program
    .description('Language models inside Node.')
    .version(version)
    .helpCommand(true)
    .showHelpAfterError('See --help.')
    .exitOverride()
    .configureHelp({ styleTitle: (title) => paint.bold(title), showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: (text, print) => print(text.replace(/^error:/, colours(io.stderr, io.env).red('wick:'))),
      getOutHelpWidth: () => io.stdout.columns ?? 120,
      getErrHelpWidth: () => io.stderr.columns ?? 120,
      getOutHasColors: () => paint.isColorSupported,
      getErrHasColors: () => colours(io.stderr, io.env).isColorSupported,
    })
    .addHelpText('after', notes)
  for (const command of commands) command(program, io)
  return program
}
