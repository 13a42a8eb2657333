/** Files from files: a Hugging Face folder as GGUF, a GGUF file in smaller types. */
import { check } from '../errors/index.js'
import { openAddon } from './addon.js'
import type { NativeConvertOptions } from './native.js'
import { type Watch, watched } from './progress.js'

/** The types weights can be written in. */
export type WeightsDtype = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0'

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
  /** The type of the matrices. */
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
  dtype: check.oneOf('f32', 'f16', 'bf16', 'q8_0', 'q4_0'),
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
