/** Sessions on real models: what they keep, and that they compute it once. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, type LocalModel, type LocalSession } from '../../src/index.js'
import { failure, read } from './parts.js'
import { ember, subjects, tokens } from './subjects.js'

const folder = mkdtempSync(join(tmpdir(), 'wick-sessions-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** An answer of exactly `count` tokens. */
const say = (session: LocalSession, prompt: string, count = 12, options: Partial<GenerateOptions> = {}) =>
  generate({ model: session, prompt, temperature: 0, maxTokens: count, ignoreEnd: true, ...options } as GenerateOptions)

describe.each(subjects)('$name', ({ open }) => {
  let model: LocalModel

  // A template that any of them can be asked by.
  const chatTemplate = '{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}'

  beforeAll(async () => {
    model = await open({ chatTemplate, contextTokens: 512 })
  })
  afterAll(() => model.close())

  it('says what the same messages say by hand', async () => {
    const session = model.session({ messages: [{ role: 'system', content: 'Be brief.' }] })
    const texts = [(await say(session, 'One.').collect()).text, (await say(session, 'Two.').collect()).text]
    const messages = [{ role: 'system' as const, content: 'Be brief.' }, { role: 'user' as const, content: 'One.' }]
    const first = await generate({ model, messages, temperature: 0, maxTokens: 12, ignoreEnd: true }).collect()
    const more = [...messages, { role: 'assistant' as const, content: first.text }, { role: 'user' as const, content: 'Two.' }]
    const second = await generate({ model, messages: more, temperature: 0, maxTokens: 12, ignoreEnd: true }).collect()
    expect(texts).toEqual([first.text, second.text])
    expect(session.messages).toEqual([...more, { role: 'assistant', content: second.text }])
  })

  it('forks: each goes on from the same past, side by side, as it would alone', async () => {
    const session = model.session()
    await say(session, 'Tell me about the fox.').collect()
    const forks = Array.from({ length: 4 }, () => session.fork())
    const beside = await Promise.all(forks.map((fork, n) => say(fork, `And number ${n}?`, 20, { temperature: 1, seed: n }).collect()))
    for (const [n, { text }] of beside.entries()) {
      expect((await say(session.fork(), `And number ${n}?`, 20, { temperature: 1, seed: n }).collect()).text).toBe(text)
    }
    expect(session.messages).toHaveLength(2)
    expect(forks.map(({ messages }) => messages.length)).toEqual([4, 4, 4, 4])
  })

  it('goes on from its own ids, though another said the same words by others', async () => {
    const said = 'the old fox was here'
    // An answer of these ids, and then its end.
    const saying = async (ids: Uint32Array): Promise<LocalSession> => {
      const session = model.session()
      let asked = 0
      await say(session, 'Speak.', 400, { onToken: () => ((asked += 1) === 1 ? ids : 'stop') }).collect()
      return session
    }
    const byLetters = Uint32Array.from(Array.from(said).flatMap((letter) => [...model.tokenize(letter)]))
    const next = async (session: LocalSession) => (await say(session.fork(), 'And then?', 20, { logprobs: 0 }).collect()).tokens
    // Also where a stop text cut the last answer short, whose ids nobody keeps.
    const cut = async (session: LocalSession): Promise<LocalSession> => {
      let asked = 0
      await say(session, 'More.', 400, { stop: '!', onToken: () => ((asked += 1) === 1 ? model.tokenize('yes! no') : undefined) }).collect()
      return session
    }
    for (const after of [async (session: LocalSession) => session, cut]) {
      const whole = await after(await saying(model.tokenize(said)))
      const expected = await next(whole)
      const letters = await after(await saying(byLetters))
      const other = await next(letters)
      expect(letters.messages).toEqual(whole.messages)
      expect(other).not.toEqual(expected)
      expect(await next(whole)).toEqual(expected)
      expect(await next(letters)).toEqual(other)
    }
  })

  it('goes on from the ids of raw tokens, as they would in one prompt', async () => {
    const session = model.session()
    const begin = tokens(30, 1).tokens
    const drawn = { temperature: 1, seed: 5, maxTokens: 12, ignoreEnd: true, logprobs: 0 }
    const first = await generate({ model: session, raw: { tokens: begin }, ...drawn }).collect()
    const ids = (first.tokens ?? []).map(({ id }) => id)
    expect([...session.tokens]).toEqual([...begin, ...ids])
    const second = await generate({ model: session, raw: { tokens: [40, 41] }, ...drawn }).collect()
    const whole = await generate({ model, raw: { tokens: [...begin, ...ids, 40, 41] }, ...drawn }).collect()
    expect(second.tokens).toEqual(whole.tokens)
    expect(second.usage).toMatchObject({ promptTokens: 44 })
  })

  it('goes on from a file as it would have, in another load, and computes nothing again', async () => {
    const session = model.session()
    await say(session, 'Tell me about the fox, and take your time.', 40).collect()
    const path = join(folder, 'talk.wick')
    await session.save(path)
    const drawn = { temperature: 1, seed: 3, logprobs: 0 }
    const expected = await say(session, 'And then?', 30, drawn).collect()
    const other = await open({ chatTemplate, contextTokens: 512 })
    const restored = await other.restore(path)
    expect(restored.messages).toEqual(session.messages.slice(0, 2))
    const result = await say(restored, 'And then?', 30, drawn).collect()
    expect(result.tokens).toEqual(expected.tokens)
    expect(result.usage.cachedTokens).toBe(expected.usage.cachedTokens)
    expect(restored.messages).toEqual(session.messages)
    await other.close()
  })

  it('goes on from a file of raw tokens, what was appended since included', async () => {
    const session = model.session()
    const drawn = { temperature: 1, seed: 8, maxTokens: 10, ignoreEnd: true, logprobs: 0 }
    await generate({ model: session, raw: tokens(50, 3), ...drawn }).collect()
    session.append({ tokens: [30, 31] })
    const path = join(folder, 'raw.wick')
    await session.save(path)
    const restored = await model.restore(path)
    expect(restored.tokens).toEqual(session.tokens)
    const next = { raw: { tokens: [32] }, ...drawn }
    const [here, there] = [await generate({ model: session, ...next }).collect(), await generate({ model: restored, ...next }).collect()]
    expect(there.tokens).toEqual(here.tokens)
    expect(restored.usage.completionTokens).toBe(20)
  })

  it('is refused from the file of another model, and from one that is damaged', async () => {
    const session = model.session()
    await say(session, 'One.').collect()
    const path = join(folder, 'other.wick')
    await session.save(path)
    // By the key of each kind of file.
    const turned = model.info.format === 'gguf' ? { [`${model.info.architecture}.rope.freq_base`]: 5000 } : { rope_parameters: { rope_theta: 5000, rope_type: 'default' } }
    const other = await open({ chatTemplate, contextTokens: 512, metadata: turned })
    expect(await failure(other.restore(path))).toMatchObject({ code: 'invalid-request', message: expect.stringContaining('model') as string })
    await other.close()
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(path, bytes)
    expect(await failure(model.restore(path))).toMatchObject({ name: 'WickError' })
    expect(await failure(model.restore(join(folder, 'nowhere')))).toMatchObject({ name: 'WickError' })
  })

  it('is as it was after a run that was aborted in the middle', async () => {
    const session = model.session()
    await say(session, 'One.').collect()
    const before = session.messages
    const controller = new AbortController()
    const { error } = await read(say(session, 'Two.', 400, { signal: controller.signal }), (_, count) => count === 4 && controller.abort('mine'))
    expect(error).toBe('mine')
    expect(session.messages).toBe(before)
    const expected = await say(session.fork(), 'Three.').collect()
    expect((await say(session, 'Three.').collect()).text).toBe(expected.text)
  })

  it("forgets with 'shift' what no longer fits, and goes on", async () => {
    const small = await open({ chatTemplate, contextTokens: 128 })
    const session = small.session()
    for (let turn = 0; turn < 8; turn += 1) await say(session, `Turn ${turn}.`, 24, { overflow: 'shift' }).collect()
    expect(session.messages.length).toBeLessThan(16)
    expect(session.messages.at(-2)).toEqual({ role: 'user', content: 'Turn 7.' })
    expect(session.countTokens()).toBeLessThanOrEqual(128 + 24)
    await small.close()
    expect(await failure(say(session, 'Still there?').collect())).toMatchObject({ code: 'closed' })
  })
})

describe('ember, in a session', () => {
  it('computes nothing of an earlier turn again, and nothing of it twice for its forks', async () => {
    const model = await ember.open()
    const session = model.session()
    const first = await generate({ model: session, prompt: 'Tell me about the lighthouse.', temperature: 0 }).collect()
    const known = first.usage.promptTokens + first.usage.completionTokens - 1
    const runs = [session.fork(), session.fork(), session].map((branch) => generate({ model: branch, prompt: 'Thank you.', temperature: 0, maxTokens: 20 }).collect())
    for (const { usage } of await Promise.all(runs)) expect(usage.cachedTokens).toBeGreaterThanOrEqual(known)
    await model.close()
  })
})
