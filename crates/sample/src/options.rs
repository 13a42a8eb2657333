//! Options to stages: every range is checked, and what changes nothing is dropped.

use wick_spec::{ChainStep, Draw, Error, LogitBias, Result, Sampling};

use crate::dry::LONGEST_BREAKER;
use crate::mirostat::{Cut, Mirostat};

/// Temperatures below this are greedy: dividing by them would leave the range of f32, and tokens whose logits differ by
/// 1e-4 would be e^10 apart.
pub(crate) const LEAST_TEMPERATURE: f32 = 1e-5;

/// Most alternatives a token may carry.
const MOST_ALTERNATIVES: u32 = 20;

/// One stage of the chain, with what it needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stage {
    /// Adds to logits; `-inf` takes the token out.
    Bias(Vec<LogitBias>),
    /// Lowers what the window has seen.
    Penalties(Penalties),
    /// Lowers what would prolong a repetition.
    Dry,
    /// Keeps what is so many standard deviations below the largest.
    TopNSigma(f32),
    /// Keeps k ≥ 1.
    TopK(usize),
    /// Keeps a share p < 1, from the expected surprise outwards.
    TypicalP(f64),
    /// Keeps a share p < 1.
    TopP(f64),
    /// Keeps from the largest logit down to this much below it; the logarithm of min-p.
    MinP(f32),
    /// Drops the top choices but one, now and then.
    Xtc { probability: f64, threshold: f32 },
    /// Divides.
    Temperature(f32),
    /// Divides by what the entropy says.
    DynamicTemperature { low: f64, high: f64, exponent: f64 },
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

/// How the chain ends.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    /// The largest logit.
    Greedy,
    /// By inversion.
    Categorical,
    /// By the largest of logit plus noise.
    GumbelMax,
    /// Cut to a surprise, then by inversion.
    Mirostat(Mirostat),
}

/// The stages in order, and how the chain ends.
pub(crate) fn stages(options: &Sampling, vocab: usize) -> Result<(Vec<Stage>, End)> {
    check(options, vocab)?;
    let mut stages: Vec<Stage> = options.chain.iter().filter_map(|step| stage(*step, options)).collect();
    let end = end(options)?;
    if end == End::Greedy {
        // Of the filters only those before a stage that moves logits can matter, and those never that may drop the largest.
        stages.retain(|stage| !drops_the_largest(stage) && !is_temperature(stage));
        let moves = |stage: &Stage| matches!(stage, Stage::Bias(_) | Stage::Penalties(_) | Stage::Dry);
        stages.truncate(stages.iter().rposition(moves).map_or(0, |last| last + 1));
    }
    Ok((stages, end))
}

fn end(options: &Sampling) -> Result<End> {
    let greedy = options.temperature < LEAST_TEMPERATURE;
    let end = match options.draw {
        Draw::Categorical if greedy => return Ok(End::Greedy),
        Draw::Categorical => return Ok(End::Categorical),
        Draw::GumbelMax => End::GumbelMax,
        Draw::MirostatV1(target) => End::Mirostat(Mirostat::new(Cut::Zipf, target)),
        Draw::MirostatV2(target) => End::Mirostat(Mirostat::new(Cut::Surprise, target)),
    };
    let draw = name(options.draw);
    if greedy {
        return Err(Error::invalid_request(format!(
            "draw is {draw} and temperature is {}, which takes the most probable token without a draw. Leave one of them out.",
            options.temperature
        )));
    }
    let filters = options.chain.iter().filter(|step| stage(**step, options).is_some_and(|stage| is_filter(&stage)));
    let filters: Vec<_> = filters.map(|step| step.name()).collect();
    if matches!(end, End::Mirostat(_)) && !filters.is_empty() {
        return Err(Error::invalid_request(format!(
            "draw is {draw}, which finds the cut by itself, and the chain cuts by {} too. Leave out one or the other.",
            filters.join(", ")
        )));
    }
    Ok(end)
}

/// The draw's name in the public API.
fn name(draw: Draw) -> &'static str {
    match draw {
        Draw::Categorical => "categorical",
        Draw::GumbelMax => "gumbel-max",
        Draw::MirostatV1(_) => "mirostat-v1",
        Draw::MirostatV2(_) => "mirostat-v2",
    }
}

fn drops_the_largest(stage: &Stage) -> bool {
    matches!(stage, Stage::TypicalP(_) | Stage::Xtc { .. })
}

