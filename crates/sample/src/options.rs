//! Options to stages: every range is checked, and what changes nothing is dropped.

use wick_spec::{ChainStep, Error, LogitBias, Result, Sampling};

use crate::window::Window;

/// Temperatures below this are greedy: dividing by them would leave the range of f32, and tokens whose logits differ by
/// 1e-4 would be e^10 apart.
const LEAST_TEMPERATURE: f32 = 1e-5;

/// Most alternatives a token may carry.
const MOST_ALTERNATIVES: u32 = 20;

/// One stage of the chain, with what it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    /// Adds to logits; `-inf` takes the token out.
    Bias(Vec<LogitBias>),
    /// Lowers what the window has seen.
    Penalties(Penalties),
    /// Keeps k ≥ 1.
    TopK(usize),
    /// Keeps a share p < 1.
    TopP(f64),
    /// Keeps from the largest logit down to this much below it; the logarithm of min-p.
    MinP(f32),
    /// Divides.
    Temperature(f32),
}

/// See [`Sampling`] for each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Penalties {
    pub(crate) repetition: f32,
    pub(crate) frequency: f32,
    pub(crate) presence: f32,
}

impl Penalties {
    /// The penalised logit of a token that occurs `count` ≥ 1 times in the window.
    pub(crate) fn apply(self, logit: f32, count: u32) -> f32 {
        let repeated = if logit > 0.0 { logit / self.repetition } else { logit * self.repetition };
        repeated - self.frequency * count as f32 - self.presence
    }
}

/// The stages in order, and whether the largest logit is taken at their end instead of a draw.
pub(crate) fn stages(options: &Sampling, vocab: usize) -> Result<(Vec<Stage>, bool)> {
    check(options, vocab)?;
    let greedy = options.temperature < LEAST_TEMPERATURE;
    let mut stages: Vec<Stage> = options.chain.iter().filter_map(|step| stage(*step, options)).collect();
    if greedy {
        // No filter drops the largest logit, so only those before a stage that moves logits can matter.
        stages.retain(|stage| !matches!(stage, Stage::Temperature(_)));
        let moves = |stage: &Stage| matches!(stage, Stage::Bias(_) | Stage::Penalties(_));
        stages.truncate(stages.iter().rposition(moves).map_or(0, |last| last + 1));
    }
    Ok((stages, greedy))
}

/// The window the penalties read, if the stages have any.
pub(crate) fn window(stages: &[Stage], options: &Sampling) -> Option<Window> {
    let wanted = stages.iter().any(|stage| matches!(stage, Stage::Penalties(_)));
    wanted.then(|| Window::new(options.penalty_window as usize))
}

/// The stage of one step, or `None` where the options make it change nothing.
fn stage(step: ChainStep, options: &Sampling) -> Option<Stage> {
    let penalties = Penalties {
        repetition: options.repetition_penalty,
        frequency: options.frequency_penalty,
        presence: options.presence_penalty,
    };
    let neutral = Penalties { repetition: 1.0, frequency: 0.0, presence: 0.0 };
    match step {
        ChainStep::LogitBias => (!options.logit_bias.is_empty()).then(|| Stage::Bias(options.logit_bias.clone())),
        ChainStep::Penalties => (penalties != neutral && options.penalty_window > 0).then_some(Stage::Penalties(penalties)),
        ChainStep::TopK => (options.top_k > 0).then_some(Stage::TopK(options.top_k as usize)),
        ChainStep::TopP => (options.top_p < 1.0).then_some(Stage::TopP(f64::from(options.top_p))),
        ChainStep::MinP => (options.min_p > 0.0).then(|| Stage::MinP(f64::from(options.min_p).ln() as f32)),
        ChainStep::Temperature => (options.temperature != 1.0).then_some(Stage::Temperature(options.temperature)),
    }
}

