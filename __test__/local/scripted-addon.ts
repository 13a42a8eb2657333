/** An addon that plays a script, for tests of what stands above it. A token is a letter. */
import type { Addon } from '../../src/local/addon.js'
import type * as native from '../../src/local/native.js'

/** One answer of `next`: a burst of events, the end, a failure, or silence until the session is cancelled. */
export type Step = native.NativeEvent[] | null | Failure | 'wait'
export type Failure = { ok: false; code: string; message: string; detail: Record<string, number> }

export const timings = { queuedMs: 1, promptMs: 10, firstTokenMs: 12, decodeMs: 100, promptTokensPerSecond: 500, tokensPerSecond: 20 }
export const usage = { promptTokens: 5, cachedTokens: 0, completionTokens: 3, reasoningTokens: 0 }
export const start: native.NativeEvent = { type: 'Start', warnings: [] }
export const delta = (text: string, tokens: native.NativeToken[] = []): native.NativeEvent => ({ type: 'TextDelta', text, tokens })
export const thought = (text: string, tokens: native.NativeToken[] = []): native.NativeEvent => ({ type: 'ReasoningDelta', text, tokens })
export const finish = (reason = 'stop', stop?: string): native.NativeEvent => ({ type: 'Finish', reason, ...(stop !== undefined && { stop }), usage, timings, seed: 7 })
export const full = (completionTokens: number, contextTokens: number, promptTokens = contextTokens): native.NativeEvent => ({ type: 'Overflow', promptTokens, completionTokens, contextTokens })
export const failure = (code: string, detail: Record<string, number> = {}): Failure => ({ ok: false, code, message: `scripted ${code}`, detail })

/** `start`, a delta a burst, `finish`. */
export const saying = (...texts: string[]): Step[] => [[start], ...texts.map((text) => [delta(text)]), [finish()], null]

const ok = <T>(value: T): native.NativeOutcome<T> => ({ ok: true, value })
const cancelled = failure('cancelled')

export class ScriptedSession implements native.NativeSession {
  nexts = 0
  cancels = 0
  readonly resumed: native.NativePrompt[] = []
  readonly #played: native.NativeEvent[] = []
  #wake = (): void => {}

  constructor(readonly steps: Step[], readonly asked: native.NativePrompt = { type: 'Tokens', tokens: [] }) {}

