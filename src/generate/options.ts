/** What `generate` takes, and how it becomes what a model is asked. */
import { check, WickError } from '../errors/index.js'
import type { ChainStep, InfillPrompt, JsonObject, LanguageModel, LanguageRequest, Message, Overflow, Prediction, Prompt, RawPrompt, ReasoningOptions, SampledToken, SamplingOptions, TokenAnswer } from '../spec/index.js'
import { type Preset, presets } from './presets.js'

/** What goes through the model's chat template beside the conversation. */
interface UnderTemplate {
  /** The system message, put in front. */
  readonly system?: string | undefined
  /** Text the answer begins with. It is part of the prompt: the parts and `result.text` hold what follows it. */
  readonly responsePrefix?: string | undefined
  /** Further variables of the template, such as `{ enable_thinking: false }`. */
  readonly templateVariables?: JsonObject | undefined
  /** Whether the model thinks before it answers, and for how long. Default: as its template has it, without limit. */
  readonly reasoning?: ReasoningOptions | undefined
}

/** What a user says. */
interface PromptInput extends UnderTemplate {
  /** What the user says. */
  readonly prompt: string
  readonly messages?: undefined
  readonly raw?: undefined
  readonly infill?: undefined
}

/** A conversation. */
interface MessagesInput extends UnderTemplate {
  readonly prompt?: undefined
  /** The conversation, the newest message last. */
  readonly messages: readonly Message[]
  readonly raw?: undefined
  readonly infill?: undefined
}

/** Text or tokens as they are. */
interface RawInput {
  readonly prompt?: undefined
  readonly messages?: undefined
  /** Text or tokens continued as they are, past the template. */
  readonly raw: RawPrompt
  readonly infill?: undefined
  readonly system?: undefined
  readonly responsePrefix?: undefined
  readonly templateVariables?: undefined
  readonly reasoning?: undefined
}

/** A gap to be filled. */
interface InfillInput {
  readonly prompt?: undefined
  readonly messages?: undefined
  readonly raw?: undefined
  /** The text before and behind a gap; the answer is what belongs in it. For models with `info.infill`. */
  readonly infill: InfillPrompt
  readonly system?: undefined
  readonly responsePrefix?: undefined
  readonly templateVariables?: undefined
  readonly reasoning?: undefined
}

/** What holds for every kind of prompt. */
interface Common extends SamplingOptions {
  readonly model: LanguageModel
  /** Sampling options under one name; those given beside it win over its own. Default: each option's own default. */
  readonly preset?: Preset | undefined
  /** Most tokens to generate, ≥ 1. Default: what the window holds. */
  readonly maxTokens?: number | undefined
  /** Texts that end the answer; they are not part of it. In a thought they are only text. */
  readonly stop?: string | readonly string[] | undefined
  /** What happens when the context window fills. Default `error`. */
  readonly overflow?: Overflow | undefined
  /**
   * How many answers, 1 to 128. They come one after the other and share the computed prompt; with a `seed` answer i has the seed
   * `seed + i`. Default 1.
   */
  readonly n?: number | undefined
  /** Goes on over end-of-text and end-of-turn tokens (for benches). Default false. */
  readonly ignoreEnd?: boolean | undefined
  /**
   * Is told each token before it is taken, and may return ids that stand in its place, or 'stop'; `alternative` is the answer's number
   * (`n`). The model waits for it. Default: nobody is asked, and nothing waits.
   */
  readonly onToken?: ((token: SampledToken, alternative: number) => TokenAnswer | Promise<TokenAnswer>) | undefined
  /**
   * Guesses the next ids from all tokens of prompt and answer so far; `alternative` is the answer's number (`n`). For who knows what is
   * likely to be said (a document that is quoted, code that is edited): right guesses save time, wrong ones cost some, and none changes
   * the answer. It takes the place of the load's `draft`, is asked where an answer pays, and the model waits for it. Not beside `onToken`;
   * `unsupported` where the load's `draft` would be. Default: what the load says.
   */
  readonly predict?: ((tokens: Uint32Array, alternative: number) => Prediction | Promise<Prediction>) | undefined
  /**
   * An integer of 32 bits; where a local model has more to do than it can at once, requests of a higher priority go first, before those
   * that run too, and those of the same take turns. Default 0.
   */
  readonly priority?: number | undefined
  /**
   * What a local model computes of the prompt is shared with requests of the same salt alone, so that nobody can tell from the time of
   * his first token what another user asked. Default: shared with all that have none.
   */
  readonly cacheSalt?: string | undefined
  /** When it aborts, the run throws its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Options of `generate`: one of `prompt`, `messages`, `raw` and `infill`, and what else there is to say. */
export type GenerateOptions = Common & (PromptInput | MessagesInput | RawInput | InfillInput)

type OptionName = keyof Common | keyof PromptInput

const texts = check.either('a string that is not empty, or an array of such', check.someText, check.listOf(check.someText))
const readByTheModel = (): void => {}

function raw(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && ('text' in value || 'tokens' in value)) return
  throw new WickError('invalid-request', `${name} must be { text } or { tokens }.`)
}

