// Many requests on one model: results come as they finish, and however many there are, few are in memory.
import { generateMany, load } from 'wick'

const ember = await load()

// Read one at a time, when there is room for it: lines of a file or rows of a database would do as well.
async function* requests() {
  for (let n = 1; n <= 12; n += 1) yield { model: ember, prompt: `What is ${n} + ${n}?`, temperature: 0, maxTokens: 30 }
}

for await (const { index, result, error } of generateMany({ requests: requests(), concurrency: 4 })) {
  console.log(`${index}:`, error ? `failed: ${error.message}` : result.text)
}

const { prefixCache, tokensPerSecond } = ember.stats()
console.log(`${Math.round(tokensPerSecond)} tokens a second, all together; ${prefixCache.hitTokens} of ${prefixCache.lookupTokens} prompt tokens were computed before`)
await ember.close()
