import { afterEach, describe, expect, it } from 'vitest'
import { convert, isWickError, load, type LogRecord, machine, type Progress, quantize, type WickErrorCode } from '../../src/index.js'
import { replaceAddon } from '../../src/local/addon.js'
import { failure, type LoadScript, machineReport, ScriptedModel, scriptedAddon } from './scripted-addon.js'

afterEach(() => replaceAddon(undefined))

function script(load: LoadScript = {}) {
  const model = new ScriptedModel([])
  const asked: object[] = []
  replaceAddon(scriptedAddon(model, load, asked))
  return { model, asked }
}

const code = (code: WickErrorCode) => (error: unknown) => isWickError(error, code)

describe('load', () => {
  it('loads ember from the package when nothing is named', async () => {
    const { asked } = script()
    await load()
    expect(asked).toEqual([{ path: expect.stringMatching(/[/\\]models[/\\]ember\.gguf$/) }])
  })

  it('hands every option on', async () => {
    const { asked } = script()
    await load('./model.gguf', {
      contextTokens: 128, device: 'cpu', backend: 'reference', chatTemplate: 'T', metadata: { 'a.b': [1] }, mmap: false, mlock: true, quantize: 'q8_0', vocabOnly: true,
      maxSessions: 4, kvBytes: 1e9, prefixCacheBytes: 0, draft: { model: 'small.gguf', tokens: 5 },
    })
    expect(asked).toEqual([{
      path: './model.gguf', contextTokens: 128, device: 'cpu', backend: 'reference', chatTemplate: 'T', metadata: '{"a.b":[1]}', mmap: false, mlock: true, quantize: 'q8_0', vocabOnly: true,
      maxSessions: 4, kvBytes: 1e9, prefixCacheBytes: 0, draft: { kind: 'model', path: 'small.gguf', tokens: 5 },
    }])
  })

  it.each([
    { draft: false as const, kind: { kind: 'none' } },
    { draft: 'prompt-lookup' as const, kind: { kind: 'prompt-lookup' } },
    { draft: { model: 'ember' }, kind: { kind: 'model', path: expect.stringMatching(/[/\\]models[/\\]ember\.gguf$/) as string } },
  ])('has tokens guessed by $draft', async ({ draft, kind }) => {
    const { asked } = script()
    await load('m', { draft })
    expect(asked).toEqual([{ path: 'm', draft: kind }])
  })

  it('leaves the context to the engine when it is auto', async () => {
    const { asked } = script()
    await load('m', { contextTokens: 'auto' })
    expect(asked).toEqual([{ path: 'm' }])
  })

  it.each(['hf:Qwen/Qwen3-1.7B-GGUF', 'https://example.com/m.gguf', 'HTTP://example.com/m.gguf'])('says that %s comes with the hub', async (reference) => {
    script()
    await expect(load(reference)).rejects.toSatisfy(code('unsupported'))
    await expect(load(reference)).rejects.toThrow('come with the hub')
  })

  it.each<[string, object]>([
    ['has no option "contextSize"', { contextSize: 1 }],
    ["contextTokens must be an integer ≥ 1 or 'auto'", { contextTokens: 0 }],
    ['threads must be', { threads: 1.5 }],
    ['device must be', { device: 'tpu' }],
    ['backend must be', { backend: 'fast' }],
    ['quantize must be', { quantize: 'q4_k' }],
    ['metadata must be', { metadata: 'a=b' }],
    ['metadata must be something JSON can hold', { metadata: { a: 1n } }],
    ['log has no option "writer"', { log: { writer: 1 } }],
    ['level must be', { log: { level: 'all', write() {} } }],
    ['signal must be an AbortSignal', { signal: {} }],
    ['maxSessions must be an integer from 1 to 1024', { maxSessions: 0 }],
    ['kvBytes must be an integer', { kvBytes: '2gb' }],
    ['prefixCacheBytes must be an integer ≥ 0', { prefixCacheBytes: -1 }],
    ["draft must be false, 'prompt-lookup' or { model }", { draft: 'small.gguf' }],
    ["draft must be false, 'prompt-lookup' or { model }", { draft: true }],
    ['draft needs model', { draft: {} }],
    ['draft needs model', { draft: { tokens: 3 } }],
    ['draft has no option "path"', { draft: { path: 'x' } }],
    ['tokens must be an integer from 1 to 63', { draft: { model: 'x', tokens: 0 } }],
  ])('refuses options: %s', async (message, options) => {
    const { asked } = script()
    await expect(load('m', options)).rejects.toThrow(message)
    await expect(load('m', options)).rejects.toSatisfy(code('invalid-request'))
    expect(asked).toEqual([])
  })

  it('throws the engine\'s failures with code and figures', async () => {
    script({ fails: failure('out-of-memory', { needBytes: 9, haveBytes: 1 }) })
    const error: unknown = await load('m').catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'out-of-memory', message: 'scripted out-of-memory', detail: { needBytes: 9, haveBytes: 1 } })
  })

  it('reports progress, and logs from the level on', async () => {
    script({
      progress: [{ doneBytes: 1, totalBytes: 2 }, { doneBytes: 2, totalBytes: 2 }],
      log: [{ level: 'debug', message: 'd' }, { level: 'info', message: 'i' }, { level: 'warn', message: 'w' }],
    })
    const progress: Progress[] = []
    const log: LogRecord[] = []
    await load('m', { onProgress: (step) => progress.push(step), log: { level: 'info', write: (record) => log.push(record) } })
    expect(progress.map(({ doneBytes }) => doneBytes)).toEqual([1, 2])
    expect(log.map(({ message }) => message)).toEqual(['i', 'w'])
  })

  it('ends when onProgress throws, with what it threw', async () => {
    const seen = { cancelled: 0 }
    const { model } = script({ progress: [{ doneBytes: 1, totalBytes: 2 }], onCancel: () => (seen.cancelled += 1) })
    await expect(load('m', { onProgress: () => { throw new Error('bar broke') } })).rejects.toThrow('bar broke')
    expect(seen.cancelled).toBe(1)
    expect(model.closes).toBe(0)
  })

  it('rejects with the signal\'s own reason: before', async () => {
    const { asked } = script()
    await expect(load('m', { signal: AbortSignal.abort('mine') })).rejects.toBe('mine')
    expect(asked).toEqual([])
  })

  it('rejects with the signal\'s own reason: while loading', async () => {
    script({ wait: true })
    const controller = new AbortController()
    const loading = load('m', { signal: controller.signal })
    setTimeout(() => controller.abort('mine'), 5)
    await expect(loading).rejects.toBe('mine')
  })

  it('closes a model that comes after the abort', async () => {
    const controller = new AbortController()
    const { model } = script({ progress: [{ doneBytes: 1, totalBytes: 1 }] })
    const engine = scriptedAddon(model, { progress: [{ doneBytes: 1, totalBytes: 1 }] })
    const Late = class extends engine.NativeLoad {
      override cancel(): void {}
    }
    replaceAddon({ ...engine, NativeLoad: Late })
    await expect(load('m', { signal: controller.signal, onProgress: () => controller.abort('mine') })).rejects.toBe('mine')
    expect(model.closes).toBe(1)
  })

  it('hands the number of threads on, and sets that of candle\'s own pool before the addon is loaded', async () => {
    const names = ['CANDLE_NUM_THREADS', 'RAYON_NUM_THREADS']
    const before = names.map((name) => process.env[name])
    const { asked } = script()
    const model = await load('m', { threads: 3 })
    expect(names.map((name) => process.env[name])).toEqual(['3', '3'])
    expect(asked).toMatchObject([{ path: 'm', threads: 3 }])
    expect(model.info.warnings).toEqual([])
    names.forEach((name, index) => (before[index] === undefined ? delete process.env[name] : (process.env[name] = before[index])))
  })
})