fn is_temperature(stage: &Stage) -> bool {
    matches!(stage, Stage::Temperature(_) | Stage::DynamicTemperature { .. })
}

fn is_filter(stage: &Stage) -> bool {
    !is_temperature(stage) && !matches!(stage, Stage::Bias(_) | Stage::Penalties(_) | Stage::Dry)
}

/// The stage of one step, or `None` where the options make it change nothing.
fn stage(step: ChainStep, options: &Sampling) -> Option<Stage> {
    let o = options;
    let penalties =
        Penalties { repetition: o.repetition_penalty, frequency: o.frequency_penalty, presence: o.presence_penalty };
    let neutral = Penalties { repetition: 1.0, frequency: 0.0, presence: 0.0 };
    match step {
        ChainStep::LogitBias => (!o.logit_bias.is_empty()).then(|| Stage::Bias(o.logit_bias.clone())),
        ChainStep::Penalties => (penalties != neutral && o.penalty_window > 0).then_some(Stage::Penalties(penalties)),
        ChainStep::Dry => (o.dry.multiplier > 0.0 && o.dry.window > 0).then_some(Stage::Dry),
        ChainStep::TopNSigma => (o.top_n_sigma > 0.0).then_some(Stage::TopNSigma(o.top_n_sigma)),
        ChainStep::TopK => (o.top_k > 0).then_some(Stage::TopK(o.top_k as usize)),
        ChainStep::TypicalP => (o.typical_p < 1.0).then_some(Stage::TypicalP(f64::from(o.typical_p))),
        ChainStep::TopP => (o.top_p < 1.0).then_some(Stage::TopP(f64::from(o.top_p))),
        ChainStep::MinP => (o.min_p > 0.0).then(|| Stage::MinP(f64::from(o.min_p).ln() as f32)),
        ChainStep::Xtc => (o.xtc_probability > 0.0)
            .then(|| Stage::Xtc { probability: f64::from(o.xtc_probability), threshold: o.xtc_threshold }),
        ChainStep::Temperature if o.dynamic_temperature_range > 0.0 => Some(Stage::DynamicTemperature {
            low: f64::from(o.temperature - o.dynamic_temperature_range),
            high: f64::from(o.temperature) + f64::from(o.dynamic_temperature_range),
            exponent: o.dynamic_temperature_exponent.into(),
        }),
        ChainStep::Temperature => (o.temperature != 1.0).then_some(Stage::Temperature(o.temperature)),
    }
}

/// Holds every option to its range, used by the chain or not.
fn check(options: &Sampling, vocab: usize) -> Result<()> {
    let o = options;
    let finite = f32::MAX;
    let least = f32::from_bits(1);
    range("temperature", o.temperature, 0.0, finite, "0 (greedy) or a finite number above it")?;
    range("dynamicTemperatureRange", o.dynamic_temperature_range, 0.0, finite, "0 (off) or a finite number above it")?;
    range("dynamicTemperatureExponent", o.dynamic_temperature_exponent, least, finite, "a finite number above 0")?;
    range("topP", o.top_p, least, 1.0, "above 0 and at most 1 (off)")?;
    range("minP", o.min_p, 0.0, 1.0, "from 0 (off) to 1")?;
    range("typicalP", o.typical_p, least, 1.0, "above 0 and at most 1 (off)")?;
    range("topNSigma", o.top_n_sigma, 0.0, finite, "0 (off) or a finite number above it")?;
    range("xtcProbability", o.xtc_probability, 0.0, 1.0, "from 0 (off) to 1")?;
    range("xtcThreshold", o.xtc_threshold, least, 0.5, "above 0 and at most 0.5")?;
    range("repetitionPenalty", o.repetition_penalty, least, finite, "a finite number above 0; 1 is off")?;
    range("frequencyPenalty", o.frequency_penalty, -2.0, 2.0, "from -2 to 2; 0 is off")?;
    range("presencePenalty", o.presence_penalty, -2.0, 2.0, "from -2 to 2; 0 is off")?;
    range("dryMultiplier", o.dry.multiplier, 0.0, finite, "0 (off) or a finite number above it")?;
    range("dryBase", o.dry.base, 1.0, finite, "1 or a finite number above it")?;
    if o.dry.allowed_length == 0 {
        return Err(Error::invalid_request("dryAllowedLength is 0; it must be 1 or more."));
    }
    if let Some(long) = o.dry.breakers.iter().map(String::len).find(|len| *len > LONGEST_BREAKER) {
        return Err(Error::invalid_request(format!(
            "drySequenceBreakers has a text of {long} bytes; they may have up to {LONGEST_BREAKER}."
        )));
    }
    if let Draw::MirostatV1(target) | Draw::MirostatV2(target) = o.draw {
        range("mirostatTau", target.tau, least, 100.0, "above 0 and at most 100 bits")?;
        range("mirostatEta", target.eta, least, 1.0, "above 0 and at most 1")?;
    }
    if let Some(n) = o.logprobs.filter(|n| *n > MOST_ALTERNATIVES) {
        return Err(Error::invalid_request(format!("logprobs is {n}; it must be from 0 to {MOST_ALTERNATIVES}.")));
    }
    bias(&o.logit_bias, vocab)?;
    for (at, step) in o.chain.iter().enumerate() {
        if o.chain[..at].contains(step) {
            return Err(Error::invalid_request(format!("chain has {} twice; each stage may be in it once.", step.name())));
        }
    }
    o.banned_tokens.iter().try_for_each(|token| known("bannedTokens", *token, vocab))
}

