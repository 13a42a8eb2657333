// A crowd on one model for a long time: does anything get stuck, does memory grow, is any token another than when it is quiet?
//   npm run soak -- [--minutes 20] [--seed N] [--model ember|FILE] [--users 16] [--growth 2]
//
// Ends with 0, or with 1 and what was wrong. Who does what follows from the seed; which of them meet also depends on the machine.
import { spawnSync, fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { wick } from './soak/ask.mjs'
import { Crowd, Failure } from './soak/crowd.mjs'
import { lives } from './soak/lives.mjs'
import { growth, resident } from './soak/memory.mjs'
import { chance } from './soak/random.mjs'

/** A window that a life can fill. */
const CONTEXT = 512
/** Windows whose keys and values there is room for: fewer than users, so that some give theirs up for others. */
const ROOM = 5
/** Parts of the crowd's time, each followed by a look at memory when all have ended; a part is a second at least. */
const LOOKS = 60
const LIVES = 240
const PATIENCE_MS = 60_000
const LEAVE_MS = 5000

const here = dirname(fileURLToPath(import.meta.url))
if (!globalThis.gc) process.exit(spawnSync(process.execPath, ['--expose-gc', ...process.argv.slice(1)], { stdio: 'inherit' }).status ?? 1)
const options = arguments_()
process.exit(await soak(options).catch(failed))

function arguments_() {
  const text = (value) => ({ type: 'string', default: value })
  const flags = { minutes: text('20'), seed: text(String(Math.floor(Math.random() * 2 ** 31))), model: text('ember'), users: text('16'), growth: text('2') }
  try {
    const { minutes, seed, model, users, growth } = parseArgs({ options: flags }).values
    const asked = { minutes: Number(minutes), seed: Number(seed), users: Number(users), growth: Number(growth) / 100, model: model === 'ember' ? model : resolve(process.env['INIT_CWD'] ?? '.', model) }
    if (asked.minutes > 0 && asked.growth > 0 && Number.isInteger(asked.seed) && Number.isInteger(asked.users) && asked.users > 0) return asked
    throw new Error('--minutes and --growth (percent) are numbers above 0, --seed an integer, --users an integer from 1.')
  } catch (error) {
    console.error(error.message)
    process.exit(2)
  }
}

function failed(error) {
  console.error(`FAILED with --seed ${options.seed}: ${error instanceof Failure ? error.message : (error?.stack ?? error)}`)
  return 1
}

async function soak({ minutes, seed, model: reference, users, growth: most }) {
  console.log(`soak: ${reference}, ${minutes} minutes, ${users} users, --seed ${seed}`)
  const { kvBytesPerToken, vocabSize, chatTemplate } = await facts(reference)
  const of = { count: LIVES, windowTokens: CONTEXT, vocabSize, chats: chatTemplate !== undefined }
  const quiet = await quietRun({ model: reference, load: { contextTokens: CONTEXT, prefixCacheBytes: 0, draft: false }, seed, of })
  const turns = quiet.flat()
  console.log(`quiet: ${LIVES} lives, ${turns.length} answers, ${turns.reduce((sum, { ids }) => sum + ids.length, 0)} tokens, ${turns.filter(({ error }) => error).length} refused`)
  const model = await wick.load(reference, { contextTokens: CONTEXT, kvBytes: ROOM * CONTEXT * kvBytesPerToken, maxSessions: users, draft: 'prompt-lookup' })
  const folder = await mkdtemp(join(tmpdir(), 'wick-soak-'))
  try {
    const crowd = new Crowd({ model, lives: lives(seed, of), quiet, folder, patienceMs: PATIENCE_MS })
    const samples = await watched(crowd, chance(seed), { model, users, ms: minutes * 60_000 })
    return told(crowd, model, samples, most)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function facts(reference) {
  const model = await wick.load(reference, { contextTokens: CONTEXT })
  const { info } = model
  await model.close()
  return info
}

function quietRun(request) {
  const child = fork(join(here, 'soak/quiet.mjs'))
  return new Promise((resolve, reject) => {
    child.once('message', resolve)
    child.once('error', reject)
    child.once('exit', (code, signal) => reject(new Error(`the quiet run ended with ${signal ?? code}`)))
    child.send(request)
  })
}

/** The crowd's time, in parts; after each all have ended, and memory is looked at. */
async function watched(crowd, random, { model, users, ms }) {
  const samples = []
  const began = performance.now()
  const looks = Math.min(LOOKS, Math.ceil(ms / 1000))
  for (let look = 1; look <= looks; look += 1) {
    await crowd.live(random, users, began + (ms * look) / looks)
    const { kv } = await left(model)
    if (kv.usedBytes > kv.limitBytes) throw new Failure(`${kv.usedBytes} bytes of keys and values are used, and ${kv.limitBytes} are the limit`)
    samples.push({ ms: performance.now() - began, bytes: await resident() })
  }
  return samples
}

/** The stats when everyone has left; who was aborted leaves a moment after it was told. */
async function left(model) {
  const patient = performance.now() + LEAVE_MS
  for (;;) {
    const { sessions, kv } = model.stats()
    if (sessions.running + sessions.waiting === 0 && kv.usedBytes === kv.cachedBytes) return { kv }
    if (performance.now() > patient) throw new Failure(`everyone left ${LEAVE_MS / 1000} s ago, and stats say ${JSON.stringify({ sessions, kv })}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

function told(crowd, model, samples, most) {
  const { preemptions, prefixCache, draft } = model.stats()
  const [first, last] = [samples[0], samples.at(-1)].map(({ bytes }) => (bytes / 1e6).toFixed(1))
  const grown = growth(samples)
  console.log(Object.entries(crowd.counts).map(([what, count]) => `${what}: ${count}`).join('; '))
  console.log(`preemptions: ${preemptions}; prompt tokens from the cache: ${prefixCache.hitTokens} of ${prefixCache.lookupTokens}; drafted tokens taken: ${draft.acceptedTokens} of ${draft.proposedTokens}`)
  console.log(`resident after garbage was collected: ${first} MB at first, ${last} at last; growth ${(grown * 100).toFixed(2)} % (a line through ${samples.length} looks, the first fifth left out; at most ${most * 100})`)
  console.log(`MB at each look: ${samples.map(({ bytes }) => (bytes / 1e6).toFixed(1)).join(' ')}; of the last, JavaScript's heap: ${(process.memoryUsage().heapTotal / 1e6).toFixed(1)}`)
  if (grown > most) throw new Failure(`resident memory grew by ${(grown * 100).toFixed(2)} %`)
  return 0
}
