//! A tile of rows against the blocks of a split.

use std::ops::Range;

use super::kv::unpack;
use super::part::{Part, power};
use super::plan::SPLIT;
use super::product::Product;
use super::vector::{Vector, capped, exp};
use super::{Cache, Heads, POSITIONS};

/// A line of memory.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line {
    _floats: [f32; 16],
}

/// What a tile is computed with: memory of the thread's own.
#[derive(Clone, Copy)]
pub(super) struct Buffers {
    /// (rows, d), scaled.
    pub(super) q: *mut f32,
    /// (rows, 32): scores, then weights.
    scores: *mut f32,
    /// (rows, 16): sums of weights, lane by lane.
    sums: *mut f32,
    /// (rows): what the mix so far is multiplied by.
    factors: *mut f32,
    /// (d, 32)
    keys: *mut f32,
    /// (32, width)
    values: *mut f32,
    /// Of all rows.
    pub(super) parts: [Part; 2],
}

impl Buffers {
    /// For so many rows, in `memory`, which grows to what they take.
    pub(super) fn new(memory: &mut Vec<Line>, rows: usize, d: usize) -> Self {
        let width = d.next_multiple_of(16);
        let part = Part::floats(rows, width);
        let sizes = [rows * d, rows * POSITIONS, rows * 16, rows, d * POSITIONS, POSITIONS * width, part, part];
        let lines: usize = sizes.iter().map(|floats| floats.div_ceil(16)).sum();
        if memory.len() < lines {
            memory.resize(lines, Line { _floats: [0.0; 16] });
        }
        let mut next: *mut f32 = memory.as_mut_ptr().cast();
        let [q, scores, sums, factors, keys, values, first, second] = sizes.map(|floats| {
            let at = next;
            // SAFETY: the sum of all is what there is.
            next = unsafe { next.add(floats.next_multiple_of(16)) };
            at
        });
        // SAFETY: as many floats as they take.
        let parts = [first, second].map(|floats| unsafe { Part::new(floats, rows, width) });
        Self { q, scores, sums, factors, keys, values, parts }
    }
}

/// Consecutive tokens of a sequence, with the heads that share a kv-head: rows of the tile are (tokens, group).
pub(super) struct Tile<'a> {
    pub(super) heads: Heads,
    pub(super) cache: &'a Cache<'a>,
    pub(super) kv_head: usize,
    /// The first token's number in its sequence.
    pub(super) first: usize,
    pub(super) tokens: usize,
    /// Of the sequence.
    pub(super) blocks: &'a [u32],
    pub(super) buffers: Buffers,
}

