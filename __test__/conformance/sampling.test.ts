/** What the sampling options promise, through the public face. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GenerateOptions, type LocalModel, presets } from '../../src/index.js'
import { answer, subjects } from './subjects.js'

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  beforeAll(async () => {
    model = await open()
  })
  afterAll(() => model.close())

  const ids = async (options: Partial<GenerateOptions>, count = 40): Promise<number[]> => {
    const { tokens = [] } = await answer(model, count, { logprobs: 0, ...options }).collect()
    return tokens.map(({ id }) => id)
  }

  it('tells the seed it drew, which repeats the answer', async () => {
    const first = await answer(model, 40, { seed: undefined, temperature: 1.5 }).collect()
    const other = await answer(model, 40, { seed: undefined, temperature: 1.5 }).collect()
    expect(Number.isSafeInteger(first.seed)).toBe(true)
    expect(other.seed).not.toBe(first.seed)
    expect((await answer(model, 40, { seed: first.seed, temperature: 1.5 }).collect()).text).toBe(first.text)
  })

  it('tells the seed of each of several answers', async () => {
    const { seed, alternatives } = await answer(model, 5, { seed: 8, n: 3 }).collect()
    expect([seed, ...alternatives.map(({ seed }) => seed)]).toEqual([8, 8, 9, 10])
  })

  it.each<Partial<GenerateOptions>>([
    ...Object.keys(presets).map((preset) => ({ preset: preset as keyof typeof presets })),
    { draw: 'gumbel-max', temperature: 1.2 },
    { draw: 'mirostat-v1', mirostatTau: 3 },
    { draw: 'mirostat-v2', mirostatTau: 3, mirostatEta: 0.3, temperature: 1.5 },
    { typicalP: 0.8, topNSigma: 2, temperature: 1.3, dynamicTemperatureRange: 0.8 },
    { xtcProbability: 0.5, dryMultiplier: 0.8, dryAllowedLength: 1 },
  ])('says the same by the same seed: %o', async (options) => {
    const once = await ids({ seed: 5, ...options })
    expect(once).toHaveLength(40)
    expect(await ids({ seed: 5, ...options })).toEqual(once)
  })

  it('takes the most probable tokens where it is deterministic', async () => {
    expect(await ids({ preset: 'deterministic', seed: 1 })).toEqual(await ids({ temperature: 0, seed: 2 }))
    expect(await ids({ preset: 'creative', temperature: 0 })).not.toEqual([])
  })

  it('never chooses what is banned, by id or by text', async () => {
    const said = await ids({ temperature: 0 })
    const [first = 0, second = 0] = new Set(said)
    const text = model.detokenize([second], { showControl: true })
    const spelled = model.tokenize(text, { parseControl: true })
    // A text names a token where it spells just that.
    const banned = spelled.length === 1 && spelled[0] === second ? [first, text] : [first, second]
    const others = await ids({ temperature: 0, bannedTokens: banned })
    expect(others).toHaveLength(40)
    expect(others).not.toContain(first)
    expect(others).not.toContain(second)
  })

  it('leaves a loop where DRY is on', async () => {
    const longest = (tokens: readonly number[]): number => {
      let most = 0
      for (let one = 0; one < tokens.length; one += 1) {
        for (let two = one + 1; two < tokens.length; two += 1) {
          let length = 0
          while (two + length < tokens.length && tokens[one + length] === tokens[two + length]) length += 1
          most = Math.max(most, length)
        }
      }
      return most
    }
    const plain = longest(await ids({ temperature: 0 }, 200))
    const dry = longest(await ids({ temperature: 0, dryMultiplier: 5, drySequenceBreakers: [] }, 200))
    expect(dry).toBeLessThan(plain)
    expect(dry).toBeLessThan(8)
  })
})
