import { afterEach, describe, expect, it } from 'vitest'
import { generate, type GenerateOptions, isWickError, load, type LocalModel, type Preset, presets, type StreamPart } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import type { NativeEvent } from '../../src/local/native.js'
import { delta, failure, finish, full, saying, ScriptedModel, scriptedAddon, start, type Step, timings, usage } from '../local/scripted-addon.js'

afterEach(() => replaceAddon(undefined))

async function scripted(...scripts: Step[][]): Promise<{ native: ScriptedModel; model: LocalModel }> {
  const native = new ScriptedModel(scripts)
  replaceAddon(scriptedAddon(native))
  return { native, model: await load('m') }
}

async function all(parts: AsyncIterable<StreamPart>): Promise<StreamPart[]> {
  const seen: StreamPart[] = []
  for await (const part of parts) seen.push(part)
  return seen
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 5))
const invalid = (error: unknown) => isWickError(error, 'invalid-request')

describe('parts', () => {
  it('are bracketed, and end in one finish', async () => {
    const { model } = await scripted(saying('light', 'house'))
    expect(await all(generate({ model, prompt: 'Tell' }))).toEqual([
      { type: 'start', warnings: [] },
      { type: 'text-start', id: '0' },
      { type: 'text-delta', id: '0', text: 'light' },
      { type: 'text-delta', id: '0', text: 'house' },
      { type: 'text-end', id: '0' },
      { type: 'usage', usage },
      { type: 'finish', reason: 'stop', usage, timings, seed: 7 },
    ])
  })

  it('come one by one out of a burst', async () => {
    const { model, native } = await scripted([[start, delta('a'), delta('b'), finish('length')]])
    expect((await all(generate({ model, prompt: '' }))).map(({ type }) => type)).toEqual(['start', 'text-start', 'text-delta', 'text-delta', 'text-end', 'usage', 'finish'])
    expect(native.sessions[0]?.nexts).toBe(1)
  })

  it('have no text where the model says nothing', async () => {
    const { model } = await scripted(saying())
    expect((await all(generate({ model, prompt: '' }))).map(({ type }) => type)).toEqual(['start', 'usage', 'finish'])
  })

  it('carry tokens, the stop text and warnings', async () => {
    const tokens = [{ id: 7, text: 'x', logprob: -0.5, top: [{ id: 8, text: 'y', logprob: -1 }] }]
    const { model } = await scripted([[{ type: 'Start', warnings: ['careful'] }, delta('x', tokens), finish('stop', 'END')]])
    const result = await generate({ model, prompt: '', logprobs: 1, stop: 'END' }).collect()
    expect(result).toMatchObject({ text: 'x', tokens, stop: 'END', warnings: [{ message: 'careful' }] })
  })
})

describe('the result', () => {
  it('has text, usage, timings and the reason; no tokens unless asked', async () => {
    const { model } = await scripted(saying('light', 'house'))
    const answer = { text: 'lighthouse', toolCalls: [], finishReason: 'stop', usage, timings, seed: 7 }
    expect(await generate({ model, prompt: '' }).collect()).toEqual({ ...answer, warnings: [], alternatives: [answer] })
  })

  it('has tokens, if only none, when log-probabilities were asked for', async () => {
    const { model } = await scripted(saying())
    expect((await generate({ model, prompt: '', logprobs: 0 }).collect()).tokens).toEqual([])
  })
})

