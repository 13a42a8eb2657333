/** From a reference to a loaded model. */
import { check, WickError } from '../errors/index.js'
import { packageFile, setEnvironment } from '../platform/index.js'
import type { JsonObject } from '../spec/index.js'
import { openAddon } from './addon.js'
import { type WeightsDtype, weightsDtypes } from './convert.js'
import { jsonText } from './json.js'
import { LocalModel } from './model.js'
import type { NativeDraft, NativeLoadOptions, NativeLogRecord } from './native.js'
import { type Watch, watched } from './progress.js'

/** How much the engine says of its own doings. */
export type LogLevel = 'debug' | 'info' | 'warn'

/** One thing it said. It never holds prompts. */
export interface LogRecord {
  readonly level: LogLevel
  readonly message: string
}

/** Where it says it. */
export interface LogHook {
  /** The least that is written. Default `info`. */
  readonly level?: LogLevel | undefined
  /** Called with each record of that level or above, for as long as the model lives; if it throws, it is not called again. */
  readonly write: (record: LogRecord) => void
}

/** A smaller model that guesses what a larger one says. */
export interface DraftModel {
  /** Its reference, as `load` takes one. Its vocabulary must be that of the model it guesses for, id by id. */
  readonly model: string
  /** Most tokens it guesses ahead, 1 to 63. Default 15. How many of them are worth it is measured. */
  readonly tokens?: number | undefined
}

/** Options of `load`. */
export interface LoadOptions extends Watch {
  /** Tokens a session can hold, prompt and answer. Default `auto`: what the model was trained for, as far as memory allows. */
  readonly contextTokens?: number | 'auto' | undefined
  /**
   * Threads to compute with, 1 to 1024. All models share the process's threads, and take turns with them. Default: what the environment
   * variable `WICK_THREADS` says, else one for each physical core that affinity and the control group's quota leave.
   */
  readonly threads?: number | undefined
  /** Default `auto`. What this build has not is `unsupported`. */
  readonly device?: 'auto' | 'cpu' | 'cuda' | 'metal' | undefined
  /**
   * What computes: `cpu`, wick's own kernels; `candle`; or the slow, plain `reference`. Default: on the processor `cpu` on x86-64 and
   * `candle` elsewhere.
   */
  readonly backend?: 'cpu' | 'candle' | 'reference' | undefined
  /** A Jinja chat template that replaces the file's. */
  readonly chatTemplate?: string | undefined
  /** Metadata that replaces the file's, by key: `{ 'llama.rope.freq_base': 10000 }`. */
  readonly metadata?: JsonObject | undefined
  /** Whether the file is mapped; else it is read into memory, for files that may change while they are used. Default true. */
  readonly mmap?: boolean | undefined
  /** Whether the weights are kept from being swapped out. Default false. */
  readonly mlock?: boolean | undefined
  /**
   * Gives matrices of F32, F16 and BF16 this type (or a mix: `q4_k_m`) while they are loaded, as `quantize` does with a file: less memory,
   * and nothing written. Vectors and norms stay F32; matrices that are quantised already stay as they are. Default: as the file has them.
   */
  readonly quantize?: Exclude<WeightsDtype, 'f32'> | undefined
  /**
   * How the cpu backend keeps keys and values: `f16`, `q8_0` (about half of its memory, a little less exact) or `f32` (twice its memory).
   * Another backend refuses it (`unsupported`). Default `f16`.
   */
  readonly kvType?: 'f16' | 'q8_0' | 'f32' | undefined
  /** Most requests that are computed side by side, 1 to 1024; others wait in line. Default 64. */
  readonly maxSessions?: number | undefined
  /** Most bytes of keys and values, of what is computed and what is kept together. Default: what memory allows. */
  readonly kvBytes?: number | undefined
  /**
   * Most bytes of keys and values kept of what has ended, for whoever begins the same; what was used longest ago goes first. 0 keeps
   * none. Default: no limit but `kvBytes`, of which those at work take what they need.
   */
  readonly prefixCacheBytes?: number | undefined
  /**
   * What guesses the next tokens, so that several are computed at once: `'prompt-lookup'`, what followed the same words earlier in the
   * text; a smaller model with the same vocabulary; or nothing (`false`). Guesses are made where they pay, and answers are the same with
   * each. Default: `'prompt-lookup'` on the backends `cpu` and `reference`, nothing on others, where guesses could change an answer and
   * are `unsupported`.
   */
  readonly draft?: false | 'prompt-lookup' | DraftModel | undefined
  /** Reads tokenizer and metadata only: generating is `invalid-request`. Default false. */
  readonly vocabOnly?: boolean | undefined
  /** What the engine says. Default: nothing; warnings are in `model.info.warnings` too. */
  readonly log?: LogHook | undefined
}