function infill(name: string, value: unknown): void {
  check.object(name, value)
  const { prefix, suffix } = value as Partial<InfillPrompt>
  if (typeof prefix !== 'string' || typeof suffix !== 'string') throw new WickError('invalid-request', `${name} must have prefix and suffix, both strings.`)
}

const u32 = check.integer({ min: 0, max: 0xffff_ffff })

/** A row for every option that the engine's sampler reads. */
const samplingChecks = {
  temperature: check.number({ min: 0 }),
  dynamicTemperatureRange: check.number({ min: 0 }),
  dynamicTemperatureExponent: check.number({ above: 0 }),
  topK: u32,
  topP: check.number({ above: 0, max: 1 }),
  minP: check.number({ min: 0, max: 1 }),
  typicalP: check.number({ above: 0, max: 1 }),
  topNSigma: check.number({ min: 0 }),
  xtcProbability: check.number({ min: 0, max: 1 }),
  xtcThreshold: check.number({ above: 0, max: 0.5 }),
  repetitionPenalty: check.number({ above: 0 }),
  frequencyPenalty: check.number({ min: -2, max: 2 }),
  presencePenalty: check.number({ min: -2, max: 2 }),
  penaltyWindow: u32,
  dryMultiplier: check.number({ min: 0 }),
  dryBase: check.number({ min: 1 }),
  dryAllowedLength: check.integer({ min: 1, max: 0xffff_ffff }),
  dryWindow: u32,
  drySequenceBreakers: check.listOf(check.someText),
  logitBias,
  bannedTokens: check.listOf(check.either('a token id or a text that is not empty', u32, check.someText)),
  seed: check.integer({ min: 0 }),
  logprobs: check.integer({ min: 0, max: 20 }),
  chain,
  draw: check.oneOf('categorical', 'gumbel-max', 'mirostat-v1', 'mirostat-v2'),
  mirostatTau: check.number({ above: 0, max: 100 }),
  mirostatEta: check.number({ above: 0, max: 1 }),
} satisfies Record<keyof SamplingOptions, check.Check>

const reasoningChecks = {
  enabled: check.flag,
  budgetTokens: check.integer({ min: 0, max: 0xffff_ffff }),
} satisfies Record<keyof ReasoningOptions, check.Check>

const checks = {
  model: (name, value) => {
    check.object(name, value)
    if ((value as Partial<LanguageModel>).kind !== 'language') throw new WickError('invalid-request', `${name} must be a language model.`)
  },
  prompt: check.text,
  messages: readByTheModel,
  raw,
  infill,
  system: check.text,
  responsePrefix: check.text,
  templateVariables: check.object,
  reasoning: (name, value) => check.checkOptions(name, value as ReasoningOptions, reasoningChecks),
  maxTokens: check.integer({ min: 1, max: 0xffff_ffff }),
  stop: texts,
  overflow: check.either("'error', 'shift' or a function", check.oneOf('error', 'shift'), check.callable),
  n: check.integer({ min: 1, max: 128 }),
  ignoreEnd: check.flag,
  onToken: check.callable,
  predict: check.callable,
  priority: check.integer({ min: -0x8000_0000, max: 0x7fff_ffff }),
  cacheSalt: check.someText,
  signal: check.signal,
  preset: check.oneOf(...Object.keys(presets)),
  ...samplingChecks,
} satisfies Record<OptionName, check.Check>

