//! The tokens still in play: how they are held, raised, lowered and taken out.
//!
//! As long as nothing was dropped the logits themselves are the candidates and no list is made of them; the first filter makes
//! one of what it keeps. A list is in the order of its ids throughout, so what is drawn depends on which candidates are left
//! and not on how they were found. The largest logit of every block is kept up to date, and answers most questions alone.

use std::cmp::Ordering;

use wick_kernels::Isa;

use crate::sweep::{self, BLOCK, divide, exp, moments, spread, sum_exp, survey};

/// How many more candidates than wanted a scan gathers before it selects among them.
const SLACK: usize = 1024;

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
    pub(crate) list: Vec<Candidate>,
    pub(crate) ranked: Vec<Candidate>,
    pub(crate) bins: Vec<f64>,
    pub(crate) weights: Vec<f32>,
    /// The largest logit of each block, while the logits are the candidates.
    pub(crate) maxima: Vec<f32>,
}

/// The candidates of one token. `-inf` in the logits is a token that is out.
pub(crate) struct Candidates<'a> {
    pub(crate) logits: &'a mut [f32],
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) narrowed: bool,
    pub(crate) isa: Isa,
}

impl<'a> Candidates<'a> {
    /// All of `logits` (v); `None` when a NaN or `+inf` is among them.
    pub(crate) fn new(isa: Isa, logits: &'a mut [f32], scratch: &'a mut Scratch) -> Option<Self> {
        scratch.maxima.resize(logits.len().div_ceil(BLOCK), f32::NEG_INFINITY);
        let broken = survey(isa, logits, &mut scratch.maxima);
        (!broken).then_some(Self { logits, scratch, narrowed: false, isa })
    }

    /// Sets the logit of token `id` to `change` of it; nothing, if it is out already. A result beyond f32 is its largest value.
    pub(crate) fn adjust(&mut self, id: u32, change: impl Fn(f32) -> f32) {
        let change = |logit: f32| change(logit).clamp(f32::MIN, f32::MAX);
        if self.narrowed {
            let list = &mut self.scratch.list;
            if let Ok(at) = list.binary_search_by_key(&id, |c| c.id) {
                list[at].logit = change(list[at].logit);
            }
        } else if let Some(&logit) = self.logits.get(id as usize).filter(|logit| **logit > f32::NEG_INFINITY) {
            self.put(id, change(logit));
        }
    }

    /// Takes token `id` out.
    pub(crate) fn forbid(&mut self, id: u32) {
        if self.narrowed {
            self.scratch.list.retain(|c| c.id != id);
        } else if (id as usize) < self.logits.len() {
            self.put(id, f32::NEG_INFINITY);
        }
    }

    /// Sets a logit and the largest of its block.
    fn put(&mut self, id: u32, logit: f32) {
        let at = id as usize;
        let before = std::mem::replace(&mut self.logits[at], logit);
        let most = &mut self.scratch.maxima[at / BLOCK];
        if logit >= *most {
            *most = logit;
        } else if before == *most {
            let start = at / BLOCK * BLOCK;
            *most = sweep::max(&self.logits[start..self.logits.len().min(start + BLOCK)]);
        }
    }

    /// Divides every logit by `temperature` > 0.
    pub(crate) fn scale(&mut self, temperature: f32) {
        let isa = self.isa;
        if self.narrowed {
            self.scratch.list.iter_mut().for_each(|c| divide(isa, std::slice::from_mut(&mut c.logit), temperature));
        } else {
            divide(isa, self.logits, temperature);
            divide(isa, &mut self.scratch.maxima, temperature);
        }
    }

    /// How many are left.
    pub(crate) fn count(&self) -> usize {
        match self.narrowed {
            true => self.scratch.list.len(),
            false => self.logits.iter().filter(|logit| **logit > f32::NEG_INFINITY).count(),
        }
    }

    /// The logit of token `id`, if it is left.
    pub(crate) fn logit(&self, id: u32) -> Option<f32> {
        if self.narrowed {
            let list = &self.scratch.list;
            return list.binary_search_by_key(&id, |c| c.id).ok().map(|at| list[at].logit);
        }
        self.logits.get(id as usize).copied().filter(|logit| *logit > f32::NEG_INFINITY)
    }

    /// The token with the largest logit, the lowest id of equal ones; `None` when none is left.
    pub(crate) fn largest(&self) -> Option<u32> {
        if self.narrowed {
            return self.scratch.list.iter().min_by(|a, b| a.rank(b)).map(|c| c.id);
        }
        let max = self.max();
        let start = self.scratch.maxima.iter().position(|&most| most == max && most > f32::NEG_INFINITY)? * BLOCK;
        let at = self.logits[start..].iter().position(|&x| x == max)?;
        Some((start + at) as u32)
    }

