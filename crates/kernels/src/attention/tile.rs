//! A tile of rows against the blocks of a split.

use std::ops::Range;

use super::kept::{Bytes, Kept};
use super::kv::KvType;
use super::part::{Part, power};
use super::plan::SPLIT;
use super::product::{Product, Rows, decode};
use super::vector::{Kernel, Vector, capped, exp};
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

/// Consecutive tokens of a sequence and some kv-heads: rows of the tile are (kv-heads, tokens, group).
pub(super) struct Tile<'a> {
    pub(super) heads: Heads,
    pub(super) cache: &'a Cache<'a>,
    pub(super) kv_heads: Range<usize>,
    /// The first token's number in its sequence.
    pub(super) first: usize,
    pub(super) tokens: usize,
    /// Of the sequence.
    pub(super) blocks: &'a [u32],
    pub(super) buffers: Buffers,
    /// Where what is known of the rows is kept.
    pub(super) part: Part,
}

impl Tile<'_> {
    /// What the rows see of a split.
    ///
    /// # Safety
    /// The blocks that they see are in the cache, the buffers have the rows' q and room, the part is theirs, and the processor has
    /// the instructions.
    #[inline(always)]
    pub(super) unsafe fn split<V: Vector, const M: usize, const N: usize>(&self, split: usize) {
        let rows = self.kv_heads.len() * self.tokens * self.heads.group();
        let seen = self.heads.seen(self.first).start.max(split * SPLIT)..(self.first + self.tokens).min((split + 1) * SPLIT);
        // SAFETY: the caller's promise.
        unsafe {
            self.part.clear(rows);
            self.buffers.sums.write_bytes(0, rows * V::LANES);
            for block in seen.start / POSITIONS..seen.end.div_ceil(POSITIONS) {
                match self.cache.layout().kv_type {
                    KvType::F32 => self.block::<V, f32, M, N>(block, seen.end),
                    KvType::F16 => self.block::<V, u16, M, N>(block, seen.end),
                    KvType::Q8_0 => self.block::<V, Bytes, M, N>(block, seen.end),
                }
            }
            for row in 0..rows {
                *self.part.sum.add(row) = V::load(self.buffers.sums.add(row * V::LANES)).total();
            }
        }
    }

    /// The kv-heads of a block, of tokens before `end`: their memory is one piece.
    #[inline(always)]
    unsafe fn block<V: Vector, K: Kept<V>, const M: usize, const N: usize>(&self, block: usize, end: usize) {
        // Tokens that see some of it: not before its first place, and with its last place not behind their window.
        let start = block * POSITIONS;
        let behind = self.heads.window.map_or(usize::MAX, |window| start + POSITIONS - 1 + window);
        let tokens = start.saturating_sub(self.first)..behind.saturating_sub(self.first).min(self.tokens);
        if tokens.is_empty() {
            return;
        }
        for kv_head in self.kv_heads.clone() {
            let next = match kv_head + 1 < self.kv_heads.end {
                true => (block, kv_head + 1),
                false if start + POSITIONS < end => (block + 1, self.kv_heads.start),
                false => (block, kv_head),
            };
            // SAFETY: the caller's promise; the next block is seen too.
            unsafe {
                let at = |(block, head): (usize, usize)| self.cache.head(self.blocks[block], head).cast_const();
                let first = (kv_head - self.kv_heads.start) * self.tokens;
                let seeing = Seeing { tile: self, tokens: tokens.clone(), first, block };
                seeing.take_in::<V, K, M, N>(at((block, kv_head)), at(next));
            }
        }
    }

    /// The places of a block that token `token` of the tile sees.
    #[inline(always)]
    fn places(&self, token: usize, block: usize) -> Range<usize> {
        let (seen, start) = (self.heads.seen(self.first + token), block * POSITIONS);
        seen.start.saturating_sub(start)..seen.end.saturating_sub(start).min(POSITIONS)
    }
}

/// The tokens of a tile that see a block, with the heads of one kv-head.
struct Seeing<'a> {
    tile: &'a Tile<'a>,
    tokens: Range<usize>,
    /// Rows of the tile before this kv-head's, in tokens.
    first: usize,
    block: usize,
}