fn range(name: &str, value: f32, low: f32, high: f32, allowed: &str) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Error::invalid_request(format!("{name} is {value}; it must be {allowed}.")))
}

fn known(option: &str, token: u32, vocab: usize) -> Result<()> {
    if (token as usize) < vocab {
        return Ok(());
    }
    let last = vocab.saturating_sub(1);
    Err(Error::invalid_request(format!("{option} names token {token}; the model has {vocab} tokens, 0 to {last}.")))
}

fn bias(entries: &[LogitBias], vocab: usize) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    for LogitBias { token, bias } in entries {
        known("logitBias", *token, vocab)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(options: &Sampling) -> (Vec<ChainStep>, bool) {
        let (stages, end) = stages(options, 10).unwrap();
        let step = |stage: &Stage| match stage {
            Stage::Bias(_) => ChainStep::LogitBias,
            Stage::Penalties(_) => ChainStep::Penalties,
            Stage::Dry => ChainStep::Dry,
            Stage::TopNSigma(_) => ChainStep::TopNSigma,
            Stage::TopK(_) => ChainStep::TopK,
            Stage::TypicalP(_) => ChainStep::TypicalP,
            Stage::TopP(_) => ChainStep::TopP,
            Stage::MinP(_) => ChainStep::MinP,
            Stage::Xtc { .. } => ChainStep::Xtc,
            Stage::Temperature(_) | Stage::DynamicTemperature { .. } => ChainStep::Temperature,
        };
        (stages.iter().map(step).collect(), end == End::Greedy)
    }

    #[test]
    fn what_changes_nothing_is_no_stage() {
        use ChainStep::*;
        assert_eq!(kinds(&Sampling::default()), (vec![TopK, TopP, MinP, Temperature], false));
        let off = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
        assert_eq!(kinds(&off), (vec![], false));
        let no_window = Sampling { presence_penalty: 1.0, penalty_window: 0, ..off };
        assert_eq!(kinds(&no_window), (vec![], false));
        assert_eq!(kinds(&Sampling { dynamic_temperature_range: 0.5, ..no_window }), (vec![Temperature], false));
    }

    #[test]
    fn greedy_keeps_only_what_can_move_the_largest() {
        use ChainStep::*;
        let options = Sampling { temperature: 0.0, presence_penalty: 1.0, ..Sampling::default() };
        assert_eq!(kinds(&options), (vec![Penalties], true));
        let late = Sampling { chain: vec![TopK, Temperature, Penalties, TopP], ..options.clone() };
        assert_eq!(kinds(&late), (vec![TopK, Penalties], true));
        assert_eq!(kinds(&Sampling { temperature: 0.0, ..Sampling::default() }), (vec![], true));
        assert!(kinds(&Sampling { temperature: 9e-6, chain: vec![], ..options.clone() }).1);
        let dropping = Sampling { xtc_probability: 1.0, typical_p: 0.5, chain: vec![Xtc, TypicalP, Penalties], ..options };
        assert_eq!(kinds(&dropping), (vec![Penalties], true), "what may drop the largest is no part of greed");
    }
}
