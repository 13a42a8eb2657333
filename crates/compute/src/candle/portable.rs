//! The steps' inner work with tensor operations only: what a device without loops of its own runs.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::ops::{rms_norm, silu, softmax_last_dim};

use super::cpu::{Heads, Sequence};
use super::failure::Fallible;
use super::kv::{Layer, runs};
use crate::RopeLayout;

/// Scores that are computed at once.
const SCORES: usize = 1 << 24;

/// Norm of each row of x (rows, n).
pub(super) fn norm(x: &Tensor, w: &Tensor, eps: f32) -> Fallible<Tensor> {
    Ok(rms_norm(x, w, eps)?)
}

/// `gate · sigmoid(gate) · up`.
pub(super) fn gate(gate: &Tensor, up: &Tensor) -> Fallible<Tensor> {
    Ok((silu(gate)? * up)?)
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

/// Where a sequence's keys and values are, found once a call.
#[derive(Debug)]
pub(super) enum Gather {
    /// One after another from this slot.
    Run(usize),
    /// At these slots, u32.
    Index(Tensor),
}

impl Gather {
    /// Of the tokens of `sequence`, new ones included.
    pub(super) fn new(sequence: &Sequence<'_>, device: &Device) -> Fallible<Self> {
        let mut found: Vec<_> = runs(sequence.blocks, 0..sequence.cached + sequence.rows.len()).collect();
        if let (Some((slot, _)), true) = (found.pop(), found.is_empty()) {
            return Ok(Self::Run(slot));
        }
        let all = runs(sequence.blocks, 0..sequence.cached + sequence.rows.len());
        let slots: Vec<u32> = all.flat_map(|(slot, run)| slot as u32..(slot + run.len()) as u32).collect();
        Ok(Self::Index(Tensor::new(slots, device)?))
    }

    /// (g, tokens, d) in f32 of slots (slots, g, d).
    fn of(&self, slots: &Tensor, tokens: usize) -> Fallible<Tensor> {
        let rows = match self {
            Self::Run(slot) => slots.narrow(0, *slot, tokens)?,
            Self::Index(index) => slots.index_select(index, 0)?,
        };
        Ok(rows.transpose(0, 1)?.to_dtype(DType::F32)?.contiguous()?)
    }
}

/// Softmax attention of one sequence's rows: q (t, h, d) to (t, h, d).
pub(super) fn attend(heads: Heads, sequence: &Sequence<'_>, gather: &Gather, q: &Tensor, layer: &Layer) -> Fallible<Tensor> {
    let Heads { heads: h, kv_heads: g, head_dim: d, scale, window } = heads;
    let (t, s) = (sequence.rows.len(), sequence.cached + sequence.rows.len());
    let (keys, values) = (gather.of(&layer.keys, s)?.transpose(1, 2)?.contiguous()?, gather.of(&layer.values, s)?);
    let tile = (SCORES / (h * s)).clamp(1, t);
    let mut tiles = Vec::new();
    for start in (0..t).step_by(tile) {
        let n = tile.min(t - start);
        let q = (q.narrow(0, start, n)?.reshape((n, g, h / g, d))? * f64::from(scale))?;
        let q = q.permute((1, 2, 0, 3))?.reshape((g, h / g * n, d))?;
        let scores = q.matmul(&keys)?.reshape((g, h / g, n, s))?;
        let scores = scores.broadcast_add(&mask(sequence.cached + start, n, s, window, q.device())?)?;
        let out = softmax_last_dim(&scores)?.reshape((g, h / g * n, s))?.matmul(&values)?;
        tiles.push(out.reshape((g, h / g, n, d))?.permute((2, 0, 1, 3))?.reshape((n, h, d))?);
    }
    Ok(Tensor::cat(&tiles, 0)?)
}

/// (n, s): 0 where token `first + i` sees token j, -∞ elsewhere.
fn mask(first: usize, n: usize, s: usize, window: Option<usize>, device: &Device) -> Fallible<Tensor> {
    let mut mask = vec![f32::NEG_INFINITY; n * s];
    for (i, row) in mask.chunks_exact_mut(s).enumerate() {
        let end = first + i + 1;
        row[end - window.unwrap_or(end).min(end)..end].fill(0.0);
    }
    Ok(Tensor::from_vec(mask, (n, s), device)?)
}
