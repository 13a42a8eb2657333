/** Facts of a loaded model. */
import type { NativeModelInfo } from './native.js'

/** One tensor of the file. */
export interface TensorInfo {
  readonly name: string
  /** The type it is stored in, `Q8_0`. */
  readonly dtype: string
  /** Lengths, the outermost dimension first. */
  readonly shape: readonly number[]
}

/** What a chat template puts around a model's thought, found by rendering it. */
export interface LocalReasoning {
  /** `<think>` */
  readonly open: string
  /** `</think>` */
  readonly close: string
  /** The template's variable that switches thinking: `enable_thinking`. Absent: it has none. */
  readonly variable?: string
}

/** Facts of the file, and of what this load made of it. */
export interface LocalModelInfo {
  readonly path: string
  readonly format: 'gguf' | 'huggingface'
  /** `llama`, `qwen2`, `qwen3`. */
  readonly architecture: string
  /** The name the file gives itself. */
  readonly name?: string
  readonly parameters: number
  readonly fileBytes: number
  /** Types of the weights, most bytes first: `Q4_K, Q6_K`. */
  readonly weightsDtype: string
  readonly vocabSize: number
  readonly embeddingLength: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  /** Tokens the model was trained for. */
  readonly trainedContextTokens: number
  /** Tokens a session of this load holds. */
  readonly contextTokens: number
  readonly bosToken?: number
  /** Every end-of-text and end-of-turn token the file names. */
  readonly endTokens: readonly number[]
  /** The Jinja source that is used; absent: the model has no template and continues raw prompts only. */
  readonly chatTemplate?: string
  /** What the template puts around a thought; absent: it knows none, and nothing of an answer is taken for one. */
  readonly reasoning?: LocalReasoning
  /** `llama (spm)`, `gpt2 (pre qwen2)`. */
  readonly tokenizer: string
  /** Whether the file names the tokens that `infill` needs. */
  readonly infill: boolean
  readonly backend: string
  readonly device: string
  /** The instruction set computed with: `avx2`. */
  readonly isa: string
  /** Threads of the process's one pool. */
  readonly threads: number
  readonly weightsBytes: number
  readonly kvBytesPerToken: number
  /** The file's metadata; arrays longer than 16 are shown as their length. */
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tensors: readonly TensorInfo[]
  /** What the caller should know of the file or of this load. */
  readonly warnings: readonly string[]
}

/** The facts as the engine gives them, with `warnings` of the face behind its own. */
export function modelInfo(native: NativeModelInfo): LocalModelInfo {
  const { hasChatTemplate: _, format, metadata, tensors, ...facts } = native
  return {
    ...facts,
    format: format as LocalModelInfo['format'],
    metadata: JSON.parse(metadata) as LocalModelInfo['metadata'],
    tensors: JSON.parse(tensors) as LocalModelInfo['tensors'],
  }
}
