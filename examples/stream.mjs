// The embedded model's answer, token by token: no key, no download.
import { generate, load } from 'wick'

const ember = await load()
for await (const part of generate({ model: ember, prompt: 'Tell me about the lighthouse.', seed: 1 })) {
  if (part.type === 'text-delta') process.stdout.write(part.text)
  if (part.type === 'finish') process.stdout.write(`\n(${part.usage.completionTokens} tokens, ${part.reason})\n`)
}
await ember.close()
