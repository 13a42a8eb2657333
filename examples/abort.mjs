// A time limit: the run rejects with the signal's own reason, and the engine is free at once.
import { generate, load } from 'wick'

const ember = await load()
let text = ''
try {
  const signal = AbortSignal.timeout(50)
  for await (const piece of generate({ model: ember, prompt: 'Tell me about the sea.', ignoreEnd: true, signal }).text()) text += piece
} catch (error) {
  console.log(`${error.name} after ${text.length} characters`)
}
await ember.close()