const checks = {
  contextTokens: check.either("an integer ≥ 1 or 'auto'", check.integer({ min: 1, max: 0xffff_ffff }), check.oneOf('auto')),
  threads: check.integer({ min: 1, max: 1024 }),
  device: check.oneOf('auto', 'cpu', 'cuda', 'metal'),
  backend: check.oneOf('cpu', 'candle', 'reference'),
  chatTemplate: check.text,
  metadata: check.object,
  mmap: check.flag,
  mlock: check.flag,
  quantize: check.oneOf(...weightsDtypes.filter((dtype) => dtype !== 'f32')),
  kvType: check.oneOf('f16', 'q8_0', 'f32'),
  maxSessions: check.integer({ min: 1, max: 1024 }),
  kvBytes: check.integer({ min: 1 }),
  prefixCacheBytes: check.integer({ min: 0 }),
  draft,
  vocabOnly: check.flag,
  log: (_: string, hook: unknown) => check.checkOptions('log', hook, { level: check.oneOf('debug', 'info', 'warn'), write: check.callable }),
  onProgress: check.callable,
  signal: check.signal,
} satisfies Record<keyof LoadOptions, check.Check>

const draftChecks = { model: check.someText, tokens: check.integer({ min: 1, max: 63 }) } satisfies Record<keyof DraftModel, check.Check>

function draft(name: string, value: unknown): void {
  if (value === false || value === 'prompt-lookup') return
  if (typeof value !== 'object') throw new WickError('invalid-request', `${name} must be false, 'prompt-lookup' or { model }.`)
  check.checkOptions(name, value, draftChecks)
  check.required(name, value as DraftModel, 'model')
}

/** The model that ships in the package. */
const ember = 'ember'

// Where the loops that are candle's own read the size of their pool, once, when it is first used.
const candleVariables = ['CANDLE_NUM_THREADS', 'RAYON_NUM_THREADS'] as const

/**
 * Loads a model: `ember` (the default, it ships in the package), a `.gguf` file (of a split one any part), or a Hugging Face
 * folder.
 */
export async function load(reference: string = ember, options: LoadOptions = {}): Promise<LocalModel> {
  check.someText('The model reference', reference)
  check.checkOptions('load', options, checks)
  const asked = nativeOptions(pathOf(reference), options)
  options.signal?.throwIfAborted()
  if (options.threads !== undefined) setCandleThreads(options.threads)
  const { NativeLoad } = await openAddon()
  const loading = new NativeLoad(asked)
  const native = await watched(
    options,
    () => loading.cancel(),
    (report, guard) => loading.run(report, guard(logger(options.log))),
    (model) => model.close(),
  )
  return new LocalModel(native)
}

/** The path behind a reference. Only where a scheme is written is it not a path. */
function pathOf(reference: string): string {
  if (reference === ember) return packageFile('models/ember.gguf')
  if (!/^(hf|https?):/i.test(reference)) return reference
  throw new WickError(
    'unsupported',
    `${reference.slice(0, reference.indexOf(':') + 1)} references come with the hub, which this version does not have yet. Download the file and give its path.`,
  )
}

function nativeOptions(path: string, options: LoadOptions): NativeLoadOptions {
  const { threads, contextTokens, device, backend, chatTemplate, metadata, mmap, mlock, quantize, kvType, maxSessions, kvBytes, prefixCacheBytes, draft, vocabOnly } = options
  return {
    path,
    ...(threads !== undefined && { threads }),
    ...(typeof contextTokens === 'number' && { contextTokens }),
    ...(device !== undefined && { device }),
    ...(backend !== undefined && { backend }),
    ...(chatTemplate !== undefined && { chatTemplate }),
    ...(metadata !== undefined && { metadata: jsonText(metadata, 'metadata') }),
    ...(mmap !== undefined && { mmap }),
    ...(mlock !== undefined && { mlock }),
    ...(quantize !== undefined && { quantize }),
    ...(kvType !== undefined && { kvType }),
    ...(maxSessions !== undefined && { maxSessions }),
    ...(kvBytes !== undefined && { kvBytes }),
    ...(prefixCacheBytes !== undefined && { prefixCacheBytes }),
    ...(draft !== undefined && { draft: nativeDraft(draft) }),
    ...(vocabOnly !== undefined && { vocabOnly }),
  }
}

function nativeDraft(draft: false | 'prompt-lookup' | DraftModel): NativeDraft {
  if (draft === false) return { kind: 'none' }
  if (draft === 'prompt-lookup') return { kind: draft }
  const { model, tokens } = draft
  return { kind: 'model', path: pathOf(model), ...(tokens !== undefined && { tokens }) }
}

function setCandleThreads(threads: number): void {
  setEnvironment(Object.fromEntries(candleVariables.map((name) => [name, String(threads)])))
}

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2 }

function logger(log: LogHook | undefined): ((record: NativeLogRecord) => void) | undefined {
  return (
    log &&
    (({ level, message }) => {
      if (ranks[level as LogLevel] >= ranks[log.level ?? 'info']) log.write({ level: level as LogLevel, message })
    })
  )
}
