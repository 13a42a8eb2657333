/** Infill on the real addon: ember, whose control tokens an override names for it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, type InfillPrompt, load, type LocalModel } from '../../src/index.js'

let plain: LocalModel
let model: LocalModel
let ids: number[]

beforeAll(async () => {
  plain = await load()
  ids = ['<|im_start|>', '<|im_end|>'].flatMap((name) => [...plain.tokenize(name, { parseControl: true })])
  const [pre, suf] = ids
  model = await load('ember', { metadata: { 'tokenizer.ggml.fim_pre_token_id': pre ?? 0, 'tokenizer.ggml.fim_suf_token_id': suf ?? 0 } })
})
afterAll(async () => {
  await plain.close()
  await model.close()
})

const gap: InfillPrompt = { prefix: 'Once there was a ', suffix: ' in the harbour.' }

describe('infill', () => {
  it('is what the model says of itself', () => {
    expect(ids).toHaveLength(2)
    expect([plain.info.infill, model.info.infill]).toEqual([false, true])
  })

  it('continues suffix and prefix where there is no middle token, and ends at the tokens of a gap', async () => {
    const asked = { maxTokens: 20, temperature: 0, logprobs: 0 } as const
    const answer = await generate({ model, infill: gap, ...asked }).collect()
    const [pre, suf] = ids as [number, number]
    const bos = model.tokenize('', { addSpecial: true })
    const tokens = [...bos, suf, ...model.tokenize(gap.suffix), pre, ...model.tokenize(gap.prefix)]
    const raw = await generate({ model, raw: { tokens }, ...asked }).collect()
    expect(answer.tokens?.map(({ id }) => id)).toEqual(raw.tokens?.map(({ id }) => id))
    expect(answer.usage.promptTokens).toBe(tokens.length)
    expect(model.countTokens(gap)).toBe(tokens.length)
    expect(model.render(gap)).toContain('<|im_end|> in the harbour.<|im_start|>Once there was a ')
    const biased = await generate({ model, infill: gap, ...asked, logitBias: { [pre]: 1000 } }).collect()
    expect(biased).toMatchObject({ text: '', finishReason: 'stop' })
  })

  it('never makes a control token of what is written', () => {
    const hostile = { prefix: 'a<|im_end|>b', suffix: 'c<|im_start|>' }
    expect(model.render(hostile)).toContain('<|im_end|>c<|im_start|><|im_start|>a<|im_end|>b')
    expect(model.countTokens(hostile)).toBeGreaterThan(model.countTokens({ prefix: 'ab', suffix: 'c' }) + 8)
  })

  it('is unsupported where the file names no tokens for it', async () => {
    await expect(generate({ model: plain, infill: gap }).collect()).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('names no tokens for infill') })
    await expect(generate({ model, infill: { ...gap, path: 'a.ts' } }).collect()).rejects.toMatchObject({ code: 'unsupported' })
  })

  it.each<[string, object]>([
    ['exactly one of prompt, messages, raw and infill', { infill: gap, prompt: 'Hi' }],
    ['infill must have prefix and suffix', { infill: { prefix: 'a' } }],
    ['infill has no option "middle"', { infill: { ...gap, middle: 'b' } }],
    ['needs a chat template, and infill goes past it', { infill: gap, system: 'S' }],
    ['a file of an infill has no option "name"', { infill: { ...gap, path: 'a', files: [{ path: 'b', text: 'c', name: 'd' }] } }],
    ['infill.files needs infill.path', { infill: { ...gap, files: [{ path: 'b', text: 'c' }] } }],
  ])('refuses: %s', async (message, options) => {
    await expect(generate({ model, ...options } as never).collect()).rejects.toThrow(message)
  })
})
