// wick beside its peers. `npm run bench -- --help` says how, README.md what the figures are.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { FILES, modelFile } from './files.mjs'
import { machine, machineText } from './machine.mjs'
import { abort } from './measures/abort.mjs'
import { bandwidth } from './measures/bandwidth.mjs'
import { contention } from './measures/contention.mjs'
import { crossing } from './measures/crossing.mjs'
import { defaults } from './measures/defaults.mjs'
import { join as joining } from './measures/join.mjs'
import { lookup } from './measures/lookup.mjs'
import { many } from './measures/many.mjs'
import { prefix } from './measures/prefix.mjs'
import { sampler } from './measures/sampler.mjs'
import { speed } from './measures/speed.mjs'
import { firstToken, load, memory } from './measures/start.mjs'
import { given, root } from './paths.mjs'
import { HELP, readOptions, UsageError } from './pure/options.mjs'
import { report } from './report.mjs'
import { Run } from './run.mjs'

/** What several requests share a model for: of the files whose prompts are long, unless others are asked for. */
const several = { many, join: joining, abort, prefix }

const ember = join(root, 'models/ember.gguf')

const asked = arguments_()
if (asked === 'help') console.log(HELP)
else if (asked === 'help-files') for (const [name, { about, bar }] of Object.entries(FILES)) console.log(`${name.padEnd(18)} ${about}${bar ? ' (default)' : ''}`)
else await bench(asked).catch(refuse)

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
  const names = options.files ?? Object.keys(FILES).filter((name) => FILES[name].bar)
  const files = []
  for (const name of names) files.push(await modelFile(name))
  // What was measured before something failed is shown all the same.
  const failure = await measure(run, files).catch((error) => error)
  console.log(`${machineText(facts, options)}\n\n${report(run)}`)
  if (options.json) writeFileSync(given(options.json), `${JSON.stringify({ machine: facts, options, engines: run.engineFacts, figures: run.figures }, null, 1)}\n`)
  if (failure) console.error(failure)
  process.exit(failure ? 1 : 0)
}

/** Everything that is asked for. What does not depend on the model's size is measured with the first file, or one made for it. */
async function measure(run, files) {
  const { only, threads } = run.options
  const wanted = (...measures) => measures.some((measure) => only.includes(measure))
  const most = Math.max(...threads)
  if (wanted('bandwidth')) bandwidth(run)
  for (const file of files) {
    if (wanted('prefill', 'decode')) await speed(run, file)
    if (wanted('first-token')) await firstToken(run, file, most)
    if (wanted('load')) await load(run, file, most)
    if (wanted('memory')) await memory(run, file, most)
    for (const [name, measure] of Object.entries(several)) if (wanted(name) && (run.options.files || file.long)) await measure(run, file, most)
  }
  if (wanted('sampler')) await sampler(run, await modelFile('chain-q8_0'))
  if (wanted('defaults')) await defaults(run, files[0])
  if (wanted('contention')) await contention(run, files[0])
  if (wanted('lookup')) await lookup(run, run.options.small ? undefined : await modelFile('quotes-q4_k_m'), await modelFile(ember), most)
  if (wanted('crossing')) await crossing(run, ember)
}
