import { describe, expect, it } from 'vitest'
import { generateMany, type GenerateManyOptions, type GenerateOptions, isWickError, type LanguageModel, type ManyResult, type StreamPart } from '../../src/index.js'

const usage = { promptTokens: 1, cachedTokens: 0, completionTokens: 1, reasoningTokens: 0 }
const timings = { queuedMs: 0, promptMs: 0, firstTokenMs: 0, decodeMs: 0, promptTokensPerSecond: 0, tokensPerSecond: 0 }
const tick = () => new Promise((resolve) => setTimeout(resolve, 5))

/** A model that repeats what it is asked: `slow` answers when `release` is called for it, `bad` never. */
class Echo implements LanguageModel {
  readonly kind = 'language'
  readonly provider = 'paper'
  readonly id = 'echo'
  readonly begun: string[] = []
  readonly ended: string[] = []
  readonly #held = new Map<string, () => void>()

  async *stream({ prompt }: Parameters<LanguageModel['stream']>[0], signal: AbortSignal): AsyncGenerator<StreamPart> {
    const text = 'messages' in prompt ? String(prompt.messages[0]?.content) : ''
    this.begun.push(text)
    try {
      yield { type: 'start', warnings: [] }
      if (text.startsWith('slow')) {
        await new Promise<void>((resolve, reject) => {
          this.#held.set(text, resolve)
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        })
      }
      if (text.startsWith('bad')) throw new Error(text)
      yield { type: 'text-delta', id: '0', text }
      yield { type: 'finish', reason: 'stop', usage, timings }
    } finally {
      this.ended.push(text)
    }
  }

  release(text: string): void {
    this.#held.get(text)?.()
  }
}

/** Requests that count how many were read, and whether the reader has said that it wants no more. */
function counted(model: LanguageModel, prompts: Iterable<string>) {
  const source = { pulled: 0, closed: false }
  function* requests(): Generator<GenerateOptions> {
    try {
      for (const prompt of prompts) {
        source.pulled += 1
        yield { model, prompt }
      }
    } finally {
      source.closed = true
    }
  }
  return Object.assign(source, { requests: requests() })
}

function* endless(): Generator<string> {
  for (let n = 0; ; n += 1) yield `prompt ${n}`
}

const said = ({ index, result, error }: ManyResult): string => `${index}: ${result?.text ?? String(error)}`

async function all(run: AsyncIterable<ManyResult>): Promise<string[]> {
  const seen: string[] = []
  for await (const one of run) seen.push(said(one))
  return seen
}

describe('results', () => {
  it('come as they finish, and are collected in the order of the requests', async () => {
    const prompts = ['slow a', 'b', 'slow c', 'd']
    for (const read of ['parts', 'collected'] as const) {
      const model = new Echo()
      const run = generateMany({ requests: prompts.map((prompt) => ({ model, prompt })) })
      setTimeout(() => model.release('slow c'), 10)
      setTimeout(() => model.release('slow a'), 20)
      const expected = { parts: ['1: b', '3: d', '2: slow c', '0: slow a'], collected: ['0: slow a', '1: b', '2: slow c', '3: d'] }
      expect(read === 'parts' ? await all(run) : (await run.collect()).map(said)).toEqual(expected[read])
    }
  })

  it('of requests that fail are their errors, and end nothing else', async () => {
    const model = new Echo()
    const asked = [{ model, prompt: 'a' }, { model, prompt: 'bad b' }, { model, prompt: 'c', temperature: -1 }, null, { model, prompt: 'd' }]
    const results = await generateMany({ requests: asked as GenerateOptions[] }).collect()
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4])
    expect(results.map(({ result }) => result?.text)).toEqual(['a', undefined, undefined, undefined, 'd'])
    expect(results[1]?.error).toMatchObject({ message: 'bad b' })
    for (const failed of [results[2], results[3]]) expect(failed?.error).toSatisfy((error) => isWickError(error, 'invalid-request'))
  })

  it('of a request whose own signal aborts are its reason', async () => {
    const model = new Echo()
    const controller = new AbortController()
    setTimeout(() => controller.abort('mine'), 5)
    const results = await generateMany({ requests: [{ model, prompt: 'slow', signal: controller.signal }, { model, prompt: 'b' }] }).collect()
    expect(results.map(said)).toEqual(['0: mine', '1: b'])
  })

  it('of no requests are none', async () => {
    expect(await generateMany({ requests: [] }).collect()).toEqual([])
    expect(await all(generateMany({ requests: (async function* () {})() }))).toEqual([])
  })

  it('hold what every result holds', async () => {
    const [one] = await generateMany({ requests: [{ model: new Echo(), prompt: 'a', logprobs: 0 }] }).collect()
    expect(one).toMatchObject({ index: 0, result: { text: 'a', finishReason: 'stop', usage, tokens: [] } })
  })
})