/// Holds every option to its range, used by the chain or not.
fn check(options: &Sampling, vocab: usize) -> Result<()> {
    let o = options;
    let finite = f32::MAX;
    let least = f32::from_bits(1);
    range("temperature", o.temperature, 0.0, finite, "0 (greedy) or a finite number above it")?;
    range("topP", o.top_p, least, 1.0, "above 0 and at most 1 (off)")?;
    range("minP", o.min_p, 0.0, 1.0, "from 0 (off) to 1")?;
    range("repetitionPenalty", o.repetition_penalty, least, finite, "a finite number above 0; 1 is off")?;
    range("frequencyPenalty", o.frequency_penalty, -2.0, 2.0, "from -2 to 2; 0 is off")?;
    range("presencePenalty", o.presence_penalty, -2.0, 2.0, "from -2 to 2; 0 is off")?;
    if let Some(n) = o.logprobs.filter(|n| *n > MOST_ALTERNATIVES) {
        return Err(Error::invalid_request(format!("logprobs is {n}; it must be from 0 to {MOST_ALTERNATIVES}.")));
    }
    bias(&o.logit_bias, vocab)?;
    for (at, step) in o.chain.iter().enumerate() {
        if o.chain[..at].contains(step) {
            return Err(Error::invalid_request(format!("chain has {} twice; each stage may be in it once.", name(*step))));
        }
    }
    Ok(())
}

fn range(name: &str, value: f32, low: f32, high: f32, allowed: &str) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid_request(format!("{name} is {value}; it must be {allowed}.")))
}

fn bias(entries: &[LogitBias], vocab: usize) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for LogitBias { token, bias } in entries {
        if *token as usize >= vocab {
            let message =
                format!("logitBias names token {token}; the model has {vocab} tokens, 0 to {}.", vocab.saturating_sub(1));
            return Err(Error::invalid_request(message));
        }
        if bias.is_nan() || *bias == f32::INFINITY {
            let message =
                format!("logitBias of token {token} is {bias}; it must be finite, or -Infinity to forbid the token.");
            return Err(Error::invalid_request(message));
        }
        if !seen.insert(*token) {
            return Err(Error::invalid_request(format!(
                "logitBias names token {token} twice; each token may have one bias."
            )));
        }
    }
    Ok(())
}

/// The step's name in the public API.
fn name(step: ChainStep) -> &'static str {
    match step {
        ChainStep::LogitBias => "logit-bias",
        ChainStep::Penalties => "penalties",
        ChainStep::TopK => "top-k",
        ChainStep::TopP => "top-p",
        ChainStep::MinP => "min-p",
        ChainStep::Temperature => "temperature",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(options: &Sampling) -> (Vec<ChainStep>, bool) {
        let (stages, greedy) = stages(options, 10).unwrap();
        let step = |stage: &Stage| match stage {
            Stage::Bias(_) => ChainStep::LogitBias,
            Stage::Penalties(_) => ChainStep::Penalties,
            Stage::TopK(_) => ChainStep::TopK,
            Stage::TopP(_) => ChainStep::TopP,
            Stage::MinP(_) => ChainStep::MinP,
            Stage::Temperature(_) => ChainStep::Temperature,
        };
        (stages.iter().map(step).collect(), greedy)
    }

    #[test]
    fn what_changes_nothing_is_no_stage() {
        use ChainStep::*;
        assert_eq!(kinds(&Sampling::default()), (vec![TopK, TopP, MinP, Temperature], false));
        let off = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
        assert_eq!(kinds(&off), (vec![], false));
        let no_window = Sampling { presence_penalty: 1.0, penalty_window: 0, ..off };
        assert_eq!(kinds(&no_window), (vec![], false));
    }

    #[test]
    fn greedy_keeps_only_what_can_move_the_largest() {
        use ChainStep::*;
        let options = Sampling { temperature: 0.0, presence_penalty: 1.0, ..Sampling::default() };
        assert_eq!(kinds(&options), (vec![Penalties], true));
        let late = Sampling { chain: vec![TopK, Temperature, Penalties, TopP], ..options.clone() };
        assert_eq!(kinds(&late), (vec![TopK, Penalties], true));
        assert_eq!(kinds(&Sampling { temperature: 0.0, ..Sampling::default() }), (vec![], true));
        assert!(kinds(&Sampling { temperature: 9e-6, chain: vec![], ..options }).1);
    }
}
