// A CommonJS module of a user with TypeScript. Compiled, then run.
import wick = require('wick')

async function main(): Promise<void> {
  const ember: wick.LocalModel = await wick.load()
  const run: wick.Run<wick.StreamPart, wick.GenerateResult> = wick.generate({ model: ember, prompt: 'Hello!', temperature: 0 })
  let text = ''
  for await (const piece of run.text()) text += piece
  await ember.close()
  console.log(JSON.stringify({ words: text.split(' ').length > 3 }))
}

void main()
