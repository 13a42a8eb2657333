/**
 * Every flag that more than one command takes, defined once as data: how it is written, its unit and default for `--help`,
 * and how its value is read. Keys are the names the public API uses, so values are handed on as they are.
 *
 * Defaults named here are for people: a flag that is not given is left to the library, so there is one place that decides.
 */
import { type Command, Option } from 'commander'
import { type ChainStep, weightsDtypes } from '../index.js'
import { bias, byteCount, draft, integer, list, metadata, number, oneOf, type Read, someOf, someText, text, token } from './values.js'

/** What `--quantize` takes: F32 would only take more memory. */
const loadDtypes = weightsDtypes.filter((dtype) => dtype !== 'f32')

/** One flag. */
export interface Flag {
  /** As commander reads it: `-x, --long <value>`; without a value it is a switch. */
  flags: string
  /** One line for `--help`, unit and range included. */
  about: string
  /** What holds when it is not given, for `--help`. */
  standard?: string
  /** Absent: a switch. */
  read?: (text: string, earlier: never) => unknown
}

/** A table of flags. */
export type Flags = Record<string, Flag>

/** The values that a table of flags yields; switches are `true` or absent. */
export type Values<T> = { -readonly [K in keyof T]?: T[K] extends { read: Read<infer V> } ? V : true }

/** The steps of the sampler chain, in their default order. */
const chain = [
  'logit-bias', 'penalties', 'dry', 'top-n-sigma', 'top-k', 'typical-p', 'top-p', 'min-p', 'xtc', 'temperature',
] as const satisfies readonly ChainStep[]

/** How tokens are chosen. */
export const sampling = {
  preset: { flags: '--preset <name>', about: 'deterministic, focused, balanced or creative; flags beside it win', standard: 'none', read: oneOf('deterministic', 'focused', 'balanced', 'creative') },
  temperature: { flags: '--temperature <t>', about: 'divides logits; 0 is greedy', standard: '0.8', read: number({ min: 0 }) },
  dynamicTemperatureRange: { flags: '--dynamic-temperature-range <t>', about: 'how far the temperature moves with the entropy, >= 0; 0 is off', standard: '0', read: number({ min: 0 }) },
  dynamicTemperatureExponent: { flags: '--dynamic-temperature-exponent <x>', about: 'power of the entropy that moves it, > 0', standard: '1', read: number({ above: 0 }) },
  topK: { flags: '--top-k <n>', about: 'keep the n most probable tokens; 0 is off', standard: '40', read: integer() },
  topP: { flags: '--top-p <p>', about: 'keep the smallest set of probability p, in (0, 1]; 1 is off', standard: '0.95', read: number({ above: 0, max: 1 }) },
  minP: { flags: '--min-p <p>', about: 'drop tokens below p times the most probable, in [0, 1]; 0 is off', standard: '0.05', read: number({ min: 0, max: 1 }) },
  typicalP: { flags: '--typical-p <p>', about: 'keep tokens nearest to the expected surprise, up to probability p, in (0, 1]; 1 is off', standard: '1', read: number({ above: 0, max: 1 }) },
  topNSigma: { flags: '--top-n-sigma <n>', about: 'keep what is within n standard deviations of the largest logit; 0 is off', standard: '0', read: number({ min: 0 }) },
  xtcProbability: { flags: '--xtc-probability <p>', about: 'how often all top choices but the last are dropped, in [0, 1]; 0 is off', standard: '0', read: number({ min: 0, max: 1 }) },
  xtcThreshold: { flags: '--xtc-threshold <p>', about: 'probability from which a token is a top choice, in (0, 0.5]', standard: '0.1', read: number({ above: 0, max: 0.5 }) },
  repetitionPenalty: { flags: '--repetition-penalty <x>', about: 'weakens tokens in the window, > 0; 1 is off', standard: '1', read: number({ above: 0 }) },
  frequencyPenalty: { flags: '--frequency-penalty <x>', about: 'subtracted once an occurrence, in [-2, 2]', standard: '0', read: number({ min: -2, max: 2 }) },
  presencePenalty: { flags: '--presence-penalty <x>', about: 'subtracted once if it occurs, in [-2, 2]', standard: '0', read: number({ min: -2, max: 2 }) },
  penaltyWindow: { flags: '--penalty-window <n>', about: 'how many of the last tokens the penalties see; 0 is none', standard: '64', read: integer() },
  dryMultiplier: { flags: '--dry-multiplier <x>', about: 'weakens what would prolong a repetition, >= 0; 0 is off, 0.8 usual', standard: '0', read: number({ min: 0 }) },
  dryBase: { flags: '--dry-base <x>', about: 'by what the weakening grows with each token repeated, >= 1', standard: '1.75', read: number({ min: 1 }) },
  dryAllowedLength: { flags: '--dry-allowed-length <n>', about: 'shortest repetition in tokens that is weakened', standard: '2', read: integer({ min: 1 }) },
  dryWindow: { flags: '--dry-window <n>', about: 'how many of the last tokens DRY searches; 0 is none', standard: 'all', read: integer() },
  drySequenceBreakers: { flags: '--dry-sequence-breaker <text>', about: 'text no repetition reaches across; repeatable', standard: 'line end, :, " and *', read: list(someText) },
  bannedTokens: { flags: '--ban <token>', about: 'never chosen: an id, or a text that is one token; repeatable', read: list(token) },
  logitBias: { flags: '--logit-bias <id=bias>', about: 'added to one token\'s logit; -inf forbids it; repeatable', read: bias },
  chain: { flags: '--chain <steps>', about: 'steps and their order, by commas; one left out is off', standard: chain.join(','), read: someOf(...chain) },
  draw: { flags: '--draw <how>', about: 'categorical, gumbel-max, mirostat-v1 or mirostat-v2', standard: 'categorical', read: oneOf('categorical', 'gumbel-max', 'mirostat-v1', 'mirostat-v2') },
  mirostatTau: { flags: '--mirostat-tau <bits>', about: 'surprise mirostat aims at, in bits a token, in (0, 100]', standard: '5', read: number({ above: 0, max: 100 }) },
  mirostatEta: { flags: '--mirostat-eta <x>', about: 'how fast mirostat follows an error, in (0, 1]', standard: '0.1', read: number({ above: 0, max: 1 }) },
  seed: { flags: '--seed <n>', about: 'same seed, same answer; 0 to 2^53 - 1', standard: 'drawn', read: integer() },
} satisfies Flags

