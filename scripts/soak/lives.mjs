/**
 * What users ask of the model: drawn from a seed, so that a quiet run and the crowd ask for the same.
 *
 * A life is a conversation of some turns, or one continuation of raw tokens. Raw prompts are of a few families that begin alike, at
 * lengths around the borders of the cache's blocks; some fill the window, so that every answer to an overflow is asked for.
 */
import { chance } from './random.mjs'

/**
 * @typedef {object} Turn
 * @property {object} options of `generate`, beside model and signal; `prompt` or `raw` among them
 * @property {'error' | 'shift' | 'halve'} overflow `halve`: a function that keeps the later half of a conversation
 *
 * @typedef {object} Life
 * @property {'talk' | 'raw'} kind
 * @property {string} [system] what a conversation begins with
 * @property {Turn[]} turns
 */

const FAMILIES = 4
const SUBJECTS = ['lighthouse', 'fox', 'baker', 'river', 'clock', 'garden', 'kite', 'owl', 'harbour', 'snow']
const QUESTIONS = ['Tell me about the # .', 'Who lives near the #?', 'Why is the # alone?', 'What is 37 + 45?', 'Hello! I am the #.', 'How do I stream an answer?']

const samplings = [
  { temperature: 0 },
  { temperature: 0.8 },
  { temperature: 1.2, topK: 0, topP: 1, minP: 0 },
  { temperature: 0.8, repetitionPenalty: 1.2, penaltyWindow: 64 },
  { temperature: 0.7, dryMultiplier: 0.8 },
  { temperature: 0.9, draw: 'gumbel-max' },
]

/**
 * @param {number} seed
 * @param {{ count: number, windowTokens: number, vocabSize: number, chats: boolean }} of how many, and what the model is like
 * @returns {Life[]}
 */
export function lives(seed, { count, windowTokens, vocabSize, chats }) {
  return Array.from({ length: count }, (_, at) => {
    const random = chance(seed * 1_000_003 + at)
    return chats && random.is(0.5) ? talk(random, windowTokens) : raw(random, seed, windowTokens, vocabSize)
  })
}

function talk(random, windowTokens) {
  const overflow = random.one(['error', 'shift', 'shift', 'halve'])
  const turn = () => {
    const question = random.one(QUESTIONS).replace('#', random.one(SUBJECTS))
    // Some users tell a story, up to a whole window of it, before they ask.
    const story = random.is(0.15) ? `${'It was raining and the road was long. '.repeat(Math.ceil(windowTokens / random.integer(9, 36)))} ` : ''
    return { options: { prompt: story + question, ...answer(random, 80), ...(random.is(0.15) && { stop: ['.', 'zzz'] }) }, overflow }
  }
  const system = random.is(0.3) ? { system: 'You are brief, and fond of foxes.' } : {}
  return { kind: 'talk', ...system, turns: Array.from({ length: random.integer(1, 4) }, turn) }
}

function raw(random, seed, windowTokens, vocabSize) {
  const family = chance(seed * 31 + random.integer(1, FAMILIES))
  const word = (from) => from.integer(Math.min(20, vocabSize - 1), vocabSize - 1)
  const common = Array.from({ length: random.one([0, 31, 32, 33, 64, 100, 256]) }, () => word(family))
  const most = Math.max(1, windowTokens - 1 - common.length)
  const own = random.is(0.1) ? most : random.integer(1, Math.min(60, most))
  const tokens = [...common.slice(0, windowTokens - 2), ...Array.from({ length: own }, () => word(random))].slice(0, windowTokens - 1)
  const overflow = random.one(['error', 'shift'])
  return { kind: 'raw', turns: [{ options: { raw: { tokens }, ignoreEnd: true, ...answer(random, random.is(0.1) ? 200 : 60) }, overflow }] }
}

const answer = (random, most) => ({ ...random.one(samplings), seed: random.integer(0, 2 ** 31), maxTokens: random.integer(1, most) })
