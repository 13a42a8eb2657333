/** The same seed says the same, however the engine came to compute it. */
import { beforeAll, describe, expect, it } from 'vitest'
import { generate, generateMany, type GenerateOptions, type GenerateResult, type LoadOptions, type LocalModel } from '../../src/index.js'
import { subjects, tokens } from './subjects.js'

/** Bits that do not depend on who computes beside: candle's may, in their last places. */
const exact = subjects.filter(({ name }) => !name.includes('candle'))

const contextTokens = 192
const base: LoadOptions = { contextTokens, draft: false }

/** Sixteen requests that have half of their prompts in common: greedy ones, and drawn ones under several chains. */
const requests: Array<Partial<GenerateOptions>> = Array.from({ length: 16 }, (_, n) => ({
  raw: { tokens: [...tokens(40, 1).tokens, ...tokens(3 + 5 * (n % 4), n).tokens] },
  seed: n,
  temperature: n % 3 === 0 ? 0 : 1,
  ...(n % 3 === 2 && { repetitionPenalty: 1.2, topP: 1, topK: 0 }),
  maxTokens: 40 + n,
  ignoreEnd: true,
  logprobs: 0,
}))

const asked = (model: LocalModel, more: Partial<GenerateOptions> = {}): GenerateOptions[] => requests.map((request) => ({ model, ...request, ...more }) as GenerateOptions)

/** What was sampled, and how probable it was, to the last bit. */
const said = ({ tokens = [] }: GenerateResult): string => tokens.map(({ id, logprob }) => `${id} ${logprob}`).join(', ')

async function atOnce(all: readonly GenerateOptions[]): Promise<string[]> {
  const results = await generateMany({ requests: all, concurrency: all.length }).collect()
  return results.map(({ result, error }) => (result ? said(result) : String(error)))
}

async function inTurn(all: readonly GenerateOptions[]): Promise<string[]> {
  const results: string[] = []
  for (const options of all) results.push(said(await generate(options).collect()))
  return results
}

interface Way {
  name: string
  load?: (info: LocalModel['info']) => LoadOptions
  /** `expected` is what a model of one's own said. */
  run(model: LocalModel, expected: readonly string[]): Promise<string[]>
  /** What shows that it came about that way. */
  shows?: (model: LocalModel) => void
}

const ways: Way[] = [
  { name: 'one after the other, what they have in common computed once', run: (model) => inTurn(asked(model)), shows: (model) => expect(model.stats().prefixCache.hitTokens).toBeGreaterThan(15 * 32) },
  { name: 'sixteen at once', run: (model) => atOnce(asked(model)) },
  { name: 'sixteen at once, and nothing kept', load: () => ({ prefixCacheBytes: 0 }), run: (model) => atOnce(asked(model)), shows: (model) => expect(model.stats().kv.cachedBytes).toBe(0) },
  {
    name: 'sixteen at once, where keys and values have to make room for others',
    load: ({ kvBytesPerToken }) => ({ kvBytes: 2 * contextTokens * kvBytesPerToken }),
    run: (model) => atOnce(asked(model)),
    shows: (model) => expect(model.stats().preemptions).toBeGreaterThan(0),
  },
  { name: 'three at a time, others in line', load: () => ({ maxSessions: 3 }), run: (model) => atOnce(asked(model)) },
  { name: 'guessed from their own words', load: () => ({ draft: 'prompt-lookup' }), run: (model) => atOnce(asked(model)), shows: guessed },
  { name: 'guessed by another model', load: ({ path }) => ({ draft: { model: path } }), run: (model) => atOnce(asked(model)), shows: guessed },
  { name: 'guessed by the caller, right and wrong', run: (model, expected) => atOnce(asked(model).map((options, n) => ({ ...options, predict: predictor(expected[n] ?? '') }))), shows: guessed },
  {
    name: 'guessed, in line, with no room and nothing kept',
    load: ({ kvBytesPerToken }) => ({ draft: 'prompt-lookup', maxSessions: 5, prefixCacheBytes: 0, kvBytes: 2 * contextTokens * kvBytesPerToken }),
    run: (model) => atOnce(asked(model)),
  },
  { name: 'by priorities', load: () => ({ maxSessions: 3 }), run: (model) => atOnce(asked(model).map((options, n) => ({ ...options, priority: n % 3 }))) },
]

function guessed(model: LocalModel): void {
  const { proposedTokens, acceptedTokens } = model.stats().draft
  expect(proposedTokens).toBeGreaterThan(0)
  expect(acceptedTokens).toBeLessThanOrEqual(proposedTokens)
}

/** Knows what is going to be said, and says every seventh token of it wrong. */
function predictor(expected: string): NonNullable<GenerateOptions['predict']> {
  const ids = expected.split(', ').map((token) => Number(token.split(' ')[0]))
  let prompt: number | undefined
  return (tokens) => {
    prompt ??= tokens.length - (tokens.at(-1) === ids[0] ? 1 : 0)
    const said = tokens.length - prompt
    return ids.slice(said, said + 6).map((id, at) => ((said + at) % 7 === 6 ? id ^ 1 : id))
  }
}

describe.each(exact)('$name', ({ open }) => {
  let expected: string[]
  let info: LocalModel['info']

  beforeAll(async () => {
    const model = await open({ ...base, prefixCacheBytes: 0 })
    info = model.info
    expected = await inTurn(asked(model))
    await model.close()
    expect(new Set(expected).size).toBe(requests.length)
  }, 60_000)

  it.each(ways)('$name', { timeout: 60_000 }, async ({ load, run, shows }) => {
    const model = await open({ ...base, ...load?.(info) })
    try {
      expect(await run(model, expected)).toEqual(expected)
      // Whether a guess is worth its time is measured: where the machine is busy elsewhere, it may take some answers before one is.
      for (let more = 5; shows === guessed && more > 0 && model.stats().draft.proposedTokens === 0; more -= 1) {
        expect(await run(model, expected)).toEqual(expected)
      }
      shows?.(model)
    } finally {
      await model.close()
    }
  })
})
