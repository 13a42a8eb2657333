/** wick: models in this process and behind providers, through one typed stream. This file is the public surface. */
export { isWickError, WickError } from './errors/index.js'
export type { WickErrorCode, WickErrorOptions } from './errors/index.js'
export { generate, generateMany, presets } from './generate/index.js'
export type { Answer, GenerateManyOptions, GenerateOptions, GenerateResult, ManyResult, Preset } from './generate/index.js'
export { convert, load, machine, quantize, support, weightsDtypes } from './local/index.js'
export type {
  AbortOptions,
  Converted,
  ConvertOptions,
  DetokenizeOptions,
  DraftModel,
  EvaluateOptions,
  LoadOptions,
  LocalModel,
  LocalModelInfo,
  LocalReasoning,
  LocalSession,
  LogHook,
  LogLevel,
  LogRecord,
  MachineInfo,
  ModelStats,
  Progress,
  QuantizeOptions,
  SessionOptions,
  Support,
  TensorInfo,
  TokenGenerator,
  TokenizeOptions,
  TokensRequest,
  WeightsDtype,
} from './local/index.js'
export type * from './spec/index.js'
export { Run } from './stream/index.js'
export type { Fold, RunRecipe } from './stream/index.js'
