/**
 * Sampling options under one name.
 *
 * A preset says only what it is about: what it leaves out has its default, and an option given beside it wins.
 */
import type { SamplingOptions } from '../spec/index.js'

/** The names there are. */
export type Preset = 'deterministic' | 'focused' | 'balanced' | 'creative'

/** What each preset sets. */
export const presets = {
  /** The most probable token, always: for extraction, code, tests. */
  deterministic: { temperature: 0 },
  /** Close to the most probable: for facts, summaries, instructions. */
  focused: { temperature: 0.4, topK: 40, topP: 0.9, minP: 0.1 },
  /** For conversation. */
  balanced: { temperature: 0.7, topK: 40, topP: 0.95, minP: 0.05 },
  /** A wide choice without the tail, and nothing said twice: for stories and ideas. */
  creative: { temperature: 1.1, topK: 0, topP: 1, minP: 0.05, xtcProbability: 0.3, xtcThreshold: 0.1, dryMultiplier: 0.8 },
} as const satisfies Record<Preset, SamplingOptions>