describe('what the model is asked', () => {
  const asked = async (options: Omit<GenerateOptions, 'model'>) => {
    const { model, native } = await scripted(saying())
    await generate({ ...options, model } as unknown as GenerateOptions).collect()
    return native.requests[0]
  }

  it('a prompt is what a user says, under the system message', async () => {
    expect(await asked({ prompt: 'Hi', system: 'Be kind.', responsePrefix: 'Well', templateVariables: { enable_thinking: false } })).toEqual({
      prompt: {
        type: 'Chat',
        messages: '[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi"}]',
        responsePrefix: 'Well',
        variables: '{"enable_thinking":false}',
      },
      sampling: {},
      overflow: 'error',
    })
  })

  it('messages are the conversation', async () => {
    expect((await asked({ messages: [{ role: 'user', content: 'Hi' }] }))?.prompt).toEqual({ type: 'Chat', messages: '[{"role":"user","content":"Hi"}]' })
  })

  it('raw text and tokens go as they are', async () => {
    expect((await asked({ raw: { text: '<s>' } }))?.prompt).toEqual({ type: 'Text', text: '<s>', parseControl: false })
    expect((await asked({ raw: { text: '<s>', parseControl: true } }))?.prompt).toEqual({ type: 'Text', text: '<s>', parseControl: true })
    expect((await asked({ raw: { tokens: Uint32Array.of(1, 2) } }))?.prompt).toEqual({ type: 'Tokens', tokens: [1, 2] })
  })

  it('every option arrives', async () => {
    const sampling = {
      temperature: 0, topK: 1, topP: 1, minP: 0, repetitionPenalty: 1.1, frequencyPenalty: -1, presencePenalty: 1, penaltyWindow: 9, seed: 2 ** 53 - 1, logprobs: 20,
      dynamicTemperatureRange: 0.5, dynamicTemperatureExponent: 2, typicalP: 0.9, topNSigma: 1.5, xtcProbability: 0.5, xtcThreshold: 0.2, dryMultiplier: 0.8,
      dryBase: 2, dryAllowedLength: 3, dryWindow: 100, drySequenceBreakers: ['\n', '###'], draw: 'mirostat-v2' as const, mirostatTau: 3, mirostatEta: 0.2,
    }
    const request = await asked({
      prompt: '', ...sampling, logitBias: { 7: -Infinity, 9: 1.5 }, bannedTokens: [5, ' the', 6], chain: ['temperature', 'top-k'], maxTokens: 5, stop: ['a', 'b'], ignoreEnd: true, overflow: 'shift', priority: -3, cacheSalt: 'a user',
    })
    expect(request).toMatchObject({
      sampling: { ...sampling, logitBias: [{ token: 7, bias: -Infinity }, { token: 9, bias: 1.5 }], bannedTokens: [5, 6], bannedTexts: [' the'], chain: ['temperature', 'top-k'] },
      maxTokens: 5, stop: ['a', 'b'], ignoreEnd: true, overflow: 'ask', priority: -3, cacheSalt: 'a user',
    })
  })

  it('a preset is its options, and what is given beside it wins', async () => {
    for (const [name, options] of Object.entries(presets)) {
      expect((await asked({ prompt: '', preset: name as Preset }))?.sampling).toEqual(options)
    }
    expect((await asked({ prompt: '', preset: 'creative', temperature: 0.5, topK: undefined, seed: 3 }))?.sampling).toEqual({ ...presets.creative, temperature: 0.5, seed: 3 })
  })

  it('undefined is as good as absent', async () => {
    expect(await asked({ prompt: '', seed: undefined, stop: undefined, system: undefined })).toEqual({
      prompt: { type: 'Chat', messages: '[{"role":"user","content":""}]' }, sampling: {}, overflow: 'error',
    })
  })

  it.each<[string, object]>([
    ['has no option "temprature"', { prompt: 'secret', temprature: 1 }],
    ['exactly one of prompt, messages, raw and infill', {}],
    ['exactly one of prompt, messages, raw and infill', { prompt: 'secret', messages: [] }],
    ['prompt must be a string', { prompt: 7 }],
    ['messages must be an array', { messages: 'secret' }],
    ['raw must be { text } or { tokens }', { raw: 'secret' }],
    ['raw must be { text } or { tokens }', { raw: { messages: [] } }],
    ['a prompt of text has no option "role"', { raw: { text: 'secret', role: 'user' } }],
    ['system needs a chat template', { raw: { text: 'secret' }, system: 'secret' }],
    ['responsePrefix needs a chat template', { raw: { text: 'secret' }, responsePrefix: 'secret' }],
    ['system is given twice', { system: 'secret', messages: [{ role: 'system', content: 'secret' }, { role: 'user', content: '' }] }],
    ['temperature must be a number ≥ 0', { prompt: '', temperature: -1 }],
    ['topP must be a number > 0 and ≤ 1', { prompt: '', topP: 0 }],
    ['seed must be an integer ≥ 0', { prompt: '', seed: 2 ** 53 }],
    ['logprobs must be an integer from 0 to 20', { prompt: '', logprobs: 21 }],
    ['n must be an integer from 1 to 128', { prompt: '', n: 0 }],
    ['n must be an integer from 1 to 128', { prompt: '', n: 129 }],
    ['typicalP must be a number > 0 and ≤ 1', { prompt: '', typicalP: 0 }],
    ['topNSigma must be a number ≥ 0', { prompt: '', topNSigma: -1 }],
    ['xtcThreshold must be a number > 0 and ≤ 0.5', { prompt: '', xtcThreshold: 0.6 }],
    ['dryBase must be a number ≥ 1', { prompt: '', dryBase: 0.5 }],
    ['drySequenceBreakers[0] must be a string', { prompt: '', drySequenceBreakers: [''] }],
    ['bannedTokens[1] must be a token id or a text', { prompt: '', bannedTokens: [1, -1] }],
    ["draw must be 'categorical' or 'gumbel-max'", { prompt: '', draw: 'secret' }],
    ["preset must be 'deterministic' or 'focused'", { prompt: '', preset: 'secret' }],
    ['maxTokens must be an integer', { prompt: '', maxTokens: 0 }],
    ['stop must be a string that is not empty', { prompt: '', stop: [''] }],
    ['logitBias[7] must be a number', { prompt: '', logitBias: { 7: Infinity } }],
    ['A token id in logitBias must be', { prompt: '', logitBias: { secret: 1 } }],
    ['chain[0] must be', { prompt: '', chain: ['secret'] }],
    ['chain names a stage twice', { prompt: '', chain: ['top-k', 'top-k'] }],
    ["overflow must be 'error', 'shift' or a function", { prompt: '', overflow: 'secret' }],
    ['signal must be an AbortSignal', { prompt: '', signal: {} }],
    ['priority must be an integer from -2147483648 to 2147483647', { prompt: '', priority: 2 ** 31 }],
    ['priority must be an integer', { prompt: '', priority: 'high' }],
    ['predict must be a function', { prompt: '', predict: 'secret' }],
    ['cacheSalt must be', { prompt: '', cacheSalt: '' }],
    ["shortens messages; with any other prompt use", { raw: { text: 'secret' }, overflow: () => [] }],
  ])('refuses before it starts, and quotes no prompt: %s', async (message, options) => {
    const { model, native } = await scripted(saying())
    const error: unknown = await generate({ ...options, model } as unknown as GenerateOptions).collect().catch((error: unknown) => error)
    expect(error).toSatisfy(invalid)
    expect(String(error)).toContain(message)
    expect(String(error)).not.toContain('secret')
    expect(native.requests).toEqual([])
  })

  it('refuses a model that is none', async () => {
    await expect(generate({ prompt: '' } as GenerateOptions).collect()).rejects.toThrow('generate needs model.')
    await expect(generate({ prompt: '', model: { kind: 'embedding' } } as unknown as GenerateOptions).collect()).rejects.toThrow('must be a language model')
    await expect(generate(undefined as unknown as GenerateOptions).collect()).rejects.toSatisfy(invalid)
  })
})

