//! The steps' inner work with tensor operations only: what a device without loops of its own runs.

use std::ops::Range;

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};

use super::cpu::{Heads, Sequence};
use super::failure::Fallible;
use super::kv::{Layer, runs};
use crate::{Activation, RopeLayout};

/// Scores that are computed at once.
const SCORES: usize = 1 << 24;
/// Rows of a tile at least, however small the window, where there are as many.
const TILE_ROWS: usize = 64;

/// Norm of each row of x (rows, n).
pub(super) fn norm(x: &Tensor, w: &Tensor, eps: f32) -> Fallible<Tensor> {
    Ok(rms_norm(x, w, eps)?)
}

/// `act(gate) · up`.
pub(super) fn gate(gate: &Tensor, up: &Tensor, activation: Activation) -> Fallible<Tensor> {
    let gate = match activation {
        Activation::Silu => silu(gate)?,
        // candle's `gelu` is the approximation by tanh; the other is `gelu_erf`.
        Activation::GeluTanh => gate.gelu()?,
    };
    Ok((gate * up)?)
}

/// Rotates x (t, heads, d) by angles (t, 1, pairs).
pub(super) fn rotate(x: &Tensor, layout: RopeLayout, cos: &Tensor, sin: &Tensor) -> Fallible<Tensor> {
    let (t, heads, d) = x.dims3()?;
    let pairs = cos.dim(D::Minus1)?;
    if pairs == 0 {
        return Ok(x.clone());
    }
    let turned = x.narrow(D::Minus1, 0, 2 * pairs)?;
    let split = match layout {
        RopeLayout::Neox => turned.reshape((t, heads, 2, pairs))?.transpose(2, 3)?,
        RopeLayout::Interleaved => turned.reshape((t, heads, pairs, 2))?,
    };
    let (a, b) = (split.narrow(3, 0, 1)?.squeeze(3)?, split.narrow(3, 1, 1)?.squeeze(3)?);
    let first = (a.broadcast_mul(cos)? - b.broadcast_mul(sin)?)?;
    let second = (a.broadcast_mul(sin)? + b.broadcast_mul(cos)?)?;
    let turned = match layout {
        RopeLayout::Neox => Tensor::cat(&[first, second], 2)?,
        RopeLayout::Interleaved => Tensor::stack(&[first, second], 3)?.reshape((t, heads, 2 * pairs))?,
    };
    if 2 * pairs == d {
        return Ok(turned);
    }
    Ok(Tensor::cat(&[turned, x.narrow(2, 2 * pairs, d - 2 * pairs)?], 2)?)
}

/// Where the keys and values are that a sequence's rows see, found once a call.
#[derive(Debug)]
pub(super) struct Gather {
    /// The first token.
    first: usize,
    slots: Slots,
}

#[derive(Debug)]
enum Slots {
    /// One after another from this slot.
    Run(usize),
    /// At these slots, u32.
    Index(Tensor),
}

impl Gather {
    /// Of the tokens of `sequence` from number `first` on, new ones included.
    pub(super) fn new(sequence: &Sequence<'_>, first: usize, device: &Device) -> Fallible<Self> {
        let all = || runs(sequence.blocks, first..sequence.cached + sequence.rows.len());
        let mut found: Vec<_> = all().collect();
        if let (Some((slot, _)), true) = (found.pop(), found.is_empty()) {
            return Ok(Self { first, slots: Slots::Run(slot) });
        }
        let slots: Vec<u32> = all().flat_map(|(slot, run)| slot as u32..(slot + run.len()) as u32).collect();
        Ok(Self { first, slots: Slots::Index(Tensor::new(slots, device)?) })
    }

    /// (g, tokens, d) in f32 of slots (slots, g, d).
    fn of(&self, slots: &Tensor, tokens: Range<usize>) -> Fallible<Tensor> {
        let from = tokens.start - self.first;
        let rows = match &self.slots {
            Slots::Run(slot) => slots.narrow(0, slot + from, tokens.len())?,
            Slots::Index(index) => slots.index_select(&index.narrow(0, from, tokens.len())?, 0)?,
        };
        Ok(rows.transpose(0, 1)?.to_dtype(DType::F32)?.contiguous()?)
    }
}

