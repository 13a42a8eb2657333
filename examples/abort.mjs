// A time limit: the run rejects with the signal's own reason, what came before it is kept, and the engine is free at once.
import { generate, load } from 'wick'

const ember = await load()
let text = ''
try {
  // An answer without an end: the model's own end tokens are ignored, and a full window makes room for more.
  const endless = { model: ember, raw: { text: 'Once upon a time' }, ignoreEnd: true, overflow: 'shift' }
  for await (const piece of generate({ ...endless, signal: AbortSignal.timeout(500) }).text()) text += piece
} catch (error) {
  console.log(`${error.name} after ${text.length} characters`)
}
await ember.close()