describe('leaving', () => {
  it('does nothing before it is consumed', async () => {
    const { model, native } = await scripted(saying('a'))
    generate({ model, prompt: '' })
    generate({ model, prompt: '' }).text()
    await tick()
    expect(native.requests).toEqual([])
  })

  it('a slow reader is not read ahead of', async () => {
    const { model, native } = await scripted(saying('a', 'b', 'c'))
    const parts = generate({ model, prompt: '' })[Symbol.asyncIterator]()
    await parts.next()
    await tick()
    expect(native.sessions[0]?.nexts).toBe(1)
    await parts.next()
    await parts.next()
    await tick()
    expect(native.sessions[0]?.nexts).toBe(2)
    await parts.return?.()
  })

  it('break cancels the session and asks no more', async () => {
    const { model, native } = await scripted(saying('a', 'b', 'c'))
    for await (const part of generate({ model, prompt: '' })) if (part.type === 'text-delta') break
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
    expect(native.sessions[0]?.nexts).toBe(2)
  })

  it('an abort before leaves the engine alone', async () => {
    const { model, native } = await scripted(saying('a'))
    await expect(generate({ model, prompt: '', signal: AbortSignal.abort('mine') }).collect()).rejects.toBe('mine')
    expect(native.requests).toEqual([])
  })

  it.each<[string, Step[]]>([
    ['during prefill', ['wait']],
    ['mid-stream', [[start], [delta('a')], 'wait']],
  ])('an abort %s cancels the session and rejects with the signal\'s own reason', async (_, script) => {
    const { model, native } = await scripted(script)
    const controller = new AbortController()
    const collecting = generate({ model, prompt: '', signal: controller.signal }).collect()
    setTimeout(() => controller.abort('mine'), 5)
    await expect(collecting).rejects.toBe('mine')
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
  })

  it('an abort in the middle of a burst shows no more of it', async () => {
    const { model } = await scripted([[start, delta('a'), delta('b'), finish()]])
    const controller = new AbortController()
    const seen: StreamPart[] = []
    const reading = (async () => {
      for await (const part of generate({ model, prompt: '', signal: controller.signal })) {
        seen.push(part)
        if (part.type === 'text-delta') controller.abort('mine')
      }
    })()
    await expect(reading).rejects.toBe('mine')
    expect(seen.map(({ type }) => type)).toEqual(['start', 'text-start', 'text-delta'])
  })

  it('a model\'s stream used without a run keeps the same promises', async () => {
    const { model, native } = await scripted(['wait'])
    const controller = new AbortController()
    const reading = all(model.stream({ prompt: { text: '' }, sampling: {} }, controller.signal))
    setTimeout(() => controller.abort('mine'), 5)
    await expect(reading).rejects.toBe('mine')
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
  })

  it('a failure comes after the parts before it, with code and figures', async () => {
    const { model, native } = await scripted([[start, delta('a')], failure('closed', { sessions: 1 })])
    const seen: string[] = []
    const reading = (async () => {
      for await (const part of generate({ model, prompt: '' })) seen.push(part.type)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'closed', detail: { sessions: 1 } })
    expect(seen).toEqual(['start', 'text-start', 'text-delta'])
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
  })

  it('an engine that ends without a finish is a bug that is said', async () => {
    const { model } = await scripted([[start], null])
    await expect(generate({ model, prompt: '' }).collect()).rejects.toSatisfy((error) => isWickError(error, 'internal'))
  })

  it('a failure code that is not known here is internal', async () => {
    const { model } = await scripted([failure('novel')])
    await expect(generate({ model, prompt: '' }).collect()).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('novel') as string })
  })

  it('a closed model refuses', async () => {
    const { model } = await scripted(saying())
    await model.close()
    await expect(generate({ model, prompt: '' }).collect()).rejects.toSatisfy((error) => isWickError(error, 'closed'))
  })
})

