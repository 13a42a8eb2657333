/**
 * What drafting from the prompt gains where answers repeat it, and costs where they do not. wick alone, drafting and not, in turn; both
 * must say the same.
 *
 * A model with random weights repeats nothing, so the file is one that quotes by construction (`speed make … tinyllama-quotes`): it
 * goes through its prompt, and each token is, with a chance that the temperature sets, another one, after which it quotes from
 * elsewhere. What a token costs is what it costs in any TinyLlama. Chats are ember's, which has learned to talk.
 */
import { record } from '../contest.mjs'
import { openEngines } from '../engines/open.mjs'
import { prompt } from '../pure/prompt.mjs'

const DOCUMENT = 600
/** Chats are over in no time: so often each is had. */
const CHAT_ROUNDS = 8
const QUESTIONS = ['Tell me about the lighthouse.', 'How do I stream an answer?', 'Who lives near the river?', 'Tell me about a fox with a golden key.', 'What is 37 + 45?', 'Hello, I am Ada.']

/** Every token can be drawn: what is quoted follows from temperature alone. */
const unfiltered = { topK: 0, topP: 1, minP: 0 }
const quoting = (what, temperature, answers = 1) => ({
  what,
  count: 160,
  sampling: { ...unfiltered, temperature },
  together: answers > 1,
  prompts: (run, file) => Array.from({ length: answers }, () => document(run.salt(), file.vocab)),
})
const talking = (what, temperature) => ({
  what,
  count: 120,
  sampling: { temperature, ignoreEnd: false },
  together: false,
  prompts: () => Array.from({ length: CHAT_ROUNDS }, () => QUESTIONS.map((prompt) => ({ prompt }))).flat(),
})

const QUOTES = [
  quoting('quotes without end', 0),
  quoting('edit, a change in a hundred tokens', 0.9),
  quoting('summary that quotes', 1),
  quoting('broken quotes of four tokens', 1.2),
  quoting('nothing repeats', 2),
  quoting('quotes, 8 at once', 1, 8),
  quoting('nothing repeats, 8 at once', 2, 8),
]
const CHATS = [talking('chat', 0), talking('chat, sampled', 0.8)]

/** A document, and after it a token of its midst, to be quoted from. */
function document(salt, vocab) {
  const tokens = prompt(DOCUMENT, salt, vocab)
  return [...tokens, tokens[(salt * 37) % DOCUMENT]]
}

const KINDS = { 'no drafts': false, 'prompt-lookup': 'prompt-lookup' }

/**
 * @param {import('../run.mjs').Run} run
 * @param {import('../files.mjs').ModelFile | undefined} quotes the file that quotes; without it chats alone
 * @param {import('../files.mjs').ModelFile} ember
 */
export async function lookup(run, quotes, ember, threads) {
  if (!run.options.engines.includes('wick')) return
  if (quotes) await compare(run, quotes, threads, 1024, QUOTES)
  await compare(run, ember, threads, 512, CHATS)
}

async function compare(run, file, threads, contextTokens, workloads) {
  const engines = {}
  try {
    for (const [kind, draft] of Object.entries(KINDS)) {
      const [engine] = await openEngines(run, file, { threads, contextTokens, load: { draft } }, ['wick'])
      engines[kind] = engine
    }
    for (const workload of workloads) await gain({ run, file, threads, engines }, workload)
  } finally {
    for (const engine of Object.values(engines)) await engine.end()
  }
}

async function gain({ run, file, threads, engines }, { what, prompts, ...request }) {
  const rounds = []
  const once = async (kind, round) => {
    const scene = (rounds[round] ??= { seed: round, prompts: prompts(run, file), said: {} })
    const sampling = { ...request.sampling, seed: scene.seed }
    const { ids, rate, drafted } = await engines[kind].call('crowd', { situation: 'decode', ...request, sampling, prompts: scene.prompts })
    scene.said[kind] = JSON.stringify(ids)
    scene.drafted ??= drafted?.proposed > 0 ? drafted : undefined
    return rate
  }
  const about = { measure: `drafts: ${what}`, file, threads, unit: 'tok/s' }
  const contestants = Object.keys(KINDS).map((engine) => ({ engine, run: (round) => once(engine, round) }))
  const [without, drafting] = await record(run, about, contestants)
  const other = rounds.findIndex(({ said }) => new Set(Object.values(said)).size > 1)
  if (other !== -1) throw new Error(`${what}: with drafts the answer was another than without (round ${other})`)
  const values = drafting.values.map((rate, round) => rate / without.values[round])
  run.add({ ...about, engine: 'gain', unit: 'x', values, median: drafting.median / without.median, drafted: rounds.at(-1).drafted })
}
