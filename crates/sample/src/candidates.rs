//! The tokens still in play, and the stages that raise, lower and drop them.
//!
//! As long as nothing was dropped the logits themselves are the candidates and no list is made of them; the first filter makes
//! one of what it keeps. A list is in the order of its ids throughout, so what is drawn depends on which candidates are left
//! and not on how they were found. Filters find the place of the cut by partial selection in a second list, then keep what is
//! on its right side.

use std::cmp::Ordering;

use crate::exp::{self, exp, sum, sum_exp};

/// Logits that a scan looks at together: one comparison passes over a block that has nothing above the mark.
const BLOCK: usize = 64;

/// How many more candidates than wanted a scan gathers before it selects among them.
const SLACK: usize = 1024;

/// Top-p's bins: narrow enough that few candidates share the last one, and in all as wide as `exp` does not give 0.
const BINS_PER_LOGIT: f32 = 16.0;
const BINS: usize = 1408;

/// A token and its logit, which is finite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) id: u32,
    pub(crate) logit: f32,
}

impl Candidate {
    /// Larger logits first; of equal ones the lower id.
    pub(crate) fn rank(&self, other: &Self) -> Ordering {
        other.logit.partial_cmp(&self.logit).unwrap_or(Ordering::Equal).then(self.id.cmp(&other.id))
    }
}

/// Buffers that live as long as the sampler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    list: Vec<Candidate>,
    ranked: Vec<Candidate>,
    bins: Vec<f64>,
    weights: Vec<f32>,
}

/// The candidates of one token. `-inf` in the logits is a token that is out.
pub(crate) struct Candidates<'a> {
    logits: &'a mut [f32],
    scratch: &'a mut Scratch,
    narrowed: bool,
}

impl<'a> Candidates<'a> {
    /// All of `logits` (v), among which are no NaN and no `+inf`.
    pub(crate) fn new(logits: &'a mut [f32], scratch: &'a mut Scratch) -> Self {
        Self { logits, scratch, narrowed: false }
    }

    /// Sets the logit of token `id` to `change` of it; nothing, if it is out already. A result beyond f32 is its largest value.
    pub(crate) fn adjust(&mut self, id: u32, change: impl Fn(f32) -> f32) {
        let logit = if self.narrowed {
            let list = &mut self.scratch.list;
            list.binary_search_by_key(&id, |c| c.id).ok().map(|at| &mut list[at].logit)
        } else {
            self.logits.get_mut(id as usize).filter(|logit| **logit > f32::NEG_INFINITY)
        };
        if let Some(logit) = logit {
            *logit = change(*logit).clamp(f32::MIN, f32::MAX);
        }
    }

    /// Takes token `id` out.
    pub(crate) fn forbid(&mut self, id: u32) {
        if self.narrowed {
            self.scratch.list.retain(|c| c.id != id);
        } else if let Some(logit) = self.logits.get_mut(id as usize) {
            *logit = f32::NEG_INFINITY;
        }
    }

