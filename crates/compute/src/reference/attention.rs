//! Attention of one row over its sequence's past.

use std::ops::Range;

use super::linear::dot;
use super::softcap::softcap;
use super::state::{Layer, place};
use crate::Attention;

/// The tokens that token `n` sees: itself and those before it, as far back as the window reaches.
pub(crate) fn visible(n: usize, window: Option<usize>) -> Range<usize> {
    let first = window.map_or(0, |window| (n + 1).saturating_sub(window));
    first..n + 1
}

/// `out = softmax(cap(q · Kᵀ * scale)) · V` for each head (Vaswani et al. 2017); head i reads kv-head `i / (h / g)` (Ainslie et
/// al. 2023).
///
/// `q`, `out`: (h, d); `blocks` and `seen` name the tokens in `layer`. Sums run from the first seen token to the last.
pub(crate) fn attend(a: &Attention, q: &[f32], layer: &Layer, blocks: &[u32], seen: Range<usize>, out: &mut [f32]) {
    let d = a.head_dim;
    let shared = a.heads / a.kv_heads;
    let mut weights = vec![0.0; seen.len()];
    for (head, (q, out)) in q.chunks_exact(d).zip(out.chunks_exact_mut(d)).enumerate() {
        let column = head / shared * d;
        for (weight, n) in weights.iter_mut().zip(seen.clone()) {
            *weight = dot(q, &layer.keys[place(blocks, n, layer.width) + column..][..d]) * a.scale;
        }
        if let Some(cap) = a.softcap {
            softcap(&mut weights, cap);
        }
        softmax(&mut weights);
        out.fill(0.0);
        for (weight, n) in weights.iter().zip(seen.clone()) {
            let value = &layer.values[place(blocks, n, layer.width) + column..][..d];
            for (out, value) in out.iter_mut().zip(value) {
                *out += weight * value;
            }
        }
    }
}

/// `x = exp(x - max) / Σ exp(x - max)`.
fn softmax(x: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in x.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    for x in x.iter_mut() {
        *x /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BLOCK, Linear, QueryGrowth, State};

    fn attention(heads: usize, kv_heads: usize, head_dim: usize) -> Attention {
        let linear = || Linear { weight: String::new(), bias: None, rows: None };
        Attention {
            layer: 0,
            norm: None,
            q: linear(),
            k: linear(),
            v: linear(),
            o: linear(),
            q_norm: None,
            k_norm: None,
            heads,
            kv_heads,
            head_dim,
            rope: None,
            growth: None,
            softcap: None,
            post_norm: None,
            residual: 1.0,
            scale: 1.0,
            window: None,
        }
    }

    fn state(width: usize, blocks: usize) -> super::super::state::Blocks {
        let mut state = super::super::state::Blocks::new([(None, width)].into_iter());
        state.grow(0, blocks).expect("small");
        state
    }

    #[test]
    fn softmax_by_hand_and_without_overflow() {
        let mut x = [0.0, 2.0f32.ln(), 0.0];
        softmax(&mut x);
        assert_eq!(x, [0.25, 0.5, 0.25]);
        let mut x = [1000.0, 1000.0, -1000.0];
        softmax(&mut x);
        assert_eq!(x, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn a_window_sees_itself_and_what_comes_before() {
        assert_eq!(visible(5, None), 0..6);
        assert_eq!(visible(5, Some(1)), 5..6);
        assert_eq!(visible(5, Some(3)), 3..6);
        assert_eq!(visible(1, Some(3)), 0..2);
    }

    #[test]
    fn two_heads_share_one_kv_head() {
        let mut state = state(2, 1);
        let layer = &mut state.layers[0];
        // Products with head 0 are ln 3 and 0, weights 3/4 and 1/4; head 1 sees both alike.
        layer.write(&[0], 0, &[3.0f32.ln(), 0.0], &[4.0, 8.0]);
        layer.write(&[0], 1, &[0.0, 0.0], &[-4.0, 0.0]);
        let mut out = [9.0; 4];
        attend(&attention(2, 1, 2), &[1.0, 0.0, 0.0, 1.0], layer, &[0], 0..2, &mut out);
        let expected = [2.0, 6.0, 0.0, 4.0];
        assert!(out.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{out:?}");
    }

    #[test]
    fn capped_scores_are_nearer_to_each_other() {
        let mut state = state(1, 1);
        let layer = &mut state.layers[0];
        layer.write(&[0], 0, &[100.0], &[1.0]);
        layer.write(&[0], 1, &[0.0], &[0.0]);
        // Scores of 50 and 0 become ln 3 · tanh(50 / ln 3) and 0: weights 3/4 and 1/4.
        let a = Attention { scale: 0.5, softcap: Some(3.0f32.ln()), ..attention(1, 1, 1) };
        let mut out = [9.0];
        attend(&a, &[1.0], layer, &[0], 0..2, &mut out);
        assert!((out[0] - 0.75).abs() < 1e-6, "{out:?}");
    }

    #[test]
    fn queries_grow_in_steps() {
        let growth = QueryGrowth { beta: 0.1, original: 8 };
        let factors = [(0, 1.0), (7, 1.0), (8, 1.069_314_7), (17, 1.109_861_2), (80, 1.239_789_5)];
        assert!(factors.iter().all(|&(p, factor)| (growth.factor(p) - factor).abs() < 1e-6));
    }

    #[test]
    fn the_order_of_blocks_is_the_tables_not_the_memorys() {
        let tokens = BLOCK + 3;
        let run = |blocks: &[u32]| {
            let mut state = state(4, 6);
            for n in 0..tokens {
                let key: Vec<f32> = (0..4).map(|i| ((n * 4 + i) as f32).sin()).collect();
                let value: Vec<f32> = (0..4).map(|i| ((n * 4 + i) as f32).cos()).collect();
                state.layers[0].write(blocks, n, &key, &value);
            }
            let mut out = [0.0; 8];
            let q: Vec<f32> = (0..8).map(|i| i as f32 / 8.0).collect();
            attend(&attention(4, 2, 2), &q, &state.layers[0], blocks, 2..tokens, &mut out);
            out
        };
        assert_eq!(run(&[0, 1]), run(&[5, 2]));
    }
}