  async next(): Promise<native.NativeOutcome<native.NativeEvent[] | null>> {
    this.nexts += 1
    const step = this.steps.shift()
    if (step === undefined) throw new Error('the script has ended')
    if (this.cancels > 0) return cancelled
    if (step === 'wait') {
      await new Promise<void>((resolve) => (this.#wake = resolve))
      return cancelled
    }
    if (Array.isArray(step)) this.#played.push(...step)
    return step === null || Array.isArray(step) ? ok(step) : step
  }

  resume(prompt: native.NativePrompt): native.NativeOutcome<null> {
    this.resumed.push(prompt)
    return ok(null)
  }

  readonly fed: (readonly number[] | 'stop' | undefined)[] = []

  feed(replacement?: number[] | null): native.NativeOutcome<null> {
    this.fed.push(replacement ?? undefined)
    return ok(null)
  }

  finish(): native.NativeOutcome<null> {
    this.fed.push('stop')
    return ok(null)
  }

  readonly guesses: (readonly number[])[] = []

  predicted(ids: number[]): native.NativeOutcome<null> {
    this.guesses.push(ids)
    return ok(null)
  }

  /** A letter each of what was said; in front of it a raw prompt. */
  snapshot(): native.NativeSnapshot | null {
    if (!this.#played.some(({ type }) => type === 'Finish')) return null
    const prompt = this.resumed.at(-1) ?? this.asked
    const said = this.#played.map((event) => (event.type === 'TextDelta' ? event.text : '')).join('')
    const tokens = [...(prompt.type === 'Tokens' ? prompt.tokens : []), ...Array.from(said, (letter) => letter.charCodeAt(0))]
    return { tokens: () => tokens.length, ids: () => Uint32Array.from(tokens) }
  }

  cancel(): void {
    this.cancels += 1
    this.#wake()
  }
}

/** What a scripted model tells of itself. */
export const stats: native.NativeStats = {
  runningSessions: 1, waitingSessions: 2, kvUsedBytes: 3, kvCachedBytes: 4, kvLimitBytes: 5, cacheHitTokens: 6, cacheLookupTokens: 7,
  tokensPerSecond: 8, promptTokensPerSecond: 9, preemptions: 10, draftProposedTokens: 11, draftAcceptedTokens: 12,
}

export const info: native.NativeModelInfo = {
  path: '/models/scripted.gguf', format: 'gguf', architecture: 'llama', parameters: 1, fileBytes: 1, weightsDtype: 'F32',
  vocabSize: 128, embeddingLength: 8, layers: 1, heads: 1, kvHeads: 1, headDim: 8, trainedContextTokens: 64, contextTokens: 64,
  bosToken: 1, endTokens: [2], hasChatTemplate: true, chatTemplate: '{{ messages }}', tokenizer: 'letters', infill: true, backend: 'reference',
  device: 'cpu', isa: 'scalar', threads: 2, weightsBytes: 1, kvBytesPerToken: 1, metadata: '{"general.name":"scripted"}',
  tensors: '[{"name":"token_embd.weight","dtype":"F32","shape":[128,8]}]', warnings: [],
}

export class ScriptedModel implements native.NativeModel {
  readonly sessions: ScriptedSession[] = []
  readonly requests: native.NativeRequest[] = []
  /** The snapshot that came with each. */
  readonly named: (native.NativeSnapshot | undefined)[] = []
  closes = 0
  counts = 0

  constructor(readonly scripts: Step[][]) {}

  info(): native.NativeModelInfo {
    return info
  }
  tokenize(text: string, _parseControl: boolean, addSpecial: boolean): native.NativeOutcome<Uint32Array> {
    return ok(Uint32Array.from([...(addSpecial ? [1] : []), ...Array.from(text, (letter) => letter.charCodeAt(0))]))
  }
  detokenize(tokens: Uint32Array): native.NativeOutcome<string> {
    return ok(String.fromCharCode(...tokens))
  }
  render(prompt: native.NativePrompt): native.NativeOutcome<string> {
    if (prompt.type === 'Infill') return ok(gapText(prompt))
    return ok(prompt.type === 'Chat' ? prompt.messages : prompt.type === 'Text' ? prompt.text : String.fromCharCode(...prompt.tokens))
  }
  /** Letters of all contents. */
  countTokens(prompt: native.NativePrompt): native.NativeOutcome<number> {
    this.counts += 1
    if (prompt.type === 'Infill') return ok(gapText(prompt).length)
    if (prompt.type !== 'Chat') return ok(prompt.type === 'Text' ? prompt.text.length : prompt.tokens.length)
    const messages = JSON.parse(prompt.messages) as { content: string }[]
    return ok(messages.reduce((sum, { content }) => sum + content.length, 0))
  }
  generate(request: native.NativeRequest, snapshot?: native.NativeSnapshot | null): native.NativeOutcome<native.NativeSession> {
    this.requests.push(request)
    this.named.push(snapshot ?? undefined)
    if (this.closes > 0) return failure('closed')
    const session = new ScriptedSession([...(this.scripts[this.sessions.length % this.scripts.length] ?? [])], request.prompt)
    this.sessions.push(session)
    return ok(session)
  }
  async prepare(): Promise<native.NativeOutcome<native.NativeUsage>> {
    return ok({ promptTokens: 5, cachedTokens: 2, completionTokens: 0, reasoningTokens: 0 })
  }
  async evaluate(_tokens: Uint32Array, positions: Uint32Array, cancel?: native.NativeCancel | null): Promise<native.NativeOutcome<Float32Array>> {
    if (cancel instanceof ScriptedCancel && (await cancel.within(20))) return cancelled
    return ok(Float32Array.from([...positions].flatMap((position) => [position, position + 0.5])))
  }
  /** Files that were saved, by path. */
  readonly files = new Map<string, native.NativeRestored>()

  stats(): native.NativeStats {
    return stats
  }
  async save(snapshot: native.NativeSnapshot, text: string, path: string, cancel?: native.NativeCancel | null): Promise<native.NativeOutcome<null>> {
    if (cancel instanceof ScriptedCancel && (await cancel.within(20))) return cancelled
    this.files.set(path, { snapshot, text })
    return ok(null)
  }
  async restore(path: string, cancel?: native.NativeCancel | null): Promise<native.NativeOutcome<native.NativeRestored>> {
    if (cancel instanceof ScriptedCancel && (await cancel.within(20))) return cancelled
    const file = this.files.get(path)
    return file === undefined ? failure('io') : ok(file)
  }
  async close(): Promise<native.NativeOutcome<null>> {
    this.closes += 1
    return ok(null)
  }
}

function gapText({ prefix, suffix, files }: Extract<native.NativePrompt, { type: 'Infill' }>): string {
  return [...files.map(({ text }) => text), prefix, suffix].join('')
}

class ScriptedCancel implements native.NativeCancel {
  #cancelled = false
  cancel(): void {
    this.#cancelled = true
  }
  async within(ms: number): Promise<boolean> {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return this.#cancelled
  }
}

/** What a scripted load does before it is done. */
export interface LoadScript {
  progress?: native.NativeProgress[]
  log?: native.NativeLogRecord[]
  /** Resolves only when cancelled. */
  wait?: boolean
  fails?: Failure
  onCancel?: () => void
}

export const machineReport: native.NativeMachine = {
  isa: 'avx2', physicalCores: 2, usableCores: 2, threads: 2, memoryBytes: 8e9, availableMemoryBytes: 4e9, devices: ['cpu'],
  backends: ['cpu', 'candle', 'reference'], version: '0.1.0',
}

/** An addon whose loads give `model`. `asked` gathers the options of loads and conversions. */
export function scriptedAddon(model: ScriptedModel, load: LoadScript = {}, asked: object[] = []): Addon {
  class Work<Value> {
    #wake = (): void => {}
    #cancelled = false
    constructor(options: object, readonly value: Value) {
      asked.push(options)
    }
    async run(onProgress?: ((e: native.NativeProgress) => void) | null, onLog?: ((r: native.NativeLogRecord) => void) | null): Promise<native.NativeOutcome<Value>> {
      for (const step of load.progress ?? []) onProgress?.(step)
      for (const record of load.log ?? []) onLog?.(record)
      if (load.wait === true && !this.#cancelled) await new Promise<void>((resolve) => (this.#wake = resolve))
      if (this.#cancelled) return cancelled
      return load.fails ?? ok(this.value)
    }
    cancel(): void {
      this.#cancelled = true
      load.onCancel?.()
      this.#wake()
    }
  }
  return {
    machine: () => machineReport,
    support: () => ({ architectures: [], preTokenizers: [], types: [], otherTypes: [] }),
    NativeCancel: ScriptedCancel,
    NativeLoad: class extends Work<native.NativeModel> {
      constructor(options: native.NativeLoadOptions) {
        super(options, model)
      }
    },
    NativeConversion: class extends Work<native.NativeConverted> {
      constructor(options: native.NativeConvertOptions) {
        super(options, { bytes: 10, tensors: 1, warnings: [] })
      }
    },
  }
}
