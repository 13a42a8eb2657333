//! What a model does at the moment, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::kv::KvBytes;

/// Milliseconds of a slot of [`Rate`].
const SLOT_MS: u64 = 250;

/// Slots that a rate is taken over.
const SLOTS: usize = 8;

/// Figures of one moment, and totals since the load.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// Sessions that hold keys and values, or are computed.
    pub running: usize,
    /// Sessions in line.
    pub waiting: usize,
    /// Bytes of keys and values in use, what the cache keeps included.
    pub kv_used_bytes: u64,
    /// Those of them that only the cache keeps.
    pub kv_cached_bytes: u64,
    /// Most bytes of keys and values.
    pub kv_limit_bytes: u64,
    /// Tokens of prompts that had been computed before, in all.
    pub cache_hit_tokens: u64,
    /// Tokens of prompts, in all.
    pub cache_lookup_tokens: u64,
    /// Sampled tokens a second, over the last two seconds.
    pub tokens_per_second: f64,
    /// Computed tokens of prompts a second, over the last two seconds.
    pub prompt_tokens_per_second: f64,
    /// How often a session gave its keys and values up for another, to compute them again, in all.
    pub preemptions: u64,
    /// Drafted tokens, in all.
    pub draft_proposed_tokens: u64,
    /// Drafted tokens that became part of an answer, in all.
    pub draft_accepted_tokens: u64,
}

/// Counts of the last slots of time.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    counts: [u64; SLOTS],
    /// The slot that was counted in last.
    last: u64,
    /// The first slot since nothing was counted for longer than all slots.
    first: u64,
}

impl Rate {
    fn add(&mut self, slot: u64, count: u64) {
        if slot >= self.last + SLOTS as u64 {
            *self = Self { first: slot, last: slot, ..Self::default() };
        }
        (self.last + 1..=slot).for_each(|slot| self.counts[slot as usize % SLOTS] = 0);
        self.last = slot.max(self.last);
        self.counts[self.last as usize % SLOTS] += count;
    }

    /// A second, seen from `slot`, which is not over yet.
    fn a_second(&self, slot: u64) -> f64 {
        let oldest = slot.saturating_sub(SLOTS as u64 - 1).max(self.first);
        let counted = (oldest..=slot.min(self.last)).filter(|slot| slot + SLOTS as u64 > self.last);
        let sum: u64 = counted.map(|slot| self.counts[slot as usize % SLOTS]).sum();
        sum as f64 * 1e3 / ((slot + 1 - oldest.min(slot)) * SLOT_MS) as f64
    }
}

#[derive(Debug, Default)]
struct Board {
    stats: Stats,
    tokens: Rate,
    prompt_tokens: Rate,
}

/// Where the model's thread writes figures and anybody reads them. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    began: Instant,
    board: Arc<Mutex<Board>>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), board: Arc::default() }
    }

    fn slot(&self) -> u64 {
        self.began.elapsed().as_millis() as u64 / SLOT_MS
    }

    fn with<T>(&self, f: impl FnOnce(&mut Board) -> T) -> T {
        f(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The figures now.
    pub(crate) fn read(&self) -> Stats {
        let slot = self.slot();
        self.with(|board| Stats {
            tokens_per_second: board.tokens.a_second(slot),
            prompt_tokens_per_second: board.prompt_tokens.a_second(slot),
            ..board.stats
        })
    }

    /// Changes totals.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Stats)) {
        self.with(|board| change(&mut board.stats));
    }

    /// So many tokens were sampled.
    pub(crate) fn sampled(&self, tokens: usize) {
        let slot = self.slot();
        self.with(|board| board.tokens.add(slot, tokens as u64));
    }

    /// So many tokens of prompts were computed.
    pub(crate) fn prefilled(&self, tokens: usize) {
        let slot = self.slot();
        self.with(|board| board.prompt_tokens.add(slot, tokens as u64));
    }

    /// Who is there, and what they hold.
    pub(crate) fn show(&self, running: usize, waiting: usize, kv: KvBytes) {
        self.count(|stats| {
            (stats.running, stats.waiting) = (running, waiting);
            (stats.kv_used_bytes, stats.kv_cached_bytes, stats.kv_limit_bytes) = (kv.used, kv.cached, kv.limit);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_two_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.a_second(40), 0.0);
        (40..44).for_each(|slot| rate.add(slot, 10));
        assert_eq!(rate.a_second(43), 40.0, "a second since it began");
        (44..60).for_each(|slot| rate.add(slot, 20));
        assert_eq!(rate.a_second(59), 80.0);
        assert_eq!(rate.a_second(63), 40.0, "half of the slots are empty by now");
        assert_eq!(rate.a_second(80), 0.0);
        rate.add(90, 5);
        assert_eq!(rate.a_second(90), 20.0, "what was long ago does not count");
    }
}
