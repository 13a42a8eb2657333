/** A process and a library of paper for the command line: streams in memory, a model that says what the test wrote. */
import { EventEmitter } from 'node:events'
import { type PassThrough, Readable, Writable } from 'node:stream'
import type { Face, Io } from '../../src/cli/io.js'
import { wick as commandLine } from '../../src/cli/program.js'
import { type GenerateOptions, type LoadOptions, type Message, type StreamPart, type TokenInfo, WickError } from '../../src/index.js'
import { Said } from '../../src/local/said.js'

/** What a test sets up. */
export interface Scene {
  /** What is piped in; absent: a terminal where nobody types. */
  stdin?: string | string[]
  /** A terminal to type on, stdin and stderr alike. */
  terminal?: PassThrough
  stdoutIsTTY?: boolean
  stderrIsTTY?: boolean
  env?: Record<string, string>
  /** Words of the answer, a token each; a function sees the request. */
  answer?: string[] | ((options: GenerateOptions) => AsyncIterable<StreamPart>)
  /** Replaces functions of the library. */
  face?: Partial<Face>
  /** Called with each write to stdout. */
  onOutput?: (text: string, stage: Stage) => void
  /** Called with each write to stderr. */
  onError?: (text: string) => void
  /** Called before the command begins. */
  onStage?: (stage: Stage) => void
  /** The error of every write to stdout after the first. */
  brokenPipe?: boolean
}

/** What happened. */
export interface Stage {
  code: number | undefined
  out: string
  err: string
  /** What `generate` was asked, call by call. */
  asked: GenerateOptions[]
  loaded: Array<{ source: string | undefined; options: LoadOptions }>
  closed: number
  exited: number[]
  /** Sessions that were saved: their messages, by path. */
  saved: Map<string, readonly Message[]>
  /** Presses Ctrl-C; false where nobody listened, which ends a real process. */
  interrupt(): boolean
}

/** Runs `wick` with `args`. */
export async function wick(args: string[], scene: Scene = {}): Promise<Stage> {
  const signals = new EventEmitter()
  const stage: Stage = {
    code: undefined,
    out: '',
    err: '',
    asked: [],
    loaded: [],
    closed: 0,
    exited: [],
    saved: new Map(),
    interrupt: () => signals.emit('interrupt'),
  }
  const piped = scene.terminal ?? Readable.from(scene.stdin === undefined ? [] : [scene.stdin].flat())
  const stdin = Object.assign(piped, { isTTY: scene.stdin === undefined })
  const io: Io = {
    stdin,
    stdout: sink(scene.stdoutIsTTY, scene.brokenPipe === true, (text) => {
      stage.out += text
      scene.onOutput?.(text, stage)
    }),
    stderr: sink(scene.stderrIsTTY ?? scene.terminal !== undefined, false, (text) => {
      stage.err += text
      scene.onError?.(text)
    }),
    env: scene.env ?? {},
    face: { ...paperFace(stage, scene), ...scene.face },
    onInterrupt(listener) {
      signals.on('interrupt', listener)
      return () => signals.off('interrupt', listener)
    },
    exit: (code) => stage.exited.push(code),
  }
  scene.onStage?.(stage)
  stage.code = await commandLine(args, io)
  return stage
}

function sink(isTTY = false, breaks: boolean, take: (text: string) => void) {
  let writes = 0
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      writes += 1
      if (breaks && writes > 1) return done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
      take(String(chunk))
      done()
    },
  })
  return Object.assign(stream, { isTTY, columns: 100 })
}

/** Facts of the paper model. */
export const info = {
  path: '/models/paper.gguf',
  format: 'gguf' as const,
  architecture: 'llama',
  name: 'paper',
  parameters: 1_876_992,
  fileBytes: 2_050_000,
  weightsDtype: 'Q8_0',
  vocabSize: 8,
  embeddingLength: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  trainedContextTokens: 512,
  contextTokens: 256,
  bosToken: 1,
  endTokens: [2],
  tokenizer: 'llama (spm)',
  infill: false,
  backend: 'candle',
  device: 'cpu',
  isa: 'avx2',
  threads: 2,
  weightsBytes: 2_000_000,
  kvBytesPerToken: 256,
  metadata: { 'general.name': 'paper', 'evil.key': 'a\u001b[2Jb' },
  tensors: [{ name: 'token_embd.weight', dtype: 'Q8_0', shape: [8, 64] }],
  warnings: [],
}