/** When an answer ends, and what comes with it. */
export const generation = {
  maxTokens: { flags: '-n, --max-tokens <n>', about: 'most tokens to generate', standard: 'what the window holds', read: integer({ min: 1 }) },
  stop: { flags: '--stop <text>', about: 'ends the answer and is left out of it; repeatable', read: list(someText) },
  ignoreEnd: { flags: '--ignore-eos', about: 'goes on over end-of-text and end-of-turn tokens' },
  logprobs: { flags: '--logprobs <n>', about: 'log-probability of each token and its n alternatives, 0 to 20', read: integer({ min: 0, max: 20 }) },
  overflow: { flags: '--overflow <how>', about: 'when the window is full: error, or shift (drop the oldest turns)', standard: 'error', read: oneOf('error', 'shift') },
} satisfies Flags

/** How a model thinks before it answers. */
export const reasoning = {
  reasoning: { flags: '--reasoning <how>', about: 'on or off: whether the model thinks first, by its template\'s own variable', standard: 'as the template has it', read: oneOf('on', 'off') },
  reasoningBudget: { flags: '--reasoning-budget <n>', about: 'most tokens of a thought, then it is closed and the answer goes on; 0 is none', standard: 'no limit', read: integer({ max: 0xffff_ffff }) },
  hideReasoning: { flags: '--hide-reasoning', about: 'shows no thoughts; they are dimmed on stderr where that is a terminal' },
} satisfies Flags

/** What goes into a conversation beside the user's words. */
export const conversation = {
  system: { flags: '--system <text>', about: 'system message', read: text },
  responsePrefix: { flags: '--response-prefix <text>', about: 'text the answer begins with; it is part of the prompt', read: text },
} satisfies Flags