const chainSteps = [
  'logit-bias', 'penalties', 'dry', 'top-n-sigma', 'top-k', 'typical-p', 'top-p', 'min-p', 'xtc', 'temperature',
] as const satisfies readonly ChainStep[]

function logitBias(name: string, value: unknown): void {
  check.object(name, value)
  for (const [token, bias] of Object.entries(value as object)) {
    check.integer({ min: 0, max: 0xffff_ffff })(`A token id in ${name}`, /^\d+$/.test(token) ? Number(token) : NaN)
    if (bias !== -Infinity) check.number()(`${name}[${token}]`, bias)
  }
}

function chain(name: string, value: unknown): void {
  check.listOf(check.oneOf(...chainSteps))(name, value)
  if (new Set(value as string[]).size < (value as string[]).length) {
    throw new WickError('invalid-request', `${name} names a stage twice.`)
  }
}

/** The request that checked options make; answer `index` of `n` has a seed of its own. */
export function toRequest(options: GenerateOptions, index: number): LanguageRequest {
  const { maxTokens, stop, ignoreEnd, overflow, onToken, predict, priority, cacheSalt, reasoning, n } = options
  const { seed, ...sampling } = toSampling(options)
  return {
    prompt: toPrompt(options),
    sampling: { ...sampling, seed: seed === undefined ? undefined : (seed + index) % (Number.MAX_SAFE_INTEGER + 1) },
    ...(maxTokens !== undefined && { maxTokens }),
    ...(stop !== undefined && { stop: typeof stop === 'string' ? [stop] : stop }),
    ...(ignoreEnd !== undefined && { ignoreEnd }),
    ...(overflow !== undefined && { overflow }),
    ...(onToken !== undefined && { onToken: (token: SampledToken) => onToken(token, index) }),
    ...(predict !== undefined && { predict: (tokens: Uint32Array) => predict(tokens, index) }),
    ...(priority !== undefined && { priority }),
    ...(cacheSalt !== undefined && { cacheSalt }),
    ...(reasoning?.budgetTokens !== undefined && { reasoningBudgetTokens: reasoning.budgetTokens }),
    ...((n ?? 1) > 1 && { alternative: index }),
  }
}

/** The preset's options, and over them those given. */
function toSampling(options: GenerateOptions): SamplingOptions {
  const given = Object.keys(samplingChecks).map((name) => [name, options[name as keyof SamplingOptions]] as const)
  return { ...(options.preset && presets[options.preset]), ...Object.fromEntries(given.filter(([, value]) => value !== undefined)) }
}

function toPrompt({ prompt, messages, raw, infill, system, responsePrefix, templateVariables, reasoning }: GenerateOptions): Prompt {
  if (raw !== undefined) return raw
  if (infill !== undefined) return infill
  const conversation = messages ?? [{ role: 'user' as const, content: prompt }]
  return {
    messages: system === undefined ? conversation : [{ role: 'system', content: system }, ...conversation],
    responsePrefix,
    templateVariables,
    reasoning: reasoning?.enabled,
  }
}

/** Throws `invalid-request` unless the options are what their types say and agree with each other. */
export function checkGenerate(options: GenerateOptions): void {
  check.checkOptions('generate', options, checks)
  check.required('generate', options, 'model')
  const { prompt, messages, raw, infill, system, responsePrefix, templateVariables, reasoning } = options
  const given = Object.entries({ prompt, messages, raw, infill }).filter(([, value]) => value !== undefined)
  if (given.length !== 1) throw new WickError('invalid-request', 'generate takes exactly one of prompt, messages, raw and infill.')
  if (raw !== undefined || infill !== undefined) {
    const useless = Object.entries({ system, responsePrefix, templateVariables, reasoning }).find(([, value]) => value !== undefined)
    if (useless) throw new WickError('invalid-request', `${useless[0]} needs a chat template, and ${raw === undefined ? 'infill' : 'raw'} goes past it.`)
  }
  if (system !== undefined && Array.isArray(messages) && messages.some((message) => message?.role === 'system')) {
    throw new WickError('invalid-request', 'system is given twice: as an option and among the messages.')
  }
}
