//! Mirostat (Basu et al. 2020): cuts so that the answer's surprise stays near a target.
//!
//! A token's surprise is `-log2 p` in the distribution that the chain leaves, before the cut, as in the paper; llama.cpp takes
//! it after the cut, where it is smaller. The bound μ starts at twice the target and follows the error of every token.

use std::f64::consts::LN_2;

use wick_spec::Mirostat as Target;

use crate::candidates::{Candidate, Candidates};
use crate::math::{exp, ln};

/// How many of the most probable tokens Zipf's exponent is estimated from; the paper's m.
const MEASURED: usize = 100;

/// The state of one sequence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mirostat {
    cut: Cut,
    target: Target,
    /// μ, in bits.
    bound: f64,
}

/// Where what is too surprising begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After the k that Zipf's law estimates for the bound (version 1).
    Zipf,
    /// Where a token's surprise passes the bound (version 2).
    Surprise,
}

impl Mirostat {
    pub(crate) fn new(cut: Cut, target: Target) -> Self {
        Self { cut, target, bound: 2.0 * f64::from(target.tau) }
    }

    /// Cuts, draws with `u` in [0, 1), and moves the bound; `None` when no candidate is left.
    pub(crate) fn draw(&mut self, candidates: &mut Candidates, u: f64) -> Option<u32> {
        let max = candidates.max();
        if max == f32::NEG_INFINITY {
            return None;
        }
        let ln_total = f64::from(max) + ln(candidates.mass(max));
        match self.cut {
            Cut::Zipf => {
                let v = candidates.logits.len();
                let k = top_k(candidates.best(MEASURED), v, self.bound);
                candidates.top_k(k);
            }
            Cut::Surprise => {
                let mark = (ln_total - self.bound * LN_2) as f32;
                if mark > max { candidates.top_k(1) } else { candidates.keep_from(mark.max(f32::MIN)) }
            }
        }
        let id = candidates.draw(u)?;
        let surprise = (ln_total - f64::from(candidates.logit(id)?)) / LN_2;
        self.bound -= f64::from(self.target.eta) * (surprise - f64::from(self.target.tau));
        Some(id)
    }

    /// μ, in bits.
    #[cfg(test)]
    pub(crate) fn bound(&self) -> f64 {
        self.bound
    }
}

/// How many of the most probable of `v` tokens keep the surprise below `bound` bits, if probabilities fall by Zipf's law
/// (equation 2): `k = (ε 2^μ / (1 - v^-ε))^(1/s)` with `ε = s - 1`, to the nearest whole number, at least 1.
fn top_k(best: &[Candidate], v: usize, bound: f64) -> usize {
    let ln_v = ln(v as f64);
    // Tokens that are all alike have s = 0.
    let s = zipf(best).max(1e-6);
    let epsilon = s - 1.0;
    let ratio = if (epsilon * ln_v).abs() < 1e-9 { 1.0 / ln_v.max(1e-9) } else { epsilon / (1.0 - exp(-epsilon * ln_v)) };
    let ln_k = (ln(ratio) + bound * LN_2) / s;
    (exp(ln_k.clamp(0.0, ln_v)).round() as usize).max(1)
}

/// Zipf's exponent by least squares over the ratios of neighbours (equation 1): `Σ t b / Σ t²`, with `t_i = ln((i + 2) / (i + 1))`
/// and `b_i` the logarithm of the ratio, the difference of the logits.
fn zipf(best: &[Candidate]) -> f64 {
    let (mut product, mut square) = (0.0, 0.0);
    for (i, pair) in best.windows(2).enumerate() {
        let t = ln((i + 2) as f64 / (i + 1) as f64);
        product += t * (f64::from(pair[0].logit) - f64::from(pair[1].logit));
        square += t * t;
    }
    if square > 0.0 { product / square } else { 0.0 }
}