/** How a model is loaded. */
export const loading = {
  ctx: { flags: '-c, --ctx <tokens>', about: 'context window in tokens', standard: 'auto, from what memory allows', read: integer({ min: 1 }) },
  threads: { flags: '-t, --threads <n>', about: 'threads to compute with', standard: 'WICK_THREADS, else one a physical core', read: integer({ min: 1 }) },
  device: { flags: '--device <name>', about: 'auto, cpu, cuda or metal', standard: 'auto', read: oneOf('auto', 'cpu', 'cuda', 'metal') },
  backend: { flags: '--backend <name>', about: 'cpu (wick\'s kernels), candle, or reference (slow, plain f32)', standard: 'cpu on x86-64, else candle', read: oneOf('cpu', 'candle', 'reference') },
  chatTemplate: { flags: '--chat-template <file>', about: 'Jinja template used instead of the model\'s', read: text },
  metadata: { flags: '--metadata <key=value>', about: 'overrides a metadata key of the file (value: JSON or text); repeatable', read: metadata },
  noMmap: { flags: '--no-mmap', about: 'reads the file into memory instead of mapping it' },
  mlock: { flags: '--mlock', about: 'keeps the weights from being swapped out' },
  quantize: { flags: '--quantize <type>', about: `gives F32, F16 and BF16 matrices this type while loading: ${loadDtypes.join(', ')}`, standard: 'as the file has them', read: oneOf(...loadDtypes) },
  kvType: { flags: '--kv-type <type>', about: 'how keys and values are kept: f16, q8_0 (half the memory) or f32', standard: 'f16', read: oneOf('f16', 'q8_0', 'f32') },
  maxSessions: { flags: '--max-sessions <n>', about: 'most requests computed side by side, 1 to 1024; others wait', standard: '64', read: integer({ min: 1, max: 1024 }) },
  kvBytes: { flags: '--kv-bytes <size>', about: 'most bytes of keys and values, kept ones included: 2gb, 512mib', standard: 'what memory allows', read: byteCount({ min: 1 }) },
  prefixCacheBytes: { flags: '--prefix-cache-bytes <size>', about: 'most bytes of keys and values kept of what has ended; 0 keeps none', standard: 'no limit but --kv-bytes', read: byteCount({ min: 0 }) },
  draft: { flags: '--draft <how>', about: 'what guesses tokens ahead: prompt-lookup, none, or the file of a smaller model', standard: 'prompt-lookup on cpu and reference', read: draft },
} satisfies Flags

/** What is printed. */
export const output = {
  json: { flags: '--json', about: 'JSON on stdout' },
} satisfies Flags

/** What every command takes. */
export const common = {
  verbose: { flags: '-v, --verbose', about: 'log at level info, figures, and stacks of errors' },
  logLevel: { flags: '--log-level <level>', about: 'log on stderr: silent, warn, info or debug', standard: 'warn', read: oneOf('silent', 'warn', 'info', 'debug') },
} satisfies Flags

/** Adds a table of flags to a command; `wording` says it differently where a command needs that. */
export function addFlags<T extends Flags>(command: Command, table: T, wording: Partial<Record<keyof T, string>> = {}): Command {
  for (const [name, flag] of Object.entries(table) as Array<[keyof T & string, Flag]>) {
    const standard = flag.standard === undefined ? '' : ` (default: ${flag.standard})`
    const option = new Option(flag.flags, wording[name] ?? flag.about + standard)
    if (flag.read) option.argParser(flag.read as Read<unknown>)
    command.addOption(option)
  }
  return command
}

/** The values of a table among all that was parsed. */
export function pick<T extends Flags>(table: T, parsed: Record<string, unknown>): Values<T> {
  const values: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(table) as Array<[string, Flag]>) {
    const attribute = new Option(flag.flags, '').attributeName()
    const value = parsed[attribute]
    const negated = flag.flags.startsWith('--no-')
    if (value !== undefined && !(negated && value === true)) values[name] = negated ? true : value
  }
  return values as Values<T>
}
