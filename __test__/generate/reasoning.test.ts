import { afterEach, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, isWickError, load, type StreamPart } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import { delta, finish, ScriptedModel, scriptedAddon, start, type Step, thought } from '../local/scripted-addon.js'

afterEach(() => replaceAddon(undefined))

async function scripted(...script: Step[]) {
  const native = new ScriptedModel([script])
  replaceAddon(scriptedAddon(native))
  return { native, model: await load('m') }
}

async function all(parts: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const seen: StreamPart[] = []
  for await (const part of parts) seen.push(part)
  return seen
}

describe('a thought', () => {
  it('is bracketed before the text', async () => {
    const { model } = await scripted([start, thought('a'), thought('b')], [delta('c'), finish()])
    expect((await all(generate({ model, prompt: '' }))).slice(1, -2)).toEqual([
      { type: 'reasoning-start', id: 'thought-0' },
      { type: 'reasoning-delta', id: 'thought-0', text: 'a' },
      { type: 'reasoning-delta', id: 'thought-0', text: 'b' },
      { type: 'reasoning-end', id: 'thought-0' },
      { type: 'text-start', id: '0' },
      { type: 'text-delta', id: '0', text: 'c' },
      { type: 'text-end', id: '0' },
    ])
  })

  it('ends before the finish where the answer ends within it', async () => {
    const { model } = await scripted([start, thought('a'), finish('length')])
    const types = (await all(generate({ model, prompt: '' }))).map(({ type }) => type)
    expect(types).toEqual(['start', 'reasoning-start', 'reasoning-delta', 'reasoning-end', 'usage', 'finish'])
  })

  it('is the result\'s reasoning, its tokens among the others, and no text', async () => {
    const token = (id: number) => ({ id, text: 'x', logprob: -0.5, top: [] })
    const { model } = await scripted([start, thought('a', [token(1)]), thought('', [token(2)]), delta('c', [token(3)]), finish()])
    const result = await generate({ model, prompt: '', logprobs: 0 }).collect()
    expect(result).toMatchObject({ reasoning: 'a', text: 'c', tokens: [token(1), token(2), token(3)] })
    expect(await generate({ model, prompt: '' }).text().collect()).toBe('c')
  })

  it('is absent from the result of a model that had none', async () => {
    const { model } = await scripted([start, delta('c'), finish()])
    expect(Object.keys(await generate({ model, prompt: '' }).collect())).not.toContain('reasoning')
  })

  it('is counted over all alternatives', async () => {
    const end = finish()
    if (end.type !== 'Finish') throw new Error('a finish')
    const { model } = await scripted([start, thought('a'), { ...end, usage: { ...end.usage, reasoningTokens: 4 } }])
    expect((await generate({ model, prompt: '', n: 2 }).collect()).usage.reasoningTokens).toBe(8)
  })
})

describe('what the model is asked', () => {
  it.each([
    { reasoning: { enabled: false }, thinking: false, budget: undefined },
    { reasoning: { enabled: true, budgetTokens: 0 }, thinking: true, budget: 0 },
    { reasoning: { budgetTokens: 4096 }, thinking: undefined, budget: 4096 },
    { reasoning: {}, thinking: undefined, budget: undefined },
  ])('$reasoning', async ({ reasoning, thinking, budget }) => {
    const { model, native } = await scripted([start, finish()])
    await generate({ model, prompt: 'Hi', reasoning }).collect()
    const request = native.requests[0]
    expect(request?.prompt.type === 'Chat' && request.prompt.thinking).toBe(thinking)
    expect(request?.reasoningBudget).toBe(budget)
  })

  it('has earlier thoughts for the template', async () => {
    const { model, native } = await scripted([start, finish()])
    const content = [{ type: 'reasoning' as const, text: 'Hm.' }, { type: 'text' as const, text: 'Yes.' }]
    await generate({ model, messages: [{ role: 'user', content: 'Hi' }, { role: 'assistant', content }, { role: 'user', content: 'So?' }] }).collect()
    const prompt = native.requests[0]?.prompt
    const messages = JSON.parse(prompt?.type === 'Chat' ? prompt.messages : '[]') as unknown[]
    expect(messages[1]).toEqual({ role: 'assistant', content: 'Yes.', reasoning_content: 'Hm.' })
  })

  it.each<[string, object]>([
    ['enabled must be', { prompt: '', reasoning: { enabled: 'yes' } }],
    ['budgetTokens must be', { prompt: '', reasoning: { budgetTokens: -1 } }],
    ['budgetTokens must be', { prompt: '', reasoning: { budgetTokens: 1.5 } }],
    ['reasoning has no option "budget"', { prompt: '', reasoning: { budget: 1 } }],
    ['reasoning', { prompt: '', reasoning: true }],
    ['reasoning needs a chat template, and raw goes past it', { raw: { text: 'secret' }, reasoning: { budgetTokens: 1 } }],
  ])('refuses: %s', async (message, options) => {
    const { model, native } = await scripted([start, finish()])
    const error: unknown = await generate({ model, ...options } as unknown as GenerateOptions).collect().catch((error: unknown) => error)
    expect(isWickError(error, 'invalid-request') && error.message).toContain(message)
    expect(native.requests).toEqual([])
  })
})