    /// The largest logit; `-inf` when none is left.
    pub(crate) fn max(&self) -> f32 {
        if self.narrowed {
            self.scratch.list.iter().fold(f32::NEG_INFINITY, |m, c| m.max(c.logit))
        } else {
            sweep::max(&self.scratch.maxima)
        }
    }

    /// `Σ e^(logit - max)`.
    pub(crate) fn mass(&self, max: f32) -> f64 {
        if self.narrowed {
            self.scratch.list.iter().map(|c| f64::from(exp(c.logit - max))).sum()
        } else {
            sum_exp(self.isa, self.logits, max)
        }
    }

    /// `Σ e^d` and `Σ d e^d` with d = logit - max.
    pub(crate) fn moments(&mut self, max: f32) -> (f64, f64) {
        moments(self.isa, self.values(), max)
    }

    /// How many are left, and `Σ d` and `Σ d²` with d = logit - max.
    pub(crate) fn spread(&mut self, max: f32) -> (f64, f64, f64) {
        spread(self.isa, self.values(), max)
    }

    /// The logits side by side.
    fn values(&mut self) -> &[f32] {
        if self.narrowed {
            self.scratch.weights.clear();
            self.scratch.weights.extend(self.scratch.list.iter().map(|c| c.logit));
            &self.scratch.weights
        } else {
            self.logits
        }
    }

    /// Puts the candidates whose logit is at least `mark`, which is finite, into the second list, by id.
    pub(crate) fn gather(&mut self, mark: f32) {
        let Scratch { list, ranked, maxima, .. } = &mut *self.scratch;
        ranked.clear();
        if self.narrowed {
            ranked.extend(list.iter().filter(|c| c.logit >= mark));
            return;
        }
        for (block, logits) in self.logits.chunks(BLOCK).enumerate() {
            if maxima[block] >= mark {
                let found = logits.iter().zip(block * BLOCK..).filter(|(logit, _)| **logit >= mark);
                ranked.extend(found.map(|(&logit, id)| Candidate { id: id as u32, logit }));
            }
        }
    }

    /// Keeps the candidates whose logit is at least `mark`, which is finite.
    pub(crate) fn keep_from(&mut self, mark: f32) {
        self.gather(mark);
        std::mem::swap(&mut self.scratch.list, &mut self.scratch.ranked);
        self.narrowed = true;
    }

    /// Makes a list that has the `k` ≥ 1 largest among a few more.
    ///
    /// The k-th largest of the blocks' maxima has k logits at or above it, so nothing below it is wanted. Of what is left a
    /// scan passes over what is no larger than k others.
    pub(crate) fn scan(&mut self, k: usize) {
        self.narrowed = true;
        let mut mark = self.scratch.kth_maximum(k);
        self.scratch.list.clear();
        let room = k.saturating_mul(2).saturating_add(SLACK);
        for (block, logits) in self.logits.chunks(BLOCK).enumerate() {
            // Strictly above: of equal logits the lower id is in the list already.
            if self.scratch.maxima[block] > mark {
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

    /// The `k` ≥ 1 most probable, best first. What is left stays as it was.
    pub(crate) fn best(&mut self, k: usize) -> &[Candidate] {
        if self.narrowed {
            self.scratch.rank();
        } else {
            self.scan(k);
            self.scratch.rank();
            self.narrowed = false;
        }
        self.scratch.ranked.truncate(k);
        &self.scratch.ranked
    }

    /// What is left, by id.
    #[cfg(test)]
    pub(crate) fn left(&self) -> Vec<(u32, f32)> {
        match self.narrowed {
            true => self.scratch.list.iter().map(|c| (c.id, c.logit)).collect(),
            false => (0..).zip(self.logits.iter().copied()).filter(|(_, logit)| *logit > f32::NEG_INFINITY).collect(),
        }
    }
}

impl Scratch {
    /// The number just below the `k`-th largest of the maxima; `-inf` where there are fewer.
    fn kth_maximum(&mut self, k: usize) -> f32 {
        if self.maxima.len() < k {
            return f32::NEG_INFINITY;
        }
        self.weights.clone_from(&self.maxima);
        let (_, mark, _) = self.weights.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        mark.next_down()
    }

    /// Makes the second list the first one, most probable first.
    fn rank(&mut self) {
        self.ranked.clone_from(&self.list);
        self.ranked.sort_unstable_by(Candidate::rank);
    }

    /// Keeps the `k` ≥ 1 of the largest logits and tells the smallest of them; `None` when there are no more than `k` anyway.
    pub(crate) fn keep_largest(&mut self, k: usize) -> Option<Candidate> {
        if self.list.len() <= k {
            return None;
        }
        self.ranked.clone_from(&self.list);
        let (_, &mut last, _) = self.ranked.select_nth_unstable_by(k - 1, Candidate::rank);
        self.list.retain(|c| c.rank(&last) != Ordering::Greater);
        Some(last)
    }
}