    /// Divides every logit by `temperature` > 0.
    pub(crate) fn scale(&mut self, temperature: f32) {
        let scaled = |x: f32| (x / temperature).clamp(f32::MIN, f32::MAX);
        if self.narrowed {
            self.scratch.list.iter_mut().for_each(|c| c.logit = scaled(c.logit));
        } else {
            self.logits.iter_mut().for_each(|x| *x = if *x == f32::NEG_INFINITY { *x } else { scaled(*x) });
        }
    }

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
            self.keep_from(max + ln_ratio);
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
            self.keep_from(max + (least.ln() as f32).next_down());
        }
        self.scratch.keep_mass(p * total, max);
    }

    /// The token with the largest logit, the lowest id of equal ones; `None` when none is left.
    pub(crate) fn largest(&self) -> Option<u32> {
        if self.narrowed {
            return self.scratch.list.iter().min_by(|a, b| a.rank(b)).map(|c| c.id);
        }
        let max = self.max();
        let block = self.logits.chunks(BLOCK).position(|logits| exp::max(logits) == max)?;
        let at = self.logits[block * BLOCK..].iter().position(|&x| x == max && x > f32::NEG_INFINITY)?;
        Some((block * BLOCK + at) as u32)
    }

    /// The token at `u` in [0, 1) of the candidates' probability laid end to end by id; `None` when none is left.
    pub(crate) fn draw(&mut self, u: f64) -> Option<u32> {
        let max = self.max();
        if max == f32::NEG_INFINITY {
            return None;
        }
        if self.narrowed {
            self.scratch.weigh(max);
            locate(&self.scratch.weights, u).map(|at| self.scratch.list[at].id)
        } else {
            self.logits.iter_mut().for_each(|x| *x = exp(*x - max));
            locate(self.logits, u).map(|id| id as u32)
        }
    }

    /// What is left, by id.
    #[cfg(test)]
    pub(crate) fn left(&self) -> Vec<(u32, f32)> {
        match self.narrowed {
            true => self.scratch.list.iter().map(|c| (c.id, c.logit)).collect(),
            false => (0..).zip(self.logits.iter().copied()).filter(|(_, logit)| *logit > f32::NEG_INFINITY).collect(),
        }
    }

    /// The largest logit; `-inf` when none is left.
    fn max(&self) -> f32 {
        if self.narrowed {
            self.scratch.list.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.logit))
        } else {
            exp::max(self.logits)
        }
    }

    /// `Σ e^(logit - max)`.
    fn mass(&self, max: f32) -> f64 {
        if self.narrowed {
            self.scratch.list.iter().map(|c| f64::from(exp(c.logit - max))).sum()
        } else {
            sum_exp(self.logits, max)
        }
    }

    /// Keeps the candidates whose logit is at least `mark`, which is finite.
    fn keep_from(&mut self, mark: f32) {
        let list = &mut self.scratch.list;
        if self.narrowed {
            list.retain(|c| c.logit >= mark);
            return;
        }
        self.narrowed = true;
        list.clear();
        for (block, logits) in self.logits.chunks(BLOCK).enumerate() {
            if exp::max(logits) >= mark {
                let found = logits.iter().zip(block * BLOCK..).filter(|(logit, _)| **logit >= mark);
                list.extend(found.map(|(&logit, id)| Candidate { id: id as u32, logit }));
            }
        }
    }

    /// Makes a list that has the `k` largest among a few more: what is no larger than k others is passed over.
    fn scan(&mut self, k: usize) {
        self.narrowed = true;
        self.scratch.list.clear();
        let room = k.saturating_mul(2).saturating_add(SLACK);
        let mut mark = f32::NEG_INFINITY;
        for (block, logits) in self.logits.chunks(BLOCK).enumerate() {
            // Strictly above: of equal logits the lower id is in the list already.
            if exp::max(logits) > mark {
                let found = logits.iter().zip(block * BLOCK..).filter(|(logit, _)| **logit > mark);
                self.scratch.list.extend(found.map(|(&logit, id)| Candidate { id: id as u32, logit }));
            }
            if self.scratch.list.len() >= room
                && let Some(last) = self.scratch.keep_largest(k)
            {
                mark = last.logit;
            }
        }
    }
}

impl Scratch {
    /// The candidates that the last filter kept, most probable first.
    pub(crate) fn ranked(&mut self) -> &[Candidate] {
        self.ranked.clone_from(&self.list);
        self.ranked.sort_unstable_by(Candidate::rank);
        &self.ranked
    }

    /// Keeps the `k` ≥ 1 of the largest logits and tells the smallest of them; `None` when there are no more than `k` anyway.
    fn keep_largest(&mut self, k: usize) -> Option<Candidate> {
        if self.list.len() <= k {
            return None;
        }
        self.ranked.clone_from(&self.list);
        let (_, &mut last, _) = self.ranked.select_nth_unstable_by(k - 1, Candidate::rank);
        self.keep_to(last);
        Some(last)
    }

    /// Sets the weights to `e^(logit - max)` of each candidate.
    fn weigh(&mut self, max: f32) {
        self.weights.clear();
        self.weights.extend(self.list.iter().map(|c| exp(c.logit - max)));
    }

    /// Keeps the smallest set from the most probable down that holds `mass`, in units of `e^max`.
    ///
    /// The weights are summed in bins of equal width in logits, so that only the bin in which the sum passes `mass` is sorted.
    fn keep_mass(&mut self, mass: f64, max: f32) {
        let bin = |c: &Candidate| (((max - c.logit) * BINS_PER_LOGIT) as usize).min(BINS - 1);
        self.weigh(max);
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
        self.ranked.sort_unstable_by(Candidate::rank);
        let reached = self.ranked.iter().find(|candidate| {
            sum += f64::from(exp(candidate.logit - max));
            sum >= mass
        });
        // The bin's weights in another order may add up to a last bit less: then all of it is kept.
        if let Some(&last) = reached.or(self.ranked.last()) {
            self.keep_to(last);
        }
    }

    /// Keeps `last` and what ranks before it.
    fn keep_to(&mut self, last: Candidate) {
        self.list.retain(|c| c.rank(&last) != Ordering::Greater);
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
