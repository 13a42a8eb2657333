//! Softmax attention of new rows over their sequences' keys and values, read where they lie in their blocks.
//!
//! A task is a kv-head and a tile of consecutive rows of one sequence, with all heads that share the kv-head: they read each key
//! and value once. It goes through the positions block by block with a running maximum and sum (Milakov & Gimelshein 2018, Dao et
//! al. 2022). Every 512 positions, counted from the sequence's beginning, that starts anew, and the parts are merged in order; so
//! a long sequence's parts may be computed by several threads, and no bit of a row depends on how, or on what rows are beside it.

mod kept;
mod kv;
mod part;
mod plan;
mod product;
mod task;
#[cfg(test)]
mod tests;
mod tile;
mod vector;

use std::ops::Range;

use wick_spec::Stop;

use crate::{Isa, Pool, SMALL};
pub use kv::{Cache, KvLayout, KvType, POSITIONS, write};
use plan::{Task, plan};
use task::Call;

/// The sizes of an attention step.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// h.
    pub heads: usize,
    /// g, a divisor of h.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// What q·k is multiplied by.
    pub scale: f32,
    /// What scores are capped by, more than 0: `cap · tanh(score / cap)`.
    pub softcap: Option<f32>,
    /// Tokens a token sees, itself included, 1 and up; all before it without one.
    pub window: Option<usize>,
}

/// One sequence of the batch.
#[derive(Debug, Clone)]
pub struct Sequence<'a> {
    /// Its rows in the batch: the first is token `cached`.
    pub rows: Range<usize>,
    /// Tokens before them.
    pub cached: usize,
    /// Where its tokens are: token n is place n % 32 of block `blocks[n / 32]`.
    pub blocks: &'a [u32],
}

/// What [`attend`] keeps from call to call, so that it allocates nothing once it has grown.
#[derive(Debug, Default)]
pub struct AttentionScratch {
    tasks: Vec<Task>,
    parts: Vec<f32>,
}

/// Attention of the rows of `sequences`, which come in order and do not overlap, over all tokens up to their own, which the cache
/// holds: `out`, `q`: (t, h, d). `sinks` has a logit for each head that takes part in the softmax's sum and has no value (Xiao et
/// al. 2023). Rows of no sequence are left alone. When `stop` is set what is left is skipped, and `out` is undefined.
///
/// On one instruction set a row's result is the same to the bit whatever rows are computed with it and on however many threads.
/// Places that no row may see are not looked at. A row whose scores are all minus infinity is 0.
///
/// # Panics
/// When the sizes of what is given do not fit.
#[allow(clippy::too_many_arguments)]
pub fn attend(
    isa: Isa,
    pool: &Pool,
    heads: Heads,
    sinks: Option<&[f32]>,
    cache: &Cache<'_>,
    sequences: &[Sequence<'_>],
    q: &[f32],
    out: &mut [f32],
    scratch: &mut AttentionScratch,
    stop: &Stop,
) {
    check(heads, sinks, cache, sequences, q, out);
    let AttentionScratch { tasks, parts } = scratch;
    let (work, floats) = plan(heads, sequences, pool.threads(), tasks);
    if parts.len() < floats {
        parts.resize(floats, 0.0);
    }
    let call = Call { heads, sinks, cache, sequences, q: q.as_ptr(), out: out.as_mut_ptr(), parts: parts.as_mut_ptr() };
    let each = |range: Range<usize>| {
        for task in &tasks[range] {
            if stop.is_set() {
                return;
            }
            // SAFETY: the task is of this call, whose sizes were checked; no two tasks write the same rows and heads, or parts.
            unsafe { call.run(isa, task) };
        }
    };
    if work > SMALL {
        pool.each(tasks.len(), &each)
    } else {
        each(0..tasks.len())
    }
    if floats > 0 && !stop.is_set() {
        // SAFETY: as above, and the parts are there.
        unsafe { call.merge(isa, tasks) };
    }
}

/// What keeps every access inside its slice.
fn check(heads: Heads, sinks: Option<&[f32]>, cache: &Cache<'_>, sequences: &[Sequence<'_>], q: &[f32], out: &[f32]) {
    let Heads { heads: h, kv_heads: g, head_dim: d, window, .. } = heads;
    assert!(d > 0 && g > 0 && h > 0 && h.is_multiple_of(g), "h heads in g groups");
    assert!(window != Some(0), "a window of 1 and up");
    let layout = cache.layout();
    assert!(layout.kv_heads == g && layout.head_dim == d, "a cache of these heads");
    assert!(sinks.is_none_or(|sinks| sinks.len() == h), "a sink for each head");
    assert!(q.len() == out.len() && q.len().is_multiple_of(h * d), "(t, h, d)");
    let mut end = 0;
    for Sequence { rows, cached, blocks } in sequences {
        assert!(rows.start >= end && rows.end >= rows.start && rows.end * h * d <= q.len(), "rows in order");
        end = rows.end;
        let first = heads.seen(*cached).start / POSITIONS;
        let last = (cached + rows.len()).div_ceil(POSITIONS);
        assert!(rows.is_empty() || blocks.len() >= last, "a block for each 32 tokens");
        let known = |block: &u32| (*block as usize) < cache.blocks();
        assert!(rows.is_empty() || blocks[first..last].iter().all(known), "blocks of the cache");
    }
}

impl Heads {
    /// The tokens that token n sees.
    fn seen(self, n: usize) -> Range<usize> {
        self.window.map_or(0, |window| (n + 1).saturating_sub(window))..n + 1
    }

    /// Heads that share a kv-head.
    fn group(self) -> usize {
        self.heads / self.kv_heads
    }
}