describe('the source', () => {
  it('is read no further than there is room, however slow the reader', async () => {
    const model = new Echo()
    const source = counted(model, endless())
    let handed = 0
    for await (const _ of generateMany({ requests: source.requests, concurrency: 3 })) {
      handed += 1
      await tick()
      expect(source.pulled).toBeLessThanOrEqual(handed + 3)
      expect(model.begun.length).toBeLessThanOrEqual(handed + 3)
      if (handed === 20) break
    }
    expect(source).toMatchObject({ closed: true })
    expect(source.pulled).toBeLessThanOrEqual(23)
  })

  it('is read while answers are waited for, up to sixteen at a time', async () => {
    const model = new Echo()
    const source = counted(model, (function* () { for (let n = 0; ; n += 1) yield `slow ${n}` })())
    const controller = new AbortController()
    const reading = generateMany({ requests: source.requests, signal: controller.signal }).collect()
    await tick()
    expect(model.begun).toHaveLength(16)
    model.release('slow 7')
    await tick()
    expect(model.begun).toHaveLength(17)
    controller.abort('enough')
    await expect(reading).rejects.toBe('enough')
    expect(source.closed).toBe(true)
  })

  it('that is slow holds up no result', async () => {
    const model = new Echo()
    let go = (): void => {}
    async function* requests(): AsyncGenerator<GenerateOptions> {
      yield { model, prompt: 'a' }
      await new Promise<void>((resolve) => (go = resolve))
      yield { model, prompt: 'b' }
    }
    const seen: string[] = []
    for await (const one of generateMany({ requests: requests() })) {
      seen.push(said(one))
      go()
    }
    expect(seen).toEqual(['0: a', '1: b'])
  })

  it('is not read before the run is consumed', async () => {
    const source = counted(new Echo(), ['a'])
    generateMany({ requests: source.requests })
    await tick()
    expect(source.pulled).toBe(0)
  })

  it('that throws: what was begun is handed over, then its error is thrown', async () => {
    const model = new Echo()
    function* requests(): Generator<GenerateOptions> {
      yield { model, prompt: 'slow' }
      yield { model, prompt: 'b' }
      throw new Error('no more lines')
    }
    setTimeout(() => model.release('slow'), 10)
    const seen: string[] = []
    const reading = (async () => {
      for await (const one of generateMany({ requests: requests() })) seen.push(said(one))
    })()
    await expect(reading).rejects.toThrow('no more lines')
    expect(seen).toEqual(['1: b', '0: slow'])
  })
})

describe('leaving', () => {
  it.each(['break', 'throw', 'abort'])('by %s ends all that runs, and closes the source', async (how) => {
    const model = new Echo()
    const source = counted(model, ['a', 'slow b', 'slow c', 'd', 'slow e', 'slow f'])
    const controller = new AbortController()
    const reading = (async () => {
      for await (const _ of generateMany({ requests: source.requests, concurrency: 3, signal: controller.signal })) {
        if (how === 'break') break
        if (how === 'throw') throw new Error('mine')
        controller.abort(new Error('mine'))
      }
    })()
    if (how === 'break') await reading
    else await expect(reading).rejects.toThrow('mine')
    expect(source.closed).toBe(true)
    expect(model.ended.toSorted()).toEqual(model.begun.toSorted())
    expect(model.begun).not.toContain('slow f')
  })

  it('does not wait for a source that never answers, and tells it', async () => {
    const told: string[] = []
    const requests = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<IteratorResult<GenerateOptions>>(() => {}),
        return: async () => (told.push('return'), { done: true as const, value: undefined }),
      }),
    }
    const controller = new AbortController()
    setTimeout(() => controller.abort('mine'), 5)
    await expect(generateMany({ requests, signal: controller.signal }).collect()).rejects.toBe('mine')
    expect(told).toEqual(['return'])
  })

  it('before it began reads nothing', async () => {
    const source = counted(new Echo(), ['a'])
    await expect(generateMany({ requests: source.requests, signal: AbortSignal.abort('mine') }).collect()).rejects.toBe('mine')
    expect(source.pulled).toBe(0)
  })
})

describe('options', () => {
  it.each<[string, unknown]>([
    ['generateMany needs requests.', {}],
    ['requests must be an iterable', { requests: { length: 0 } }],
    ['requests must be an iterable', { requests: 'ab' }],
    ['concurrency must be an integer ≥ 1', { requests: [], concurrency: 0 }],
    ['signal must be an AbortSignal', { requests: [], signal: {} }],
    ['generateMany has no option "model"', { requests: [], model: 1 }],
    ['The options of generateMany must be an object', undefined],
  ])('are refused: %s', async (message, options) => {
    const error: unknown = await generateMany(options as GenerateManyOptions).collect().catch((error: unknown) => error)
    expect(isWickError(error, 'invalid-request') && error.message).toContain(message)
  })
})
