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

    /// The token whose logit plus Gumbel noise is the largest, the noise made of `key`; `None` when none is left.
    pub(crate) fn gumbel(&self, key: u64) -> Option<u32> {
        let mut race = Race { key, best: None };
        if self.narrowed {
            for block in self.scratch.list.chunks(BLOCK) {
                let most = block.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.logit));
                race.run(most, block.iter().map(|c| (c.id, c.logit)));
            }
        } else {
            for ((block, logits), most) in self.logits.chunks(BLOCK).enumerate().zip(&self.scratch.maxima) {
                race.run(*most, (block * BLOCK..).map(|id| id as u32).zip(logits.iter().copied()));
            }
        }
        race.best.map(|(_, id)| id)
    }
}

/// Logits plus Gumbel noise, the largest so far and whose it is.
///
/// A token's noise is `-ln(-ln u)` with u in (0, 1) made of the key and its id, whichever others are left. With it a token beats
/// a score s only if `u > e^(-e^(x - s)) ≥ 1 - e^(x - s)`, so the logarithms are taken of few, and e^x once a block.
struct Race {
    key: u64,
    best: Option<(f64, u32)>,
}

impl Race {
    /// Lets tokens take part, `most` being the largest of their logits.
    fn run(&mut self, most: f32, tokens: impl Iterator<Item = (u32, f32)>) {
        let mut chance = self.chance(most);
        for (id, logit) in tokens {
            let u = noise(self.key, id);
            if 1.0 - u > chance || logit == f32::NEG_INFINITY {
                continue;
            }
            let score = f64::from(logit) - ln(-ln(u));
            if self.best.is_none_or(|(best, _)| score > best) {
                self.best = Some((score, id));
                chance = self.chance(most);
            }
        }
    }

    /// A bound on the probability that a logit beats the best score, widened by what `exp` may be off.
    fn chance(&self, logit: f32) -> f64 {
        let lead = |(best, _): (f64, u32)| (f64::from(logit) - best).min(0.0) as f32;
        self.best.map(lead).map_or(1.0, |lead| f64::from(exp(lead)) * 1.000_001 + 1e-37)
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
