//! The sampler of one sequence.

use wick_kernels::Isa;
use wick_spec::{Error, Result, Sampling};

use crate::candidates::{Candidates, Scratch};
use crate::distribution::Distribution;
use crate::dry::{Breakers, Dry};
use crate::math::{ln, pow};
use crate::options::{End, LEAST_TEMPERATURE, Stage, stages};
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

/// What the texts among the options are as tokens; whoever has the tokenizer says it.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The tokens of [`Sampling::banned_texts`].
    pub banned: Vec<u32>,
    /// What [`wick_spec::Dry::breakers`] become; `None` is none.
    pub breakers: Option<Breakers>,
}

/// Chooses the tokens of one sequence: owns its random numbers, what it remembers of earlier tokens, and its buffers.
///
/// Memory is taken by the first token and used again by all that follow. A clone goes on as the original would.
#[derive(Debug, Clone)]
pub struct Sampler {
    stages: Vec<Stage>,
    end: End,
    banned: Vec<u32>,
    logprobs: Option<usize>,
    vocab: usize,
    seed: u64,
    random: Random,
    window: Option<Window>,
    dry: Option<Dry>,
    distribution: Distribution,
    scratch: Scratch,
    isa: Isa,
}

impl Sampler {
    /// A sampler for logits of `vocab` tokens, of options without texts. See [`Sampler::with_texts`]; `internal` where the
    /// options do have texts that matter, because only a tokenizer knows their tokens.
    pub fn new(options: &Sampling, vocab: usize) -> Result<Self> {
        let breaks = options.dry.multiplier > 0.0 && !options.dry.breakers.is_empty();
        if breaks || !options.banned_texts.is_empty() {
            return Err(Error::internal("The sampler was not told the tokens of its options' texts."));
        }
        Self::with_texts(options, vocab, Texts::default())
    }

    /// A sampler for logits of `vocab` tokens, `texts` being the texts of `options`.
    ///
    /// A temperature of 0, or below 1e-5, is greedy whether or not the chain names the temperature: the largest logit after
    /// the biases and penalties of the chain, the lowest id of equals. Any other option whose stage the chain does not name is
    /// without effect. `invalid-request` names the option that is out of its range, the value and the range; a bias on or ban
    /// of a token the vocabulary does not have, or two biases on one token; a stage that is twice in the chain; a draw that
    /// contradicts the other options. `io` when no seed is given and the system has none; what [`Isa::chosen`] says.
    pub fn with_texts(options: &Sampling, vocab: usize, texts: Texts) -> Result<Self> {
        let (stages, end) = stages(options, vocab)?;
        let seed = options.seed.map_or_else(system_seed, Ok)?;
        let has = |wanted: fn(&Stage) -> bool| stages.iter().any(wanted);
        Ok(Self {
            window: has(|stage| matches!(stage, Stage::Penalties(_))).then(|| Window::new(options.penalty_window as usize)),
            dry: has(|stage| *stage == Stage::Dry).then(|| Dry::new(&options.dry, texts.breakers)),
            stages,
            end,
            banned: [options.banned_tokens.clone(), texts.banned].concat(),
            logprobs: options.logprobs.map(|n| n as usize),
            vocab,
            seed,
            random: Random::new(seed),
            distribution: Distribution::default(),
            scratch: Scratch::default(),
            isa: Isa::chosen()?,
        })
    }

    /// The same sampler with loops of this instruction set; the tokens stay the same.
    pub fn on(self, isa: Isa) -> Self {
        Self { isa, ..self }
    }

    /// Lets a token of the prompt, or one that was sampled, enter the penalty windows. [`Sampler::sample`] does not do this
    /// itself: a token that was sampled may yet be discarded.
    pub fn accept(&mut self, id: u32) {
        if let Some(window) = &mut self.window {
            window.push(id);
        }
        if let Some(dry) = &mut self.dry {
            dry.push(id);
        }
    }

