/** Files from files: a Hugging Face folder as GGUF, a GGUF file in smaller types. */
import { check } from '../errors/index.js'
import { openAddon } from './addon.js'
import type { NativeConvertOptions } from './native.js'
import { type Watch, watched } from './progress.js'

/**
 * The types weights can be written in. Names of K-quants are llama.cpp's mixes: most matrices are Q5_K or Q4_K, those where errors hurt
 * most have more bits, more of them in `_m` than in `_s`.
 */
export type WeightsDtype = (typeof weightsDtypes)[number]

/** All of them, those of more bits first. */
export const weightsDtypes = ['f32', 'f16', 'bf16', 'q8_0', 'q6_k', 'q5_k_m', 'q5_k_s', 'q5_1', 'q5_0', 'q4_k_m', 'q4_k_s', 'q4_0'] as const

/** What to make of which files. */
interface Files extends Watch {
  /** The `.gguf` file to write; it appears when it is complete. */
  readonly to: string
}

/** Options of `convert`. */
export interface ConvertOptions extends Files {
  /** A Hugging Face folder. */
  readonly from: string
  /** The type of the matrices. Default: as they are stored. */
  readonly dtype?: WeightsDtype | undefined
}

/** Options of `quantize`. */
export interface QuantizeOptions extends Files {
  /** A `.gguf` file. */
  readonly from: string
  /** The types of the matrices. */
  readonly dtype: WeightsDtype
}

/** What was written. */
export interface Converted {
  readonly bytes: number
  readonly tensors: number
  /** What the caller should know, such as tensors that kept their type. */
  readonly warnings: readonly string[]
}

const checks = {
  from: check.someText,
  to: check.someText,
  dtype: check.oneOf(...weightsDtypes),
  onProgress: check.callable,
  signal: check.signal,
} satisfies Record<keyof QuantizeOptions, check.Check>

/** Writes a Hugging Face folder as one GGUF file. */
export async function convert(options: ConvertOptions): Promise<Converted> {
  check.checkOptions('convert', options, checks)
  return run('convert', options)
}

/** Writes a GGUF file anew with its matrices in another type. */
export async function quantize(options: QuantizeOptions): Promise<Converted> {
  check.checkOptions('quantize', options, checks)
  check.required('quantize', options, 'dtype')
  return run('quantize', options)
}

async function run(verb: string, options: ConvertOptions): Promise<Converted> {
  check.required(verb, options, 'from', 'to')
  const { from, to, dtype } = options
  const asked: NativeConvertOptions = { from, to, ...(dtype !== undefined && { dtype }) }
  options.signal?.throwIfAborted()
  const { NativeConversion } = await openAddon()
  const conversion = new NativeConversion(asked)
  return watched(options, () => conversion.cancel(), (report) => conversion.run(report))
}
