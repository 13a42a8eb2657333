// Steering an answer token by token: other words in the place of those the model chose, and it goes on from them.
import { generate, load } from 'wick'

const ember = await load()
const ask = { model: ember, prompt: 'Tell me about the lighthouse', temperature: 0, maxTokens: 24 }
console.log('as it is: ', (await generate(ask).collect()).text)

// A hook: the fifth token is replaced, whatever it is.
let count = 0
const onToken = () => ((count += 1) === 5 ? ember.tokenize(' large and very old') : undefined)
console.log('by a hook:', (await generate({ ...ask, onToken }).collect()).text)

// The same by hand: a generator, which `next` feeds.
const tokens = ember.tokens({ prompt: { messages: [{ role: 'user', content: ask.prompt }] }, sampling: { temperature: 0 }, maxTokens: 24 })
const ids = []
for (let { done, value } = await tokens.next(); !done; ) {
  const taken = ids.length === 4 ? ember.tokenize(' large and very old') : [value.id]
  ids.push(...taken)
  ;({ done, value } = await tokens.next(taken))
}
console.log('by hand:  ', ember.detokenize(ids))
await ember.close()