impl Seeing<'_> {
    /// Scores, their weights, and the values mixed with them, of the kv-head of the block that begins at `head`.
    #[inline(always)]
    unsafe fn take_in<V: Vector, K: Kept<V>, const M: usize, const N: usize>(&self, head: *const u8, next: *const u8) {
        let (Tile { heads, buffers, part, cache, .. }, tokens) = (self.tile, &self.tokens);
        let (layout, rows) = (cache.layout(), tokens.len() * heads.group());
        // SAFETY: the caller's promise.
        unsafe {
            // What is read once is decoded as it is read. With one or two rows of floats, reading is all that takes time, and the
            // processor knows best what is next; else there is time to ask for it.
            if rows <= M {
                let asks = K::ASKS || rows > 2;
                let (keys, values) = K::of(layout, head, if asks { next as isize - head as isize } else { 0 });
                self.score::<V, _, M, N>(keys);
                V::call(self);
                return self.mix::<V, _, M, N>(values);
            }
            let (keys, values) = K::of(layout, head, 0);
            decode::<V, _, N>(keys, 0..heads.head_dim, POSITIONS, buffers.keys);
            self.score::<V, _, M, N>(K::decoded(buffers.keys, POSITIONS, next));
            V::call(self);
            let seen = |token| self.tile.places(token, self.block);
            let places = seen(tokens.start).start..seen(tokens.end - 1).end;
            decode::<V, _, N>(values, places, part.width, buffers.values);
            let next = next.wrapping_add(layout.parts().values);
            self.mix::<V, _, M, N>(K::decoded(buffers.values, part.width, next));
        }
    }

    /// Rows of some of the tokens.
    #[inline(always)]
    fn rows(&self, tokens: &Range<usize>) -> Range<usize> {
        let group = self.tile.heads.group();
        (self.first + tokens.start) * group..(self.first + tokens.end) * group
    }

    #[inline(always)]
    unsafe fn score<V: Vector, R: Rows<V>, const M: usize, const N: usize>(&self, keys: R) {
        let (d, Buffers { q: a, scores: c, .. }) = (self.tile.heads.head_dim, self.tile.buffers);
        let scores = Product { a, a_row: d, b: keys, c, c_row: POSITIONS, factors: std::ptr::null() };
        // SAFETY: the caller's promise.
        unsafe { scores.run::<V, M, N>(self.rows(&self.tokens), POSITIONS, 0..d) };
    }

    /// Rows that see the same places at once: what a row does not see, it does not even multiply by 0.
    #[inline(always)]
    unsafe fn mix<V: Vector, R: Rows<V>, const M: usize, const N: usize>(&self, values: R) {
        let (Part { out: c, width, .. }, Buffers { scores: a, factors, .. }) = (self.tile.part, self.tile.buffers);
        let mix = Product { a, a_row: POSITIONS, b: values, c, c_row: width, factors };
        let mut next = self.tokens.start;
        while next < self.tokens.end {
            let (from, places) = (next, self.tile.places(next, self.block));
            while next < self.tokens.end && self.tile.places(next, self.block) == places {
                next += 1;
            }
            // SAFETY: the caller's promise.
            unsafe { mix.run::<V, M, N>(self.rows(&(from..next)), width, places) };
        }
    }

    /// A row's scores become weights, relative to the largest so far.
    #[inline(always)]
    unsafe fn weigh<V: Vector>(&self, row: usize, places: &Range<usize>) {
        let (Tile { heads, buffers, part, .. }, factor) = (self.tile, self.tile.buffers.factors);
        // SAFETY: the caller's promise.
        unsafe {
            let scores = buffers.scores.add(row * POSITIONS);
            let mut x = [V::splat(0.0); POSITIONS / 8];
            let x = &mut x[..POSITIONS / V::LANES];
            for (i, x) in x.iter_mut().enumerate() {
                *x = V::load(scores.add(i * V::LANES));
            }
            if let Some(cap) = heads.softcap {
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
            let (most, max, factor) = (most.largest(), part.max.add(row), factor.add(row));
            let most = if most > *max { most } else { *max };
            *factor = power::<V>(*max, most);
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
            let sums = buffers.sums.add(row * V::LANES);
            V::load(sums).madd(V::splat(*factor), sum).store(sums);
        }
    }
}

/// All rows' scores become weights.
impl<V: Vector> Kernel<V> for Seeing<'_> {
    #[inline(always)]
    unsafe fn run(&self) {
        for token in self.tokens.clone() {
            let places = self.tile.places(token, self.block);
            for row in self.rows(&(token..token + 1)) {
                // SAFETY: the caller's promise.
                unsafe { self.weigh::<V>(row, &places) };
            }
        }
    }
}