describe('guesses', () => {
  const guess = (...tokens: number[]): NativeEvent => ({ type: 'Predict', tokens })
  const script: Step[] = [[start, guess(5, 6)], [delta('a'), guess(7)], [guess()], [finish()], null]

  it('are made from all tokens so far, and handed over as they are', async () => {
    const { model, native } = await scripted(script)
    const seen: Uint32Array[] = []
    const guesses = [[8, 9], Uint32Array.of(10), undefined]
    const result = await generate({ model, prompt: '', predict: (tokens) => (seen.push(tokens), guesses[seen.length - 1]) }).collect()
    expect(native.requests[0]?.predict).toBe(true)
    // What was shown first still shows the same.
    expect(seen.map((tokens) => [...tokens])).toEqual([[5, 6], [5, 6, 7], [5, 6, 7]])
    expect(native.sessions[0]?.guesses).toEqual([[8, 9], [10], []])
    expect(result.text).toBe('a')
  })

  it('may take their time, know which answer they are for, and see long prompts whole', async () => {
    const long = Array.from({ length: 5000 }, (_, n) => n)
    const { model } = await scripted([[start, guess(...long)], [guess(1)], [finish()], null])
    const seen: number[][] = []
    const predict = async (tokens: Uint32Array, alternative: number) => {
      await tick()
      seen.push([alternative, tokens.length, tokens.at(-1) ?? -1])
    }
    await generate({ model, prompt: '', n: 2, predict }).collect()
    expect(seen).toEqual([[0, 5000, 4999], [0, 5001, 1], [1, 5000, 4999], [1, 5001, 1]])
  })

  it('are made from the shorter prompt where one took the place of another', async () => {
    const { model } = await scripted([[start, guess(1, 2)], [full(1, 64, 94)], [guess(3), delta('a'), finish()], null])
    const seen: number[][] = []
    const messages = Array.from({ length: 9 }, (_, n) => ({ role: 'user' as const, content: `question ${n}` }))
    await generate({ model, messages, overflow: 'shift', predict: (tokens) => void seen.push([...tokens]) }).collect()
    expect(seen).toEqual([[1, 2], [3]])
  })

  it('that throw end the run with what they threw, and do not hold an abort up', async () => {
    const { model, native } = await scripted(script)
    await expect(generate({ model, prompt: '', predict: () => { throw new Error('mine') } }).collect()).rejects.toThrow('mine')
    expect(native.sessions[0]?.cancels).toBeGreaterThan(0)
    await expect(generate({ model, prompt: '', predict: () => [-1] }).collect()).rejects.toThrow('What predict returns[0] must be an integer')
    const controller = new AbortController()
    setTimeout(() => controller.abort('mine'), 5)
    await expect(generate({ model, prompt: '', predict: () => new Promise(() => {}), signal: controller.signal }).collect()).rejects.toBe('mine')
  })

  it('are not asked for where nobody makes them', async () => {
    const { model, native } = await scripted(saying('a'))
    await generate({ model, prompt: '' }).collect()
    expect(native.requests[0]).not.toHaveProperty('predict')
  })
})

