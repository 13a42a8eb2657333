//! Attention of new rows over their sequences' keys and values, read where they lie in their blocks.
//!
//! A task is one kv-head and a tile of consecutive rows of one sequence, so that the heads that share the kv-head read each key
//! and value once. Its scores are held whole: the tile is made so small that they fit the cache.

use std::cell::RefCell;
use std::ops::Range;

use wick_kernels::rows;
use wick_spec::Stop;

use super::product::{View, product};
use super::rows::isa;
use crate::candle::kv::runs;
use crate::pool::{Shared, each};

/// The sizes of an attention step.
#[derive(Debug, Clone, Copy)]
pub(in crate::candle) struct Heads {
    /// h.
    pub(in crate::candle) heads: usize,
    /// g, a divisor of h.
    pub(in crate::candle) kv_heads: usize,
    /// d.
    pub(in crate::candle) head_dim: usize,
    /// What q·k is multiplied by.
    pub(in crate::candle) scale: f32,
    /// What scores are capped by.
    pub(in crate::candle) softcap: Option<f32>,
    /// Tokens a token sees, itself included; all before it without one.
    pub(in crate::candle) window: Option<usize>,
}

/// One sequence of the batch.
#[derive(Debug, Clone)]
pub(in crate::candle) struct Sequence<'a> {
    /// Its rows in the batch.
    pub(in crate::candle) rows: Range<usize>,
    /// Tokens before them.
    pub(in crate::candle) cached: usize,
    /// Where its tokens are.
    pub(in crate::candle) blocks: &'a [u32],
}

/// Rows of scores a task has at most, and scores, so that they stay in the second-level cache.
const TILE_ROWS: usize = 64;
const TILE_SCORES: usize = 1 << 16;

struct Task {
    sequence: usize,
    kv_head: usize,
    /// Rows of the sequence, from 0.
    rows: Range<usize>,
}