function paperFace(stage: Stage, scene: Scene): Face {
  const model = {
    info,
    tokenize: (text: string, { addSpecial = false } = {}) =>
      Uint32Array.from([...(addSpecial ? [1] : []), ...Array.from(text, (character) => (character.codePointAt(0) ?? 0) % 1000)]),
    detokenize: (ids: readonly number[]) => ids.map((id) => `<${id}>`).join(''),
    // Position p expects token p + 1 by a logit of 1 over zeros.
    evaluate: async (_tokens: Uint32Array, { positions }: { positions: Uint32Array }) =>
      Array.from(positions, (position) => Float32Array.from({ length: info.vocabSize }, (_, id) => (id === position + 1 ? 1 : 0))),
    close: async () => void (stage.closed += 1),
    session: ({ messages = [] }: { messages?: Message[] } = {}) => new PaperSession(stage, messages),
    restore: async (path: string) => {
      const messages = stage.saved.get(path)
      if (messages === undefined) throw new WickError('io', `There is no ${path}.`)
      return new PaperSession(stage, messages)
    },
  }
  const answer = (options: GenerateOptions): AsyncIterable<StreamPart> =>
    typeof scene.answer === 'function' ? scene.answer(options) : spoken(scene.answer ?? ['Hello', ' there'], options)
  const face = {
    load: async (source: string | undefined, options: LoadOptions) => {
      stage.loaded.push({ source, options })
      options.signal?.throwIfAborted()
      options.onProgress?.({ doneBytes: 1_000_000, totalBytes: 2_000_000 })
      options.log?.write({ level: 'warn', message: 'paper burns' })
      return model
    },
    generate: (options: GenerateOptions) => {
      if (options.model instanceof PaperSession) return options.model.answer(options, answer)
      stage.asked.push(options)
      return answer(options)
    },
    convert: async () => ({ bytes: 1000, tensors: 3, warnings: [] }),
    quantize: async () => ({ bytes: 500, tensors: 3, warnings: ['norms keep their type'] }),
    machine: async () => ({
      isa: 'avx2',
      physicalCores: 2,
      usableCores: 2,
      threads: 2,
      memoryBytes: 8e9,
      availableMemoryBytes: 4e9,
      devices: ['cpu'],
      backends: ['candle', 'reference'],
      version: '0.1.0',
    }),
    support: async () => ({
      architectures: [{ gguf: 'llama', class: 'LlamaForCausalLM' }],
      preTokenizers: [['llama-bpe', 'llama3'], ['glm5']],
      types: ['F32', 'Q4_K'],
      otherTypes: ['IQ2_S'],
    }),
  }
  return face as unknown as Face
}

/** A session of paper: what is asked of it is recorded with the whole conversation. */
class PaperSession {
  constructor(readonly stage: Stage, public messages: readonly Message[]) {}
  fork(): PaperSession {
    return new PaperSession(this.stage, this.messages)
  }
  append(messages: readonly Message[]): void {
    this.messages = [...this.messages, ...messages]
  }
  async save(path: string): Promise<void> {
    this.stage.saved.set(path, this.messages)
  }
  async *answer({ prompt, ...options }: GenerateOptions, from: (options: GenerateOptions) => AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
    const messages: Message[] = [...this.messages, { role: 'user', content: prompt ?? '' }]
    const whole = { ...options, messages } as GenerateOptions
    this.stage.asked.push(whole)
    const said = new Said(options.responsePrefix)
    for await (const part of from(whole)) {
      said.add(part)
      if (part.type === 'finish') this.messages = [...messages, said.message()]
      yield part
    }
  }
}

/** An answer of these words, as a local model streams it: aborting throws the signal's reason. */
export async function* spoken(words: string[], options: GenerateOptions): AsyncGenerator<StreamPart> {
  const token = (text: string, at: number): TokenInfo => ({ id: at, text, logprob: -0.5, top: [] })
  yield { type: 'start', warnings: [] }
  yield { type: 'text-start', id: '0' }
  for (const [at, text] of words.entries()) {
    await new Promise((resolve) => setImmediate(resolve))
    options.signal?.throwIfAborted()
    yield { type: 'text-delta', id: '0', text, ...(options.logprobs === undefined ? {} : { tokens: [token(text, at)] }) }
  }
  yield { type: 'text-end', id: '0' }
  yield finished(words.length)
}

/** An answer with a thought in front. */
export async function* thoughtful(thought: string, text: string): AsyncGenerator<StreamPart> {
  yield { type: 'start', warnings: [] }
  yield { type: 'reasoning-start', id: 'thought-0' }
  yield { type: 'reasoning-delta', id: 'thought-0', text: thought }
  yield { type: 'reasoning-end', id: 'thought-0' }
  yield { type: 'text-start', id: '0' }
  yield { type: 'text-delta', id: '0', text }
  yield { type: 'text-end', id: '0' }
  yield finished(2)
}

/** The end of an answer. */
export function finished(completionTokens: number): StreamPart {
  return {
    type: 'finish',
    reason: 'stop',
    usage: { promptTokens: 10, cachedTokens: 2, completionTokens, reasoningTokens: 0 },
    timings: { queuedMs: 0, promptMs: 10, firstTokenMs: 12.34, decodeMs: 100, promptTokensPerSecond: 800, tokensPerSecond: 20 },
  }
}
