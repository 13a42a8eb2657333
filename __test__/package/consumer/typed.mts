// An ES module of a user with TypeScript, as strict as it gets. Compiled, then run.
import { type Answer, generate, isWickError, load, type LocalModel, type StreamPart, WickError } from 'wick'

async function first(model: LocalModel): Promise<StreamPart['type']> {
  for await (const part of generate({ model, prompt: 'Hello!', maxTokens: 4, seed: 1 })) return part.type
  throw new WickError('internal', 'A run without parts.')
}

await using ember = await load('ember', { contextTokens: 256 })
const type: StreamPart['type'] = await first(ember)
const answer: Answer = await generate({ model: ember, messages: [{ role: 'user', content: 'Hello!' }], temperature: 0 }).collect()
const logits: Float32Array[] = await ember.evaluate(ember.tokenize('Hello!'), { positions: [0] })

// @ts-expect-error a temperature is a number
const wrong: Parameters<typeof generate>[0] = { model: ember, prompt: '', temperature: 'hot' }

const refused = await generate(wrong).collect().catch((error: unknown) => isWickError(error, 'invalid-request'))
console.log(JSON.stringify({ type, words: answer.text.split(' ').length > 3, vocabulary: logits[0]?.length === ember.info.vocabSize, refused }))
