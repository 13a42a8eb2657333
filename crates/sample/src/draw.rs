//! One of the candidates, at last.

use crate::candidates::Candidates;
use crate::math::ln;
use crate::random::noise;
use crate::sweep::{BLOCK, exp, sum, weigh};

impl Candidates<'_> {
    /// The token at `u` in [0, 1) of the candidates' probability laid end to end by id; `None` when none is left. The logits
    /// are no longer logits after it.
    pub(crate) fn draw(&mut self, u: f64) -> Option<u32> {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return None;
        }
        if self.narrowed {
            self.scratch.weigh(self.isa, max);
            locate(&self.scratch.weights, u).map(|at| self.scratch.list[at].id)
        } else {
            weigh(self.isa, self.logits, max);
            locate(self.logits, u).map(|id| id as u32)
        }
    }

    /// The token whose logit plus Gumbel noise is the largest; `None` when none is left.
    ///
    /// A token's noise is `-ln(-ln u)` with u in (0, 1) made of `key` and its id, whichever others are left. It beats a score s
    /// only if `u > e^(-e^(x - s)) ≥ 1 - e^(x - s)`, so the logarithms are taken of few.
    pub(crate) fn gumbel(&self, key: u64) -> Option<u32> {
        let mut best: Option<(f64, u32)> = None;
        let mut take = |id: u32, logit: f32| {
            let u = noise(key, id);
            if let Some((score, _)) = best {
                let lead = (f64::from(logit) - score).min(0.0) as f32;
                // The bound is widened by what `exp` may be off.
                if 1.0 - u > f64::from(exp(lead)) * 1.000_001 + 1e-37 {
                    return;
                }
            }
            let score = f64::from(logit) - ln(-ln(u));
            if best.is_none_or(|(most, _)| score > most) {
                best = Some((score, id));
            }
        };
        match self.narrowed {
            true => self.scratch.list.iter().for_each(|c| take(c.id, c.logit)),
            false => {
                let left = self.logits.iter().enumerate().filter(|(_, logit)| **logit > f32::NEG_INFINITY);
                left.for_each(|(id, logit)| take(id as u32, *logit));
            }
        }
        best.map(|(_, id)| id)
    }
}

/// The place at `u` in [0, 1) of `weights` (n) laid end to end, one with a weight above 0; `None` when all are 0.
fn locate(weights: &[f32], u: f64) -> Option<usize> {
    let mark = u * weights.chunks(BLOCK).map(sum).sum::<f64>();
    let mut before = 0.0;
    for (block, weights) in weights.chunks(BLOCK).enumerate() {
        let after = before + sum(weights);
        if mark < after {
            let inside = weights.iter().position(|&weight| {
                before += f64::from(weight);
                mark < before
            });
            // One by one the weights may add up to a last bit less than together.
            let inside = inside.or_else(|| weights.iter().rposition(|&weight| weight > 0.0))?;
            return Some(block * BLOCK + inside);
        }
        before = after;
    }
    None
}
