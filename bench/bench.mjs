// wick beside its peers. `npm run bench -- --help` says how, README.md what the figures are.
import { writeFileSync } from 'node:fs'
import { FILES, modelFile } from './files.mjs'
import { machine, machineText } from './machine.mjs'
import { speed } from './measures/speed.mjs'
import { HELP, readOptions, UsageError } from './pure/options.mjs'
import { report } from './report.mjs'
import { Run } from './run.mjs'

const asked = arguments_()
if (asked === 'help') console.log(HELP)
else if (asked === 'help-files') for (const [name, { about, bar }] of Object.entries(FILES)) console.log(`${name.padEnd(18)} ${about}${bar ? ' (default)' : ''}`)
else await bench(asked)

function arguments_() {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    return refuse(error)
  }
}

/** Says what is wrong with the command line; everything else is a failure of the bench, with its stack. */
function refuse(error) {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exit(2)
}

async function bench(options) {
  const run = new Run(options)
  const facts = machine()
  console.error(machineText(facts, options))
  const wanted = (...measures) => measures.some((measure) => options.only.includes(measure))
  for (const name of options.files ?? Object.keys(FILES).filter((name) => FILES[name].bar)) {
    for (const threads of options.threads) if (wanted('prefill', 'decode')) await speed(run, modelFile(name), threads)
  }
  console.log(`${machineText(facts, options)}\n\n${report(run)}`)
  if (options.json) writeFileSync(options.json, `${JSON.stringify({ machine: facts, options, engines: run.engineFacts, figures: run.figures }, null, 1)}\n`)
  process.exit()
}