    /// Chooses a token. `logits` (v) are the model's, `-inf` for a token that is out; they are altered.
    ///
    /// Without greed, each call takes one number from the generator, and one more with XTC; mirostat's bound moves. `internal`
    /// when `logits` has another length, when the model gave NaN or `+inf`, or no finite logit at all; `invalid-request` when
    /// biases and bans forbid every token left.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<Choice> {
        let Some(mut candidates) = candidates(self.isa, self.vocab, logits, &mut self.scratch)? else {
            return Err(broken(logits));
        };
        let top = match self.logprobs {
            Some(count) => self.distribution.take(&mut candidates, count),
            None => Vec::new(),
        };
        self.banned.iter().for_each(|&id| candidates.forbid(id));
        for stage in &self.stages {
            apply(stage, self.window.as_ref(), self.dry.as_mut(), &mut self.random, &mut candidates);
        }
        let id = match &mut self.end {
            End::Greedy => candidates.largest(),
            End::Categorical => candidates.draw(self.random.unit()),
            End::GumbelMax => candidates.gumbel(self.random.bits()),
            End::Mirostat(mirostat) => mirostat.draw(&mut candidates, self.random.unit()),
        };
        let id = id.ok_or_else(|| {
            let who = if self.banned.is_empty() { "logitBias forbids" } else { "bannedTokens and logitBias forbid" };
            Error::invalid_request(format!("{who} every token the other options leave."))
        })?;
        Ok(Choice { id, logprob: self.logprobs.map(|_| self.distribution.logprob(id)), top })
    }

    /// Has `id`, which was settled without the model, in the place of what [`Sampler::sample`] would choose, with the
    /// log-probability that it had. The generator moves as if it had been drawn; errors are those of [`Sampler::sample`].
    pub fn settle(&mut self, id: u32, logits: &mut [f32]) -> Result<Choice> {
        let known = logits.len();
        let Choice { top, .. } = self.sample(logits)?;
        let logprob = self.logprobs.filter(|_| (id as usize) < known).map(|_| self.distribution.logprob(id));
        Ok(Choice { id, logprob, top })
    }

    /// The seed in use: the one given, or the one drawn from the system (below 2^53). Given again, it repeats the run.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// What the chain leaves of `logits`, by id.
    #[cfg(test)]
    pub(crate) fn left(&mut self, logits: &mut [f32]) -> Vec<(u32, f32)> {
        let mut candidates = Candidates::new(self.isa, logits, &mut self.scratch).unwrap();
        self.banned.iter().for_each(|&id| candidates.forbid(id));
        for stage in &self.stages {
            apply(stage, self.window.as_ref(), self.dry.as_mut(), &mut self.random, &mut candidates);
        }
        candidates.left()
    }

    /// Where the generator is.
    #[cfg(test)]
    pub(crate) fn next_bits(&mut self) -> u64 {
        self.random.bits()
    }

    /// The same sampler with the numbers of another seed.
    #[cfg(test)]
    pub(crate) fn reseeded(self, seed: u64) -> Self {
        Self { seed, random: Random::new(seed), ..self }
    }

    /// Mirostat's bound in bits.
    #[cfg(test)]
    pub(crate) fn bound(&self) -> Option<f64> {
        if let End::Mirostat(mirostat) = &self.end { Some(mirostat.bound()) } else { None }
    }
}

/// The candidates among `logits`, if they are as many as there are tokens and can be sampled from; `None` when some are broken.
fn candidates<'a>(
    isa: Isa,
    vocab: usize,
    logits: &'a mut [f32],
    scratch: &'a mut Scratch,
) -> Result<Option<Candidates<'a>>> {
    if logits.len() != vocab {
        let message = format!("The sampler is for {vocab} logits and was given {}.", logits.len());
        return Err(Error::internal(message));
    }
    let candidates = Candidates::new(isa, logits, scratch);
    if candidates.as_ref().is_some_and(|candidates| candidates.max() == f32::NEG_INFINITY) {
        return Err(Error::internal("The model gave no finite logit; its weights or its computation are broken."));
    }
    Ok(candidates)
}

/// The error that names the first broken logit.
fn broken(logits: &[f32]) -> Error {
    let broken = |x: &f32| x.is_nan() || *x == f32::INFINITY;
    let (token, logit) = logits.iter().enumerate().find(|(_, x)| broken(x)).unwrap_or((0, &f32::NAN));
    Error::internal(format!("The model's logit of token {token} is {logit}; its weights or its computation are broken."))
}

fn apply(stage: &Stage, window: Option<&Window>, dry: Option<&mut Dry>, random: &mut Random, candidates: &mut Candidates) {
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
        Stage::Dry => dry.into_iter().for_each(|dry| dry.apply(candidates)),
        Stage::TopNSigma(n) => candidates.top_n_sigma(*n),
        Stage::TopK(k) => candidates.top_k(*k),
        Stage::TypicalP(p) => candidates.typical_p(*p),
        Stage::TopP(p) => candidates.top_p(*p),
        Stage::MinP(ln_ratio) => candidates.min_p(*ln_ratio),
        Stage::Xtc { probability, threshold } => {
            if random.unit() < *probability {
                candidates.exclude_top_choices(*threshold);
            }
        }
        Stage::Temperature(temperature) => candidates.scale(*temperature),
        Stage::DynamicTemperature { low, high, exponent } => {
            if let Some(uncertainty) = uncertainty(candidates) {
                let risen = if uncertainty > 0.0 { pow(uncertainty, *exponent) } else { 0.0 };
                let temperature = low.max(0.0) + (high - low.max(0.0)) * risen;
                candidates.scale((temperature as f32).clamp(LEAST_TEMPERATURE, f32::MAX));
            }
        }
    }
}

/// The candidates' entropy as a share of the largest that so many can have, in [0, 1]; `None` of fewer than two.
fn uncertainty(candidates: &mut Candidates) -> Option<f64> {
    let (max, count) = (candidates.max(), candidates.count());
    if count < 2 {
        return None;
    }
    // H = ln Z - E[x], both from the largest logit.
    let (mass, first) = candidates.moments(max);
    Some(((ln(mass) - first / mass) / ln(count as f64)).clamp(0.0, 1.0))
}
