//! Row by row: norms, rotations, the gate.

use super::pool::each_chunk;
use super::simd;
use crate::{Activation, RopeLayout};

/// Root-mean-square norm of each row (Zhang & Sennrich 2019): `y = x / sqrt(mean(x²) + eps) · w`; x: (rows, n), w: (n).
pub(in crate::candle) fn rms_norm(x: &[f32], w: &[f32], eps: f32) -> Vec<f32> {
    let n = w.len();
    let mut y = vec![0.0; x.len()];
    each_chunk(&mut y, n, x.len() * 2, |i, y| {
        let x = &x[i * n..][..n];
        let scale = (simd::dot(x, x) / n as f32 + eps).sqrt().recip();
        simd::scaled(x, scale, w, y);
    });
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
        for head in row.chunks_exact_mut(d) {
            match layout {
                RopeLayout::Neox => {
                    let (a, b) = head.split_at_mut(pairs);
                    for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
                RopeLayout::Interleaved => {
                    let (heads, _) = head.as_chunks_mut::<2>();
                    for (([a, b], cos), sin) in heads.iter_mut().zip(cos).zip(sin) {
                        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
                    }
                }
            }
        }
    });
}

/// `act(gate) · up`, in place of `gate`.
pub(in crate::candle) fn gate(gate: &mut [f32], up: &[f32], activation: Activation) {
    match activation {
        Activation::Silu => pairwise(gate, up, 4, simd::silu_times),
        Activation::GeluTanh => pairwise(gate, up, 6, simd::gelu_times),
    }
}

/// `x + factor · y`, in place of x.
pub(in crate::candle) fn add(x: &mut [f32], y: &[f32], factor: f32) {
    pairwise(x, y, 1, |x, y| simd::add(x, y, factor));
}

/// `factor · x`, in place; nothing is done for 1.
pub(in crate::candle) fn scale(x: &mut [f32], factor: f32) {
    if factor != 1.0 {
        stretches(x, 1, |_, x| x.iter_mut().for_each(|x| *x *= factor));
    }
}

/// `cap · tanh(x / cap)`, in place.
pub(in crate::candle) fn softcap(x: &mut [f32], cap: f32) {
    stretches(x, 5, |_, x| simd::softcap(x, cap));
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
