//! The sampler of one sequence.

use wick_spec::{Error, Result, Sampling};

use crate::candidates::{Candidates, Scratch};
use crate::distribution::Distribution;
use crate::exp::max;
use crate::options::{Stage, stages, window};
use crate::random::{Random, system_seed};
use crate::window::Window;

/// A token that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The token id, below the vocabulary's size.
    pub id: u32,
    /// Natural log of its probability in the model's own distribution, before the chain; `None` unless
    /// [`Sampling::logprobs`] asks for it.
    pub logprob: Option<f32>,
    /// The most probable tokens of that distribution with their log-probabilities, best first, the lower id first of equals:
    /// as many as were asked for, fewer only where the model gave fewer a finite logit.
    pub top: Vec<(u32, f32)>,
}

/// Chooses the tokens of one sequence: owns its random numbers, its penalty window and its buffers.
///
/// Memory is taken by the first token and used again by all that follow. A clone goes on as the original would.
#[derive(Debug, Clone)]
pub struct Sampler {
    stages: Vec<Stage>,
    greedy: bool,
    logprobs: Option<usize>,
    vocab: usize,
    seed: u64,
    random: Random,
    window: Option<Window>,
    distribution: Distribution,
    scratch: Scratch,
}

impl Sampler {
    /// A sampler for logits of `vocab` tokens.
    ///
    /// A temperature of 0, or below 1e-5, is greedy whether or not the chain names the temperature: the largest logit after
    /// the biases and penalties of the chain, the lowest id of equals. Any other option whose stage the chain does not name is
    /// without effect. `invalid-request` names the option that is out of its range, the value and the range; a bias on
    /// a token the vocabulary does not have, or two on one token; a stage that is twice in the chain. `io` when no seed is
    /// given and the system has none.
    pub fn new(options: &Sampling, vocab: usize) -> Result<Self> {
        let (stages, greedy) = stages(options, vocab)?;
        let seed = options.seed.map_or_else(system_seed, Ok)?;
        Ok(Self {
            window: window(&stages, options),
            stages,
            greedy,
            logprobs: options.logprobs.map(|n| n as usize),
            vocab,
            seed,
            random: Random::new(seed),
            distribution: Distribution::default(),
            scratch: Scratch::default(),
        })
    }

    /// Lets a token of the prompt, or one that was sampled, enter the penalty window. [`Sampler::sample`] does not do this
    /// itself: a token that was sampled may yet be discarded.
    pub fn accept(&mut self, id: u32) {
        if let Some(window) = &mut self.window {
            window.push(id);
        }
    }

    /// Chooses a token. `logits` (v) are the model's, `-inf` for a token that is out; they are altered.
    ///
    /// Without greed, each call takes one number from the generator. `internal` when `logits` has another length, when the
    /// model gave NaN or `+inf`, or no finite logit at all; `invalid-request` when the biases forbid every token left.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<Choice> {
        let largest = self.check(logits)?;
        let top = match self.logprobs {
            Some(count) => self.distribution.take(logits, largest, count, &mut self.scratch),
            None => Vec::new(),
        };
        let mut candidates = chain(&self.stages, self.window.as_ref(), logits, &mut self.scratch);
        let id = if self.greedy { candidates.largest() } else { candidates.draw(self.random.unit()) };
        let id = id.ok_or_else(|| Error::invalid_request("logitBias forbids every token the other options leave."))?;
        Ok(Choice { id, logprob: self.logprobs.map(|_| self.distribution.logprob(id)), top })
    }

    /// The seed in use: the one given, or the one drawn from the system (below 2^53). Given again, it repeats the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What the chain leaves of `logits`, by id.
    #[cfg(test)]
    pub(crate) fn left(&mut self, logits: &mut [f32]) -> Vec<(u32, f32)> {
        chain(&self.stages, self.window.as_ref(), logits, &mut self.scratch).left()
    }

    /// The largest of `logits`, if they are as many as there are tokens and can be sampled from.
    fn check(&self, logits: &[f32]) -> Result<f32> {
        if logits.len() != self.vocab {
            let message = format!("The sampler is for {} logits and was given {}.", self.vocab, logits.len());
            return Err(Error::internal(message));
        }
        // Without a way out the sweep is made of vectors; which token it was is looked for only when there is one.
        let broken = |x: f32| x.is_nan() | (x == f32::INFINITY);
        if logits.iter().fold(false, |found, &x| found | broken(x))
            && let Some(token) = logits.iter().position(|&x| broken(x))
        {
            let logit = logits[token];
            let message =
                format!("The model's logit of token {token} is {logit}; its weights or its computation are broken.");
            return Err(Error::internal(message));
        }
        let largest = max(logits);
        if largest == f32::NEG_INFINITY {
            return Err(Error::internal("The model gave no finite logit; its weights or its computation are broken."));
        }
        Ok(largest)
    }
}

/// The candidates that the stages leave of `logits`.
fn chain<'a>(stages: &[Stage], window: Option<&Window>, logits: &'a mut [f32], scratch: &'a mut Scratch) -> Candidates<'a> {
    let mut candidates = Candidates::new(logits, scratch);
    for stage in stages {
        apply(stage, window, &mut candidates);
    }
    candidates
}

fn apply(stage: &Stage, window: Option<&Window>, candidates: &mut Candidates) {
    match stage {
        Stage::Bias(entries) => {
            for entry in entries {
                match entry.bias {
                    f32::NEG_INFINITY => candidates.forbid(entry.token),
                    bias => candidates.adjust(entry.token, |logit| logit + bias),
                }
            }
        }
        Stage::Penalties(penalties) => {
            for (id, count) in window.into_iter().flat_map(Window::counts) {
                candidates.adjust(id, |logit| penalties.apply(logit, count));
            }
        }
        Stage::TopK(k) => candidates.top_k(*k),
        Stage::TopP(p) => candidates.top_p(*p),
        Stage::MinP(ln_ratio) => candidates.min_p(*ln_ratio),
        Stage::Temperature(temperature) => candidates.scale(*temperature),
    }
}
