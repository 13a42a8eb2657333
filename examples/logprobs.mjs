// How sure the model was of each token, and what else it considered.
import { generate, load } from 'wick'

const ember = await load()
for await (const part of generate({ model: ember, prompt: 'Hello!', temperature: 0, maxTokens: 8, logprobs: 2 })) {
  if (part.type !== 'text-delta') continue
  for (const token of part.tokens ?? []) {
    const others = token.top.map(({ text, logprob }) => `${JSON.stringify(text)} ${Math.exp(logprob).toFixed(2)}`)
    console.log(JSON.stringify(token.text).padEnd(12), others.join('   '))
  }
}
await ember.close()
