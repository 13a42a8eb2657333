/** Thoughts on the real addon: under a template that knows them they come apart from the answer, and within their budget. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, type LocalModel, type ReasoningOptions, type StreamPart } from '../../src/index.js'
import { subjects } from './subjects.js'

/** Keeps earlier thoughts, and opens the answer inside one unless told not to. */
const thinks =
  '{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}\n{% endfor %}' +
  '{% if add_generation_prompt %}assistant: {% if enable_thinking is defined and not enable_thinking %}<think></think>{% else %}<think>{% endif %}{% endif %}'
const plain = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}'

const question = [{ role: 'user' as const, content: 'Who is there?' }]
const count = 24

async function all(parts: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const seen: StreamPart[] = []
  for await (const part of parts) seen.push(part)
  return seen
}

/** The kinds of parts, each once where several of a kind follow each other. */
const kinds = (parts: StreamPart[]) => parts.map(({ type }) => type).filter((type, at, types) => type !== types[at - 1])

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  beforeAll(async () => {
    model = await open({ chatTemplate: thinks })
  })
  afterAll(() => model.close())

  const ask = (reasoning?: ReasoningOptions, options: Partial<GenerateOptions> = {}) =>
    generate({ model, messages: question, temperature: 0, maxTokens: count, ignoreEnd: true, logprobs: 0, reasoning, ...options } as GenerateOptions)
  const mark = () => [...model.tokenize('</think>')]
  const idsOf = (tokens: readonly { id: number }[] | undefined) => tokens?.map(({ id }) => id) ?? []

  it('says what its template puts around a thought', () => {
    expect(model.info.reasoning).toEqual({ open: '<think>', close: '</think>', variable: 'enable_thinking' })
  })

  it('ends a thought before the finish where the tokens end within it', async () => {
    const parts = await all(ask())
    expect(kinds(parts)).toEqual(['start', 'reasoning-start', 'reasoning-delta', 'reasoning-end', 'usage', 'finish'])
    const result = await ask().collect()
    expect(result).toMatchObject({ text: '', finishReason: 'length', warnings: [], usage: { completionTokens: count, reasoningTokens: count } })
    expect(result.reasoning).not.toBe('')
  })

  it.each([0, 1, 5])('closes a thought after %i tokens, and goes on', async (budgetTokens) => {
    const [free, parts] = [await ask().collect(), await all(ask({ budgetTokens }))]
    const before = budgetTokens > 0 ? ['reasoning-start', 'reasoning-delta', 'reasoning-end'] : []
    expect(kinds(parts).filter((type) => budgetTokens > 0 || !type.startsWith('reasoning'))).toEqual(['start', ...before, 'text-start', 'text-delta', 'text-end', 'usage', 'finish'])
    const result = await ask({ budgetTokens }).collect()
    const ids = idsOf(result.tokens)
    expect(ids.slice(0, budgetTokens)).toEqual(idsOf(free.tokens).slice(0, budgetTokens))
    expect(ids.slice(budgetTokens, budgetTokens + mark().length)).toEqual(mark())
    expect(ids).toHaveLength(count)
    expect(result.usage.reasoningTokens).toBe(budgetTokens + mark().length)
    expect(result.text).not.toBe('')
    expect(`${result.reasoning ?? ''}${result.text}`).not.toContain('think>')
  })

  it('has the tokens of a thought on its parts, with their probabilities', async () => {
    const parts = await all(ask({ budgetTokens: 4 }))
    const tokens = (kind: string) => parts.flatMap((part) => (part.type === kind && 'tokens' in part ? (part.tokens ?? []) : []))
    const ofThought = tokens('reasoning-delta')
    expect(ofThought.map(({ id }) => id).slice(4)).toEqual(mark())
    expect(ofThought.length + tokens('text-delta').length).toBe(count)
    for (const { logprob } of ofThought) expect(logprob).toBeLessThanOrEqual(0)
  })

  it('does not think where its template is told so', async () => {
    const result = await ask({ enabled: false }).collect()
    expect(result.usage.reasoningTokens).toBe(0)
    expect(result.reasoning).toBeUndefined()
    expect(result).toMatchObject({ warnings: [], text: (await ask(undefined, { templateVariables: { enable_thinking: false } }).collect()).text })
    expect((await ask({ enabled: true }).collect()).reasoning).toBe((await ask().collect()).reasoning)
  })

  it('asks a hook about tokens of the thought, and about those that close it', async () => {
    const asked: number[] = []
    const plain = await ask({ budgetTokens: 3 }).collect()
    const heard = await ask({ budgetTokens: 3 }, { onToken: ({ id }) => void asked.push(id) }).collect()
    expect(asked).toEqual(idsOf(plain.tokens))
    expect(heard).toMatchObject({ text: plain.text, reasoning: plain.reasoning, tokens: plain.tokens })
  })

  it('closes a thought in a generator of tokens too', async () => {
    const ids: number[] = []
    const prompt = { messages: question }
    for await (const { id } of model.tokens({ prompt, sampling: { temperature: 0 }, maxTokens: count, ignoreEnd: true, reasoningBudgetTokens: 2 })) ids.push(id)
    expect(ids).toEqual(idsOf((await ask({ budgetTokens: 2 }).collect()).tokens))
    expect(() => model.tokens({ prompt, reasoningBudgetTokens: -1 })).toThrow('reasoningBudgetTokens')
  })

  it('takes a closing mark that a hook feeds for one', async () => {
    let seen = 0
    const result = await ask(undefined, { onToken: () => ((seen += 1) === 3 ? mark() : undefined) }).collect()
    expect(result.usage.reasoningTokens).toBe(2 + mark().length)
    expect(result.text).not.toBe('')
    expect(idsOf(result.tokens).slice(2, 2 + mark().length)).toEqual(mark())
  })

  it('finds what it computed again when an earlier thought is kept', async () => {
    const first = await ask({ budgetTokens: 4 }, { seed: 3 }).collect()
    const content = [{ type: 'reasoning' as const, text: first.reasoning ?? '' }, { type: 'text' as const, text: first.text }]
    const messages = [...question, { role: 'assistant' as const, content }, { role: 'user' as const, content: 'And now?' }]
    const second = await ask({ budgetTokens: 0 }, { messages } as Partial<GenerateOptions>).collect()
    // Bytes that are no character cannot be given back as they were.
    const said = `${first.reasoning}${first.text}`.includes('\uFFFD') ? 0 : first.usage.completionTokens
    expect(second.usage.cachedTokens).toBeGreaterThanOrEqual(first.usage.promptTokens + said - 2)
  })
})

it('warns where a template knows no thoughts', async () => {
  const model = await subjects[0]!.open({ chatTemplate: plain })
  const result = await generate({ model, messages: question, maxTokens: 4, reasoning: { enabled: true, budgetTokens: 3 } }).collect()
  expect(model.info.reasoning).toBeUndefined()
  expect(result.warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining('reasoning.budgetTokens has no effect'),
    expect.stringContaining('reasoning.enabled has no effect'),
  ])
  expect(result.usage.reasoningTokens).toBe(0)
  expect(result.reasoning).toBeUndefined()
  await model.close()
})
