/**
 * How a token is chosen from logits.
 *
 * The defaults are the engine's (`crates/spec/src/sampling.rs`); an option that is absent is not sent.
 */

/** One stage of the sampler chain. */
export type ChainStep = 'logit-bias' | 'penalties' | 'top-k' | 'top-p' | 'min-p' | 'temperature'

/** Every sampling option. */
export interface SamplingOptions {
  /** ≥ 0; 0 takes the most probable token. Default 0.8. */
  readonly temperature?: number | undefined
  /** Keeps that many of the most probable tokens; 0 is off. Default 40. */
  readonly topK?: number | undefined
  /** Keeps the smallest set of tokens whose probability reaches it; in (0, 1], 1 is off. Default 0.95. */
  readonly topP?: number | undefined
  /** Drops tokens less probable than this share of the most probable; in [0, 1], 0 is off. Default 0.05. */
  readonly minP?: number | undefined
  /** Divides positive and multiplies negative logits of tokens in the penalty window; > 0, 1 is off. Default 1. */
  readonly repetitionPenalty?: number | undefined
  /** Subtracted from a logit once for each occurrence in the penalty window; in [-2, 2]. Default 0. */
  readonly frequencyPenalty?: number | undefined
  /** Subtracted from a logit once if the token occurs in the penalty window; in [-2, 2]. Default 0. */
  readonly presencePenalty?: number | undefined
  /** How many of the last tokens, of prompt and answer, the penalties see; 0 is none. Default 64. */
  readonly penaltyWindow?: number | undefined
  /** What is added to logits, by token id; `-Infinity` forbids the token. Default none. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
  /** Integer in [0, 2^53 - 1]. The same seed, model and request give the same tokens. Default: drawn from the system. */
  readonly seed?: number | undefined
  /**
   * Each delta carries its tokens with their log-probabilities, and that many of the most probable alternatives (0 to 20), by
   * the model's own distribution before the chain. Default: none.
   */
  readonly logprobs?: number | undefined
  /** The order of the stages. Default: `logit-bias`, `penalties`, `top-k`, `top-p`, `min-p`, `temperature`. */
  readonly chain?: readonly ChainStep[] | undefined
}