/// Softmax attention of one sequence's rows: q (t, h, d) to (t, h, d). Tokens behind every row's window are not read.
pub(super) fn attend(heads: Heads, sequence: &Sequence<'_>, gather: &Gather, q: &Tensor, layer: &Layer) -> Fallible<Tensor> {
    let Heads { heads: h, kv_heads: g, head_dim: d, scale, softcap, window } = heads;
    let (t, end) = (sequence.rows.len(), sequence.cached + sequence.rows.len());
    let first = |row: usize| window.map_or(0, |window| (sequence.cached + row + 1).saturating_sub(window));
    let all = first(0);
    let (keys, values) = (gather.of(&layer.keys, all..end)?.transpose(1, 2)?, gather.of(&layer.values, all..end)?);
    let tile = (SCORES / (h * (end - all))).clamp(1, t);
    // With a window a tile of as many rows sees twice as many tokens.
    let tile = tile.min(window.unwrap_or(t).max(TILE_ROWS));
    let mut tiles = Vec::new();
    for start in (0..t).step_by(tile) {
        let n = tile.min(t - start);
        let seen = first(start)..sequence.cached + start + n;
        let s = seen.len();
        let (keys, values) = (keys.narrow(2, seen.start - all, s)?, values.narrow(1, seen.start - all, s)?);
        let q = (q.narrow(0, start, n)?.reshape((n, g, h / g, d))? * f64::from(scale))?;
        let q = q.permute((1, 2, 0, 3))?.reshape((g, h / g * n, d))?;
        let mut scores = q.matmul(&keys.contiguous()?)?.reshape((g, h / g, n, s))?;
        if let Some(cap) = softcap.map(f64::from) {
            scores = ((scores / cap)?.tanh()? * cap)?;
        }
        let visible = |row: usize| first(start + row)..sequence.cached + start + row + 1;
        let scores = scores.broadcast_add(&mask((0..n).map(visible), seen, q.device())?)?;
        let out = softmax_last_dim(&scores)?.reshape((g, h / g * n, s))?.matmul(&values.contiguous()?)?;
        tiles.push(out.reshape((g, h / g, n, d))?.permute((2, 0, 1, 3))?.reshape((n, h, d))?);
    }
    Ok(Tensor::cat(&tiles, 0)?)
}

/// (rows, seen): 0 where a row sees the token, -∞ elsewhere.
fn mask(rows: impl ExactSizeIterator<Item = Range<usize>>, seen: Range<usize>, device: &Device) -> Fallible<Tensor> {
    let shape = (rows.len(), seen.len());
    let mut mask = vec![f32::NEG_INFINITY; shape.0 * shape.1];
    for (visible, row) in rows.zip(mask.chunks_exact_mut(shape.1)) {
        row[visible.start - seen.start..visible.end - seen.start].fill(0.0);
    }
    Ok(Tensor::from_vec(mask, shape, device)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;

    #[test]
    fn what_is_behind_every_window_is_not_looked_at() {
        let heads = Heads { heads: 2, kv_heads: 1, head_dim: 4, scale: 1.0, softcap: None, window: Some(3) };
        for blocks in [[0, 1, 2, 3], [2, 0, 1, 3]] {
            let mut kv = vec![1.0f32; 4 * BLOCK * 4];
            // Had they any part in it, even with a weight of 0, it would not be a number.
            for n in 0..3 * BLOCK - 2 {
                kv[(blocks[n / BLOCK] as usize * BLOCK + n % BLOCK) * 4..][..4].fill(f32::NAN);
            }
            let kv = Tensor::from_vec(kv, (4 * BLOCK, 1, 4), &Device::Cpu).expect("as many");
            let layer = Layer { group: 0, keys: kv.clone(), values: kv };
            let sequence = Sequence { rows: 0..5, cached: 3 * BLOCK, blocks: &blocks };
            let gather = Gather::new(&sequence, 3 * BLOCK - 2, &Device::Cpu).expect("small");
            let q = Tensor::ones((5, 2, 4), DType::F32, &Device::Cpu).expect("small");
            let out =
                attend(heads, &sequence, &gather, &q, &layer).and_then(|out| Ok(out.flatten_all()?.to_vec1::<f32>()?));
            assert_eq!(out.expect("sizes fit"), vec![1.0; 5 * 8]);
        }
    }
}
