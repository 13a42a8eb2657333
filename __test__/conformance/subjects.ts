/** What the table runs on: every row of behaviour holds for each of these models, on the real addon. */
import { join } from 'node:path'
import { generate, type GenerateOptions, load, type LoadOptions, type LocalModel } from '../../src/index.js'

/** One model as it is loaded. */
export interface Subject {
  readonly name: string
  /** Loads it, with further options. */
  readonly open: (options?: LoadOptions) => Promise<LocalModel>
}

const fixture = (path: string): string => join(import.meta.dirname, '../fixtures', path)

// One thread: these models are small, and the table is to hold on machines with other work as well. The programs in children/ use
// the default.
function subject(name: string, reference: string, base: LoadOptions = {}): Subject {
  return { name, open: (options = {}) => load(reference, { threads: 1, ...base, ...options }) }
}

/** Those of the table: the shipped model on every backend, and a folder of Hugging Face's format. */
export const subjects: readonly Subject[] = [
  subject('ember on cpu', 'ember', { backend: 'cpu' }),
  subject('ember on candle', 'ember', { backend: 'candle' }),
  subject('ember on reference', 'ember', { backend: 'reference' }),
  subject('a qwen3 folder', fixture('checkpoints/qwen3')),
]

/** The model that ships, as `load()` opens it: for what needs one that answers sensibly. */
export const ember: Subject = subject('ember', 'ember')

/** A window with room for a prompt that takes its time. */
export const wide: LoadOptions = { contextTokens: 4096 }

/** A prompt of `count` token ids, like no other of another `seed`: nothing of it is computed already. */
export function tokens(count: number, seed: number): { tokens: number[] } {
  return { tokens: Array.from({ length: count }, (_, n) => 20 + ((n + seed) * 7919 + seed * 31) % 280) }
}

/** A prompt that keeps the slowest subject busy for seconds. */
export const long = (seed: number): { tokens: number[] } => tokens(3500, seed)

/** An answer of exactly `count` tokens. */
export function answer(model: LocalModel, count: number, options: Partial<GenerateOptions> = {}) {
  return generate({ model, raw: { text: 'The fox' }, seed: 1, maxTokens: count, ignoreEnd: true, ...options } as GenerateOptions)
}

/** An answer that nobody waits for to end. */
export const endless = (model: LocalModel, options: Partial<GenerateOptions> = {}) => answer(model, 3000, options)