/// Softmax attention: `out`, `q`: (t, h, d); `keys`, `values`: (slots, g, d), the new rows' own included. When `stop` is set what
/// is left is skipped, and `out` is undefined.
pub(in crate::candle) fn attend(
    heads: Heads,
    sequences: &[Sequence<'_>],
    q: &[f32],
    (keys, values): (&[f32], &[f32]),
    out: &mut [f32],
    stop: &Stop,
) {
    let (tasks, work) = tasks(heads, sequences);
    let out = Shared(out.as_mut_ptr());
    let call = Call { heads, sequences, q, keys, values, out };
    each(tasks.len(), work, |range| {
        SCRATCH.with_borrow_mut(|scratch| {
            for task in &tasks[range] {
                if stop.is_set() {
                    return;
                }
                call.run(task, scratch);
            }
        });
    });
}

/// The tasks, longest sequences' last rows not apart from their first: order does not matter, the pool hands them out. With the
/// multiply-adds of all.
fn tasks(heads: Heads, sequences: &[Sequence<'_>]) -> (Vec<Task>, usize) {
    let group = heads.heads / heads.kv_heads;
    let (mut tasks, mut work) = (Vec::new(), 0);
    for (at, sequence) in sequences.iter().enumerate() {
        let t = sequence.rows.len();
        let seen = heads.window.map_or(usize::MAX, |window| window + TILE_ROWS).min(sequence.cached + t);
        let tile = (TILE_ROWS.min(TILE_SCORES / seen.max(1)) / group).clamp(1, t);
        work += 2 * t * seen * heads.heads * heads.head_dim;
        for kv_head in 0..heads.kv_heads {
            let starts = (0..t).step_by(tile);
            tasks.extend(starts.map(|start| Task { sequence: at, kv_head, rows: start..t.min(start + tile) }));
        }
    }
    (tasks, work)
}

#[derive(Default)]
struct Scratch {
    /// (rows · group, d), scaled.
    q: Vec<f32>,
    /// (rows · group, seen).
    scores: Vec<f32>,
    /// (rows · group, d).
    out: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

struct Call<'a> {
    heads: Heads,
    sequences: &'a [Sequence<'a>],
    q: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    out: Shared,
}

impl<'a> Call<'a> {
    fn run(&self, task: &Task, scratch: &mut Scratch) {
        let Heads { heads: h, kv_heads: g, head_dim: d, scale, softcap, window } = self.heads;
        let (sequence, group) = (&self.sequences[task.sequence], h / g);
        let visible = |row: usize| {
            let end = sequence.cached + row + 1;
            end - window.unwrap_or(end).min(end)..end
        };
        let seen = visible(task.rows.start).start..visible(task.rows.end - 1).end;
        let (m, n) = (task.rows.len() * group, seen.len());
        let place = |i: usize| {
            let row = sequence.rows.start + task.rows.start + i / group;
            (row * h + task.kv_head * group + i % group) * d
        };

        scratch.q.clear();
        for i in 0..m {
            scratch.q.extend(self.q[place(i)..][..d].iter().map(|q| q * scale));
        }
        scratch.scores.clear();
        scratch.scores.resize(m * n, 0.0);
        scratch.out.clear();
        scratch.out.resize(m * d, 0.0);

        // (tokens, d) from a slot on, of this kv-head.
        let kv = |of: &'a [f32], slot: usize| View { values: &of[(slot * g + task.kv_head) * d..], row: g * d, column: 1 };
        for (slot, run) in runs(sequence.blocks, seen.clone()) {
            let (q, keys) = (View { values: &scratch.q, row: d, column: 1 }, kv(self.keys, slot).turned());
            product((m, run.len(), d), &mut scratch.scores[run.start - seen.start..], n, q, keys, false);
        }
        let mut sums = [0.0; TILE_ROWS];
        let mut more = Vec::new();
        let sums = if m <= TILE_ROWS {
            &mut sums[..m]
        } else {
            more.resize(m, 0.0);
            &mut more[..]
        };
        for (i, sum) in sums.iter_mut().enumerate() {
            let visible = visible(task.rows.start + i / group);
            let row = &mut scratch.scores[i * n..][..n];
            let (behind, row) = row.split_at_mut(visible.start - seen.start);
            let (row, ahead) = row.split_at_mut(visible.len());
            behind.fill(0.0);
            ahead.fill(0.0);
            softcap.iter().for_each(|&cap| rows::softcap(isa(), row, cap));
            *sum = rows::exp_sum(isa(), row, rows::max(isa(), row));
        }
        for (slot, run) in runs(sequence.blocks, seen.clone()) {
            let weights = View { values: &scratch.scores[run.start - seen.start..], row: n, column: 1 };
            product((m, d, run.len()), &mut scratch.out, d, weights, kv(self.values, slot), true);
        }
        for (i, sum) in sums.iter().enumerate() {
            // SAFETY: row and head of `place(i)` belong to this task alone, and lie inside `out`, which is as long as `q`.
            let out = unsafe { std::slice::from_raw_parts_mut(self.out.get().add(place(i)), d) };
            for (out, x) in out.iter_mut().zip(&scratch.out[i * d..][..d]) {
                *out = x / sum;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;
    use wick_testkit::{Random, assert_close};

    /// Attention as its definition reads, a row and a head at a time.
    fn plain(heads: Heads, s: &Sequence<'_>, q: &[f32], keys: &[f32], values: &[f32], out: &mut [f32]) {
        let Heads { heads: h, kv_heads: g, head_dim: d, scale, softcap, window } = heads;
        for (i, row) in s.rows.clone().enumerate() {
            for head in 0..h {
                let n = s.cached + i;
                let tokens = n.saturating_sub(window.unwrap_or(n + 1) - 1)..n + 1;
                let at = |n: usize| ((s.blocks[n / BLOCK] as usize * BLOCK + n % BLOCK) * g + head / (h / g)) * d;
                let q = &q[(row * h + head) * d..][..d];
                let dot = |n: usize| q.iter().zip(&keys[at(n)..]).map(|(q, k)| f64::from(q * scale * k)).sum::<f64>();
                let capped = |x: f64| softcap.map_or(x, |cap| f64::from(cap) * (x / f64::from(cap)).tanh());
                let weights: Vec<f64> = tokens.clone().map(|n| capped(dot(n)).exp()).collect();
                let sum: f64 = weights.iter().sum();
                for c in 0..d {
                    let mixed = tokens.clone().zip(&weights).map(|(n, w)| w * f64::from(values[at(n) + c])).sum::<f64>();
                    out[(row * h + head) * d + c] = (mixed / sum) as f32;
                }
            }
        }
    }

    #[test]
    fn tiles_and_runs_equal_the_definition() {
        let mut random = Random::new(3);
        for (heads, kv_heads, head_dim, window) in
            [(4, 2, 6, None), (3, 3, 16, Some(5)), (16, 1, 8, None), (80, 1, 4, Some(40))]
        {
            let softcap = (kv_heads == 1).then_some(0.7);
            let heads = Heads { heads, kv_heads, head_dim, scale: 0.4, softcap, window };
            let blocks: [&[u32]; 3] = [&[4, 5, 6, 1], &[0], &[3, 2, 7]];
            let sequences = [
                Sequence { rows: 0..50, cached: 61, blocks: blocks[0] },
                Sequence { rows: 50..51, cached: 0, blocks: blocks[1] },
                Sequence { rows: 51..53, cached: 70, blocks: blocks[2] },
            ];
            let width = heads.heads * head_dim;
            let q = random.values(53 * width, 1.0);
            let kv: Vec<Vec<f32>> = (0..2).map(|_| random.values(8 * BLOCK * kv_heads * head_dim, 1.0)).collect();
            let (mut expected, mut out) = (vec![0.0; q.len()], vec![0.0; q.len()]);
            sequences.iter().for_each(|s| plain(heads, s, &q, &kv[0], &kv[1], &mut expected));
            attend(heads, &sequences, &q, (&kv[0], &kv[1]), &mut out, &Stop::default());
            assert_close(&out, &expected, 1e-5, &format!("{heads:?}"));
        }
    }

    #[test]
    fn what_is_behind_every_window_is_not_looked_at() {
        let heads = Heads { heads: 2, kv_heads: 1, head_dim: 4, scale: 1.0, softcap: None, window: Some(3) };
        let blocks: Vec<u32> = (0..4).collect();
        let mut kv = vec![1.0; 4 * BLOCK * 4];
        // Had they any part in it, even with a weight of 0, it would not be a number.
        kv[..(3 * BLOCK - 2) * 4].fill(f32::NAN);
        let sequences = [Sequence { rows: 0..5, cached: 3 * BLOCK, blocks: &blocks }];
        let (q, mut out) = (vec![1.0; 5 * 8], vec![0.0; 5 * 8]);
        attend(heads, &sequences, &q, (&kv, &kv), &mut out, &Stop::default());
        assert_eq!(out, vec![1.0; 5 * 8]);
    }
}
