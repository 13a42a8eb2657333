/** Tokens counted and time taken, on every result. */

/** Tokens counted. */
export interface Usage {
  /** All tokens of the prompt, cached ones included. */
  readonly promptTokens: number
  /** Those of them that had been computed before. */
  readonly cachedTokens: number
  /** Tokens sampled, the ending one included. */
  readonly completionTokens: number
  /** Those of them that were the model's thought, what opens and closes it included. */
  readonly reasoningTokens: number
}

/** Wall-clock figures of one generation. */
export interface Timings {
  /** From the request's arrival at the engine to its first computation. */
  readonly queuedMs: number
  /** Computing the prompt. */
  readonly promptMs: number
  /** From arrival to the first sampled token. */
  readonly firstTokenMs: number
  /** From the first sampled token to the last. */
  readonly decodeMs: number
  /** Prompt tokens computed a second; cached ones are not counted. */
  readonly promptTokensPerSecond: number
  /** Tokens sampled after the first, a second. */
  readonly tokensPerSecond: number
}

/** A token that could have been chosen. */
export interface AlternativeToken {
  readonly id: number
  /** The token's own text; bytes that are not whole characters show as U+FFFD. */
  readonly text: string
  /** Natural log of its probability. */
  readonly logprob: number
}

/** A token that was chosen. */
export interface TokenInfo extends AlternativeToken {
  /** The most probable tokens, best first; as many as were asked for. */
  readonly top: readonly AlternativeToken[]
}

/** Something the caller should know and that did not stop the work. */
export interface Warning {
  /** A sentence for people. */
  readonly message: string
}