describe('several answers', () => {
  it('come one after the other, numbered, with one start and one finish', async () => {
    const { model } = await scripted(saying('a'), saying('b'), saying('c'))
    const parts = await all(generate({ model, prompt: '', n: 3 }))
    expect(parts.filter(({ type }) => type === 'start' || type === 'finish').map(({ type }) => type)).toEqual(['start', 'finish'])
    expect(parts.at(-1)?.type).toBe('finish')
    const texts = parts.filter((part) => part.type === 'text-delta').map(({ text, alternative }) => [alternative ?? 0, text])
    expect(texts).toEqual([[0, 'a'], [1, 'b'], [2, 'c']])
  })

  it('are all in the result; figures are of all, and each one\'s own', async () => {
    const { model } = await scripted(saying('a'), [[start], [delta('b')], [finish('length')]])
    const result = await generate({ model, prompt: '', n: 2 }).collect()
    expect(result).toMatchObject({
      text: 'a',
      finishReason: 'stop',
      usage: { promptTokens: 10, cachedTokens: 0, completionTokens: 6 },
      timings: { queuedMs: 1, firstTokenMs: 12, promptMs: 20, decodeMs: 200, promptTokensPerSecond: 500, tokensPerSecond: 20 },
    })
    expect(result.alternatives.map(({ text, finishReason, usage }) => [text, finishReason, usage.completionTokens])).toEqual([['a', 'stop', 3], ['b', 'length', 3]])
    const { model: again } = await scripted(saying('a'), saying('b'))
    expect(await generate({ model: again, prompt: '', n: 2 }).text().collect()).toBe('a')
  })

  it('have seeds that follow each other, or none', async () => {
    const { model, native } = await scripted(saying())
    await generate({ model, prompt: '', n: 3, seed: 40 }).collect()
    expect(native.requests.map(({ sampling }) => sampling.seed)).toEqual([40, 41, 42])
    await generate({ model, prompt: '', n: 2, seed: 2 ** 53 - 1 }).collect()
    expect(native.requests.slice(3).map(({ sampling }) => sampling.seed)).toEqual([2 ** 53 - 1, 0])
  })

  it('left in the second, the third never begins', async () => {
    const { model, native } = await scripted(saying('a'), saying('b'), saying('c'))
    for await (const part of generate({ model, prompt: '', n: 3 })) if (part.type === 'text-delta' && part.alternative === 1) break
    expect(native.sessions.map(({ cancels }) => cancels > 0)).toEqual([true, true])
  })
})
