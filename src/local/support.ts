/** What the engine knows of model files by name: the rows of its tables. */
import { openAddon } from './addon.js'
import type { NativeSupport } from './native.js'

/** What this build knows. What is not here is refused by name, with the code `unsupported`. */
export interface Support {
  /** Architectures: as GGUF files name them, and the class in a folder's `config.json`. */
  readonly architectures: ReadonlyArray<{ readonly gguf: string; readonly class: string }>
  /** Pre-tokenizers of byte-level BPE (`tokenizer.ggml.pre`), each with all its names. */
  readonly preTokenizers: ReadonlyArray<readonly string[]>
  /** Types of tensors that are computed with. */
  readonly types: readonly string[]
  /** Types of tensors that are only named: such files can be inspected. */
  readonly otherTypes: readonly string[]
}

/** Reads the tables; it loads the addon. */
export async function support(): Promise<Support> {
  const { support } = await openAddon()
  return support() satisfies NativeSupport
}
