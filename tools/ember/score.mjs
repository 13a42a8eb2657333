// Asks ember everything of its held-out set, through wick, and prints how much is right.
//
//   npm run ember:score [-- MODEL.gguf] [-- --verbose] [-- --json] [-- --temperature 0.8]
//
// Greedy unless a temperature is given (then with seed 1). Needs `npm run build` before.
import { parseArgs } from 'node:util'
import { generate, load } from 'wick'
import { skills } from './skills.mjs'

/** Tokens after which an answer counts as endless; the longest right one is of some 200. */
const MOST_TOKENS = 320

/** One skill's cases, asked one after the other. Case by case: `{ prompt, text, right }`. */
async function ask(model, cases, sampling) {
  const asked = []
  for (const { prompt, right } of cases) {
    const { text, finishReason } = await generate({ model, prompt, maxTokens: MOST_TOKENS, ...sampling }).collect()
    asked.push({ prompt, text, right: right({ text, ended: finishReason === 'stop' }) })
  }
  return asked
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: 'boolean' }, json: { type: 'boolean' }, temperature: { type: 'string', default: '0' } },
})
const temperature = Number(values.temperature)
const model = await load(positionals[0] ?? 'ember')
const scores = []
for (const { skill, cases } of skills) {
  const asked = await ask(model, cases, { temperature, seed: 1 })
  const wrong = asked.filter(({ right }) => !right)
  scores.push({ skill, right: asked.length - wrong.length, of: asked.length })
  if (values.json) continue
  console.log(`${skill.padEnd(36)}${String(asked.length - wrong.length).padStart(3)} of ${asked.length}`)
  if (values.verbose) for (const { prompt, text } of wrong) console.log(`    ${prompt}\n      ${text.slice(0, 200)}`)
}
await model.close()
if (values.json) console.log(JSON.stringify(scores))
else console.log(`${'all'.padEnd(36)}${scores.reduce((sum, { right }) => sum + right, 0)} of ${scores.reduce((sum, row) => sum + row.of, 0)}`)
