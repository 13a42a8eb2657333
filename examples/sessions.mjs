// A conversation that keeps itself: it goes on, branches, and lives in a file.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate, load } from 'wick'

const ember = await load()
const session = ember.session()
const ask = (of, prompt) => generate({ model: of, prompt, temperature: 0, maxTokens: 40 }).collect()

console.log('first:  ', (await ask(session, 'Hello!')).text)

// Both go on from what was said, side by side; what they share is computed once and stored once.
const fork = session.fork()
const [here, there] = await Promise.all([ask(session, 'Tell me about a fox.'), ask(fork, 'Tell me about the lighthouse.')])
console.log('here:   ', here.text)
console.log('there:  ', there.text)
console.log(`${there.usage.cachedTokens} of ${there.usage.promptTokens} prompt tokens were computed before`)

// On disk with its keys and values: another process goes on where this one stopped.
const folder = await mkdtemp(join(tmpdir(), 'wick-'))
await fork.save(join(folder, 'talk.wick'))
const restored = await ember.restore(join(folder, 'talk.wick'))
console.log('later:  ', (await ask(restored, 'Thank you.')).text)
console.log(restored.messages.length, 'messages')
await rm(folder, { recursive: true })
await ember.close() // sessions need no closing: they hold what was said, and no memory of the engine's
