//! The model's own distribution, before the chain: log-probabilities for those who ask.

use crate::candidates::Candidates;

/// A copy of one token's logits and the logarithm of their sum. The chain alters the logits, hence the copy; its memory is
/// taken once, and only by a sampler whose caller asked for log-probabilities.
#[derive(Debug, Clone, Default)]
pub(crate) struct Distribution {
    logits: Vec<f32>,
    ln_sum: f64,
}

impl Distribution {
    /// Takes the distribution of the candidates, which are all of a model's logits, and gives its `count` most probable tokens,
    /// best first, the lower id first of equals. Tokens at `-inf` are not among them.
    pub(crate) fn take(&mut self, candidates: &mut Candidates, count: usize) -> Vec<(u32, f32)> {
        let max = candidates.max();
        self.logits.clear();
        self.logits.extend_from_slice(candidates.logits);
        self.ln_sum = f64::from(max) + candidates.mass(max).ln();
        if count == 0 {
            return Vec::new();
        }
        candidates.best(count).iter().map(|c| (c.id, self.logprob(c.id))).collect()
    }

    /// Natural log of the probability of token `id` < v.
    pub(crate) fn logprob(&self, id: u32) -> f32 {
        (f64::from(self.logits[id as usize]) - self.ln_sum) as f32
    }
}