describe('convert and quantize', () => {
  it('hand the files on and give what was written', async () => {
    const { asked } = script()
    expect(await convert({ from: 'folder', to: 'm.gguf' })).toEqual({ bytes: 10, tensors: 1, warnings: [] })
    await quantize({ from: 'm.gguf', to: 'q.gguf', dtype: 'q8_0' })
    expect(asked).toEqual([{ from: 'folder', to: 'm.gguf' }, { from: 'm.gguf', to: 'q.gguf', dtype: 'q8_0' }])
  })

  it('refuse what is missing or unknown', async () => {
    script()
    await expect(convert({ from: 'folder' } as Parameters<typeof convert>[0])).rejects.toThrow('convert needs to.')
    await expect(quantize({ from: 'a', to: 'b' } as Parameters<typeof quantize>[0])).rejects.toThrow('quantize needs dtype.')
    await expect(quantize({ from: 'a', to: 'b', dtype: 'q9' } as unknown as Parameters<typeof quantize>[0])).rejects.toSatisfy(code('invalid-request'))
  })

  it('can be aborted', async () => {
    script({ wait: true })
    const controller = new AbortController()
    const converting = convert({ from: 'a', to: 'b', signal: controller.signal })
    setTimeout(() => controller.abort('mine'), 5)
    await expect(converting).rejects.toBe('mine')
  })
})

describe('machine', () => {
  it('reports what the addon says', async () => {
    script()
    expect(await machine()).toEqual(machineReport)
  })
})
