//! The stages that drop candidates.
//!
//! Each finds the place of its cut by partial selection in a second list, or by weights summed in bins, then keeps what is on
//! its right side. None of them sorts more than the few candidates among which the cut falls.

use std::cmp::Ordering;

use wick_kernels::Isa;

use crate::candidates::{Candidate, Candidates, Scratch};
use crate::math::ln;
use crate::sweep::{exp, weigh};

/// Bins of a cut by mass: narrow enough that few candidates share the last one, and in all as wide as `exp` does not give 0.
const BINS_PER_LOGIT: f32 = 16.0;
const BINS: usize = 1408;

impl Candidates<'_> {
    /// Keeps the `k` ≥ 1 of the largest logits.
    pub(crate) fn top_k(&mut self, k: usize) {
        if !self.narrowed {
            self.scan(k);
        }
        self.scratch.keep_largest(k);
    }

    /// Drops what is less probable than `e^ln_ratio` times the most probable.
    pub(crate) fn min_p(&mut self, ln_ratio: f32) {
        let max = self.max();
        if max > f32::NEG_INFINITY {
            self.keep_from((max + ln_ratio).max(f32::MIN));
        }
    }

    /// Keeps the smallest set, taken from the most probable down, whose share of the candidates' probability reaches `p` < 1.
    pub(crate) fn top_p(&mut self, p: f64) {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return;
        }
        let total = self.mass(max);
        if !self.narrowed {
            // Tokens below (1 - p) / v are together less than 1 - p, so the set is reached before the first of them.
            let least = total * (1.0 - p) / self.logits.len() as f64;
            self.keep_from((max + (ln(least) as f32).next_down()).max(f32::MIN));
        }
        self.scratch.keep_mass(self.isa, p * total, max, max);
    }

    /// Keeps the smallest set whose share of the probability reaches `p` < 1, taken in the order of how far a token's surprise
    /// is from the expected surprise, the entropy.
    ///
    /// With `-ln p = ln Z - x` the distance `|-ln p - H|` is `|x - E[x]|`, so neither logarithm is taken.
    pub(crate) fn typical_p(&mut self, p: f64) {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return;
        }
        let (total, first) = self.moments(max);
        if !self.narrowed {
            self.keep_from(f32::MIN);
        }
        let expected = (f64::from(max) + first / total) as f32;
        self.scratch.keep_mass(self.isa, p * total, max, expected);
    }

    /// Keeps what is at most `n` > 0 standard deviations of the candidates' logits below the largest.
    pub(crate) fn top_n_sigma(&mut self, n: f32) {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return;
        }
        let (count, first, second) = self.spread(max);
        let mean = first / count;
        let sigma = (second / count - mean * mean).max(0.0).sqrt();
        self.keep_from(((f64::from(max) - f64::from(n) * sigma) as f32).max(f32::MIN));
    }

    /// Of the candidates whose probability is at least `threshold`, drops all but the least probable.
    pub(crate) fn exclude_top_choices(&mut self, threshold: f32) {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return;
        }
        let least = f64::from(threshold) * self.mass(max);
        // One logit of slack: what decides is the weight.
        self.gather((f64::from(max) + ln(least.max(f64::MIN_POSITIVE)) - 1.0).max(f64::from(f32::MIN)) as f32);
        let choices = &mut self.scratch.ranked;
        choices.retain(|c| f64::from(exp(c.logit - max)) >= least);
        let Some(&last) = choices.iter().max_by(|a, b| a.rank(b)) else { return };
        if self.narrowed {
            self.scratch.list.retain(|c| c.rank(&last) != Ordering::Less);
            return;
        }
        for at in 0..self.scratch.ranked.len() {
            let id = self.scratch.ranked[at].id;
            if id != last.id {
                self.forbid(id);
            }
        }
    }
}

impl Scratch {
    /// Sets the weights to `e^(logit - max)` of each candidate.
    pub(crate) fn weigh(&mut self, isa: Isa, max: f32) {
        self.weights.clear();
        self.weights.extend(self.list.iter().map(|c| c.logit));
        weigh(isa, &mut self.weights, max);
    }

    /// Keeps the smallest set, from the logits nearest to `centre` outwards, that holds `mass`, in units of `e^max`.
    ///
    /// The weights are summed in bins of equal width in logits, so that only the bin in which the sum passes `mass` is sorted.
    /// With the largest logit as the centre, outwards is downwards.
    fn keep_mass(&mut self, isa: Isa, mass: f64, max: f32, centre: f32) {
        let distance = |c: &Candidate| (c.logit - centre).abs();
        let bin = |c: &Candidate| ((distance(c) * BINS_PER_LOGIT) as usize).min(BINS - 1);
        let outwards = |a: &Candidate, b: &Candidate| distance(a).total_cmp(&distance(b)).then(a.rank(b));
        self.weigh(isa, max);
        self.bins.clear();
        self.bins.resize(BINS, 0.0);
        for (candidate, weight) in self.list.iter().zip(&self.weights) {
            self.bins[bin(candidate)] += f64::from(*weight);
        }
        let (mut last, mut sum) = (0, 0.0);
        while last + 1 < BINS && sum + self.bins[last] < mass {
            sum += self.bins[last];
            last += 1;
        }
        self.ranked.clear();
        self.ranked.extend(self.list.iter().filter(|c| bin(c) == last));
        self.ranked.sort_unstable_by(outwards);
        let reached = self.ranked.iter().find(|candidate| {
            sum += f64::from(exp(candidate.logit - max));
            sum >= mass
        });
        // The bin's weights in another order may add up to a last bit less: then all of it is kept.
        if let Some(&last) = reached.or(self.ranked.last()) {
            self.list.retain(|c| outwards(c, &last) != Ordering::Greater);
        }
    }
}
