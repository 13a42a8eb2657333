/** The verbs. */
export { generate } from './generate.js'
export { generateMany } from './many.js'
export type { GenerateManyOptions, ManyResult } from './many.js'
export type { GenerateOptions } from './options.js'
export { type Preset, presets } from './presets.js'
export type { Answer, GenerateResult } from './result.js'
