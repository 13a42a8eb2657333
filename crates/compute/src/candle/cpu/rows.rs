//! Row by row: norms, rotations, the gate.

use wick_kernels::{Isa, rows};

use crate::pool::each_chunk;
use crate::{Activation, RopeLayout};

/// The instructions that these loops run with: a value of `WICK_CPU` that is none is refused where a model is loaded.
pub(super) fn isa() -> Isa {
    Isa::chosen().unwrap_or(Isa::SCALAR)
}

/// Root-mean-square norm of each row (Zhang & Sennrich 2019): `y = x / sqrt(mean(x²) + eps) · w`; x: (rows, n), w: (n).
pub(in crate::candle) fn rms_norm(x: &[f32], w: &[f32], eps: f32) -> Vec<f32> {
    let n = w.len();
    let mut y = vec![0.0; x.len()];
    each_chunk(&mut y, n, x.len() * 2, |i, y| rows::rms_norm(isa(), &x[i * n..][..n], w, eps, y));
    y
}

/// Rotates every head of every row (Su et al. 2021); x: (t, heads, d), `cos` and `sin`: (t, pairs), pairs ≤ d / 2.
pub(in crate::candle) fn rotate(x: &mut [f32], d: usize, layout: RopeLayout, cos: &[f32], sin: &[f32], pairs: usize) {
    if pairs == 0 || x.is_empty() {
        return;
    }
    let (t, work) = (cos.len() / pairs, x.len() * 4);
    let row = x.len() / t;
    each_chunk(x, row, work, |i, row| {
        let (cos, sin) = (&cos[i * pairs..][..pairs], &sin[i * pairs..][..pairs]);
        match layout {
            RopeLayout::Neox => rows::rotate_neox(isa(), row, d, cos, sin),
            RopeLayout::Interleaved => rows::rotate_interleaved(isa(), row, d, cos, sin),
        }
    });
}

/// `act(gate) · up`, in place of `gate`.
pub(in crate::candle) fn gate(gate: &mut [f32], up: &[f32], activation: Activation) {
    match activation {
        Activation::Silu => pairwise(gate, up, 4, |x, up| rows::silu_times(isa(), x, up)),
        Activation::GeluTanh => pairwise(gate, up, 6, |x, up| rows::gelu_times(isa(), x, up)),
    }
}

/// `x + factor · y`, in place of x.
pub(in crate::candle) fn add(x: &mut [f32], y: &[f32], factor: f32) {
    pairwise(x, y, 1, |x, y| rows::add(isa(), x, y, factor));
}

/// `factor · x`, in place; nothing is done for 1.
pub(in crate::candle) fn scale(x: &mut [f32], factor: f32) {
    if factor != 1.0 {
        stretches(x, 1, |_, x| rows::scale(isa(), x, factor));
    }
}

/// `cap · tanh(x / cap)`, in place.
pub(in crate::candle) fn softcap(x: &mut [f32], cap: f32) {
    stretches(x, 5, |_, x| rows::softcap(isa(), x, cap));
}

/// `f` on stretches of x and y, in parallel when there is enough to do; `cost` is of an element, in multiply-adds.
fn pairwise(x: &mut [f32], y: &[f32], cost: usize, f: impl Fn(&mut [f32], &[f32]) + Sync) {
    stretches(x, cost, |at, x| f(x, &y[at..][..x.len()]));
}

/// `f` on stretches of x and where they begin, as [`pairwise`].
fn stretches(x: &mut [f32], cost: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    const STRETCH: usize = 1024;
    let whole = x.len() / STRETCH * STRETCH;
    let (head, tail) = x.split_at_mut(whole);
    each_chunk(head, STRETCH, whole * cost, |i, x| f(i * STRETCH, x));
    f(whole, tail);
}