impl Tile<'_> {
    /// What the rows see of a split.
    ///
    /// # Safety
    /// The blocks that they see are in the cache, the buffers have the rows' q and room, `part` is theirs, and the processor has
    /// the instructions.
    #[inline(always)]
    pub(super) unsafe fn split<V: Vector, const M: usize, const N: usize>(&self, split: usize, part: Part) {
        let rows = self.tokens * self.heads.group();
        let seen = self.heads.seen(self.first).start.max(split * SPLIT)..(self.first + self.tokens).min((split + 1) * SPLIT);
        // SAFETY: the caller's promise.
        unsafe {
            part.clear(rows);
            self.buffers.sums.write_bytes(0, rows * V::LANES);
            for block in seen.start / POSITIONS..seen.end.div_ceil(POSITIONS) {
                self.block::<V, M, N>(block, part);
            }
            for row in 0..rows {
                *part.sum.add(row) = V::load(self.buffers.sums.add(row * V::LANES)).total();
            }
        }
    }

    /// The places of a block that the tile's token `token` sees.
    #[inline(always)]
    fn places(&self, token: usize, block: usize) -> Range<usize> {
        let (seen, start) = (self.heads.seen(self.first + token), block * POSITIONS);
        seen.start.saturating_sub(start)..seen.end.saturating_sub(start).min(POSITIONS)
    }

    /// Takes in a block: scores, their weights, and the values mixed with them.
    #[inline(always)]
    unsafe fn block<V: Vector, const M: usize, const N: usize>(&self, block: usize, part: Part) {
        let (group, d, width, buffers) = (self.heads.group(), self.heads.head_dim, part.width, self.buffers);
        // Tokens that see some of it: not before its first place, and with its last place not behind their window.
        let start = block * POSITIONS;
        let end = self.heads.window.map_or(usize::MAX, |window| start + POSITIONS - 1 + window);
        let tokens = start.saturating_sub(self.first)..end.saturating_sub(self.first).min(self.tokens);
        if tokens.is_empty() {
            return;
        }
        let rows = |tokens: &Range<usize>| tokens.start * group..tokens.end * group;
        // SAFETY: the caller's promise.
        unsafe {
            let head = self.cache.head(self.blocks[block], self.kv_head);
            let places = self.places(tokens.start, block).start..self.places(tokens.end - 1, block).end;
            let (keys, values) = unpack::<V>(self.cache.layout(), head, places, (buffers.keys, buffers.values));
            let scores = Product {
                a: buffers.q,
                a_row: d,
                b: keys,
                b_row: POSITIONS,
                c: buffers.scores,
                c_row: POSITIONS,
                factors: std::ptr::null(),
            };
            scores.run::<V, M, N>(rows(&tokens), POSITIONS, 0..d);
            for token in tokens.clone() {
                let places = self.places(token, block);
                for row in token * group..(token + 1) * group {
                    self.weigh::<V>(row, &places, part);
                }
            }
            let mix = Product {
                a: buffers.scores,
                a_row: POSITIONS,
                b: values,
                b_row: width,
                c: part.out,
                c_row: width,
                factors: buffers.factors,
            };
            // Rows that see the same places at once: what a row does not see, it does not even multiply by 0.
            let mut next = tokens.start;
            while next < tokens.end {
                let places = self.places(next, block);
                let from = next;
                while next < tokens.end && self.places(next, block) == places {
                    next += 1;
                }
                mix.run::<V, M, N>(rows(&(from..next)), width, places);
            }
        }
    }

    /// A row's scores become weights, relative to the largest so far.
    #[inline(always)]
    unsafe fn weigh<V: Vector>(&self, row: usize, places: &Range<usize>, part: Part) {
        // SAFETY: the caller's promise.
        unsafe {
            let scores = self.buffers.scores.add(row * POSITIONS);
            let mut x = [V::splat(0.0); POSITIONS / 8];
            let x = &mut x[..POSITIONS / V::LANES];
            for (i, x) in x.iter_mut().enumerate() {
                *x = V::load(scores.add(i * V::LANES));
            }
            if let Some(cap) = self.heads.softcap {
                for x in &mut *x {
                    *x = capped(*x, V::splat(cap), V::splat(cap.recip()));
                }
            }
            if *places != (0..POSITIONS) {
                for (i, x) in x.iter_mut().enumerate() {
                    *x = x.within(i * V::LANES, places.start, places.end);
                }
            }
            let mut most = x[0];
            for x in &x[1..] {
                most = most.max(*x);
            }
            let (most, max) = (most.largest(), part.max.add(row));
            let most = if most > *max { most } else { *max };
            *self.buffers.factors.add(row) = power::<V>(*max, most);
            *max = most;
            // Minus infinity less itself is no number.
            let base = V::splat(if most == f32::NEG_INFINITY { 0.0 } else { most });
            for (i, x) in x.iter_mut().enumerate() {
                *x = exp(x.sub(base));
                x.store(scores.add(i * V::LANES));
            }
            let mut sum = x[0];
            for x in &x[1..] {
                sum = sum.add(*x);
            }
            let sums = self.buffers.sums.add(row * V::LANES);
            V::load(sums).madd(V::splat(*self.buffers.factors.add(row)), sum).store(sums);
        }
    }
}
