/**
 * How a token is chosen from logits.
 *
 * The defaults are the engine's (`crates/spec/src/sampling.rs`); an option that is absent is not sent.
 */

/** One stage of the sampler chain. */
export type ChainStep =
  | 'logit-bias'
  | 'penalties'
  | 'dry'
  | 'top-n-sigma'
  | 'top-k'
  | 'typical-p'
  | 'top-p'
  | 'min-p'
  | 'xtc'
  | 'temperature'

/**
 * How one of the tokens that the chain leaves is drawn.
 *
 * - `categorical`: by its probability.
 * - `gumbel-max`: the largest of logit plus Gumbel noise, which is the same distribution; a token's noise does not depend on which
 *   others are left.
 * - `mirostat-v1`, `mirostat-v2`: cut so that the answer's surprise stays near `mirostatTau` (Basu et al. 2020). They find the cut
 *   by themselves: the filters (`topK`, `topP`, `minP`, `typicalP`, `topNSigma`, XTC) are off beside them and cannot be given.
 */
export type Draw = 'categorical' | 'gumbel-max' | 'mirostat-v1' | 'mirostat-v2'

/** Every sampling option. */
export interface SamplingOptions {
  /** ≥ 0; 0 takes the most probable token. Default 0.8. */
  readonly temperature?: number | undefined
  /**
   * How far the temperature moves to either side of `temperature` with the entropy of what is left; ≥ 0, 0 is off. Default 0.
   */
  readonly dynamicTemperatureRange?: number | undefined
  /** The power to which the entropy's share of the largest possible is taken first; > 0. Default 1. */
  readonly dynamicTemperatureExponent?: number | undefined
  /** Keeps that many of the most probable tokens; 0 is off. Default 40. */
  readonly topK?: number | undefined
  /** Keeps the smallest set of tokens whose probability reaches it; in (0, 1], 1 is off. Default 0.95. */
  readonly topP?: number | undefined
  /** Drops tokens less probable than this share of the most probable; in [0, 1], 0 is off. Default 0.05. */
  readonly minP?: number | undefined
  /**
   * Keeps the tokens whose surprise is nearest to the expected one, up to this share of the probability (Meister et al. 2022); in
   * (0, 1], 1 is off. Default 1.
   */
  readonly typicalP?: number | undefined
  /** Keeps what is within so many standard deviations of the largest logit (Tang et al. 2024); ≥ 0, 0 is off. Default 0. */
  readonly topNSigma?: number | undefined
  /** How often XTC drops every top choice but the least probable; in [0, 1], 0 is off. Default 0. */
  readonly xtcProbability?: number | undefined
  /** The probability from which a token is a top choice of XTC; in (0, 0.5]. Default 0.1. */
  readonly xtcThreshold?: number | undefined
  /** Divides positive and multiplies negative logits of tokens in the penalty window; > 0, 1 is off. Default 1. */
  readonly repetitionPenalty?: number | undefined
  /** Subtracted from a logit once for each occurrence in the penalty window; in [-2, 2]. Default 0. */
  readonly frequencyPenalty?: number | undefined
  /** Subtracted from a logit once if the token occurs in the penalty window; in [-2, 2]. Default 0. */
  readonly presencePenalty?: number | undefined
  /** How many of the last tokens, of prompt and answer, the penalties see; 0 is none. Default 64. */
  readonly penaltyWindow?: number | undefined
  /**
   * DRY: a token that would prolong a repetition of l ≥ `dryAllowedLength` tokens loses `dryMultiplier * dryBase ** (l -
   * dryAllowedLength)`; ≥ 0, 0 is off, 0.8 is usual. Default 0.
   */
  readonly dryMultiplier?: number | undefined
  /** ≥ 1. Default 1.75. */
  readonly dryBase?: number | undefined
  /** The shortest repetition, in tokens, that costs something; ≥ 1. Default 2. */
  readonly dryAllowedLength?: number | undefined
  /** How many of the last tokens, of prompt and answer, DRY searches; 0 is none. Default all. */
  readonly dryWindow?: number | undefined
  /** Up to 256 texts of up to 40 bytes that no repetition reaches across. Default `['\n', ':', '"', '*']`. */
  readonly drySequenceBreakers?: readonly string[] | undefined
  /**
   * Tokens that are never chosen, whatever the chain: ids, or up to 256 texts that are one token of the model each (of a control
   * token, its name). Default none.
   */
  readonly bannedTokens?: readonly (number | string)[] | undefined
  /** What is added to logits, by token id; `-Infinity` forbids the token. Default none. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined
  /** Integer in [0, 2^53 - 1]. The same seed, model and request give the same tokens. Default: drawn from the system. */
  readonly seed?: number | undefined
  /**
   * Each delta carries its tokens with their log-probabilities, and that many of the most probable alternatives (0 to 20), by
   * the model's own distribution before the chain. Default: none.
   */
  readonly logprobs?: number | undefined
  /**
   * The order of the stages; one left out is off. Default: `logit-bias`, `penalties`, `dry`, `top-n-sigma`, `top-k`, `typical-p`,
   * `top-p`, `min-p`, `xtc`, `temperature`.
   */
  readonly chain?: readonly ChainStep[] | undefined
  /** How one of what is left is drawn. Default `categorical`. */
  readonly draw?: Draw | undefined
  /** The surprise mirostat aims at, in bits a token; in (0, 100]. Default 5. */
  readonly mirostatTau?: number | undefined
  /** How fast mirostat follows an error; in (0, 1]. Default 0.1. */
  readonly mirostatEta?: number | undefined
}
