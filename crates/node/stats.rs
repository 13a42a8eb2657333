//! What a model does, as it crosses.

use napi_derive::napi;
use wick_engine::Stats;

/// Figures of one moment, and totals since the load.
#[napi(object, object_from_js = false)]
pub struct NativeStats {
    /// Sessions that hold keys and values, or are computed.
    pub running_sessions: u32,
    /// Sessions in line.
    pub waiting_sessions: u32,
    /// Bytes of keys and values in use, what the cache keeps included.
    pub kv_used_bytes: f64,
    /// Those of them that only the cache keeps.
    pub kv_cached_bytes: f64,
    pub kv_limit_bytes: f64,
    /// Tokens of prompts that had been computed before, in all.
    pub cache_hit_tokens: f64,
    /// Tokens of prompts, in all.
    pub cache_lookup_tokens: f64,
    /// Over the last two seconds.
    pub tokens_per_second: f64,
    /// Over the last two seconds.
    pub prompt_tokens_per_second: f64,
    /// How often a session gave its keys and values up for another, in all.
    pub preemptions: f64,
    /// In all.
    pub draft_proposed_tokens: f64,
    /// Of those, what became part of an answer.
    pub draft_accepted_tokens: f64,
}

impl From<Stats> for NativeStats {
    fn from(stats: Stats) -> Self {
        Self {
            running_sessions: stats.running as u32,
            waiting_sessions: stats.waiting as u32,
            kv_used_bytes: stats.kv_used_bytes as f64,
            kv_cached_bytes: stats.kv_cached_bytes as f64,
            kv_limit_bytes: stats.kv_limit_bytes as f64,
            cache_hit_tokens: stats.cache_hit_tokens as f64,
            cache_lookup_tokens: stats.cache_lookup_tokens as f64,
            tokens_per_second: stats.tokens_per_second,
            prompt_tokens_per_second: stats.prompt_tokens_per_second,
            preemptions: stats.preemptions as f64,
            draft_proposed_tokens: stats.draft_proposed_tokens as f64,
            draft_accepted_tokens: stats.draft_accepted_tokens as f64,
        }
    }
}
