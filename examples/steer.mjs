// Steering an answer token by token: a word that is not to be said is replaced as it is sampled, and the model goes on from there.
import { generate, load } from 'wick'

const ember = await load()
const prompt = 'Tell me about the lighthouse'
const ask = { model: ember, prompt, temperature: 0, maxTokens: 24 }
console.log('as it is:  ', (await generate(ask).collect()).text)

const instead = ember.tokenize(' small boat')
let told = 0
const onToken = ({ text }) => (text === ' lighthouse' && (told += 1) === 1 ? instead : undefined)
console.log('steered:   ', (await generate({ ...ask, onToken }).collect()).text)

// The same by hand: a generator that is fed through `next`.
const tokens = ember.tokens({ prompt: { text: 'The keeper lit the' }, sampling: { temperature: 0 }, maxTokens: 8 })
let line = 'The keeper lit the'
let fed
for (;;) {
  const { done, value } = await tokens.next(fed)
  if (done) break
  fed = line.endsWith('the') ? ember.tokenize(' old lamp') : undefined
  line += fed === undefined ? value.text : ' old lamp'
}
console.log('fed:       ', line)
await ember.close()
