/** What a model does at the moment. */
import type { NativeStats } from './native.js'

/** Figures of one moment, and totals since the load. */
export interface ModelStats {
  readonly sessions: {
    /** Requests that are computed, or hold keys and values. */
    readonly running: number
    /** Requests in line. */
    readonly waiting: number
  }
  /** Keys and values, in bytes. */
  readonly kv: {
    /** In use, what is kept of ended requests included. */
    readonly usedBytes: number
    /** Those of them that are only kept: they make room when it is needed. */
    readonly cachedBytes: number
    /** Most there may be. */
    readonly limitBytes: number
  }
  /** Of all prompts since the load, in tokens. */
  readonly prefixCache: {
    /** Those that had been computed before. */
    readonly hitTokens: number
    /** All. */
    readonly lookupTokens: number
  }
  /** Tokens sampled a second, of all requests together, over the last two seconds. */
  readonly tokensPerSecond: number
  /** Prompt tokens computed a second, over the last two seconds. */
  readonly promptTokensPerSecond: number
  /** How often a request gave its keys and values up for another, to compute them again. */
  readonly preemptions: number
  /** Tokens guessed ahead, since the load. */
  readonly draft: {
    readonly proposedTokens: number
    /** Those that the model said too. */
    readonly acceptedTokens: number
  }
}

/** The figures as the engine gives them, in groups. */
export function modelStats(native: NativeStats): ModelStats {
  const { tokensPerSecond, promptTokensPerSecond, preemptions } = native
  return {
    sessions: { running: native.runningSessions, waiting: native.waitingSessions },
    kv: { usedBytes: native.kvUsedBytes, cachedBytes: native.kvCachedBytes, limitBytes: native.kvLimitBytes },
    prefixCache: { hitTokens: native.cacheHitTokens, lookupTokens: native.cacheLookupTokens },
    tokensPerSecond,
    promptTokensPerSecond,
    preemptions,
    draft: { proposedTokens: native.draftProposedTokens, acceptedTokens: native.draftAcceptedTokens },
  }
}
