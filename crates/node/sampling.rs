//! Sampling options, as they cross.

use napi_derive::napi;
use wick_engine::spec::{ChainStep, Draw, Dry, Error, LogitBias, Mirostat, Result, Sampling};

/// A constant added to one token's logit.
#[napi(object, object_to_js = false)]
pub struct NativeLogitBias {
    pub token: u32,
    pub bias: f64,
}

/// Sampling options; what is absent has its default.
#[napi(object, object_to_js = false)]
pub struct NativeSampling {
    pub temperature: Option<f64>,
    pub dynamic_temperature_range: Option<f64>,
    pub dynamic_temperature_exponent: Option<f64>,
    pub top_k: Option<u32>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub typical_p: Option<f64>,
    pub top_n_sigma: Option<f64>,
    pub xtc_probability: Option<f64>,
    pub xtc_threshold: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub penalty_window: Option<u32>,
    pub dry_multiplier: Option<f64>,
    pub dry_base: Option<f64>,
    pub dry_allowed_length: Option<u32>,
    pub dry_window: Option<u32>,
    pub dry_sequence_breakers: Option<Vec<String>>,
    pub logit_bias: Option<Vec<NativeLogitBias>>,
    pub banned_tokens: Option<Vec<u32>>,
    /// Texts that are one token each.
    pub banned_texts: Option<Vec<String>>,
    /// A whole number from 0 to 2^53 - 1.
    pub seed: Option<f64>,
    pub logprobs: Option<u32>,
    /// `logit-bias`, `penalties`, `dry`, `top-n-sigma`, `top-k`, `typical-p`, `top-p`, `min-p`, `xtc`, `temperature`, in the
    /// order they are applied.
    pub chain: Option<Vec<String>>,
    /// `categorical`, `gumbel-max`, `mirostat-v1` or `mirostat-v2`.
    pub draw: Option<String>,
    pub mirostat_tau: Option<f64>,
    pub mirostat_eta: Option<f64>,
}

impl NativeSampling {
    /// The engine's options; `invalid-request` names what is not one of the words there are.
    pub fn into_sampling(self) -> Result<Sampling> {
        let base = Sampling::with_draw(self.draw()?);
        Ok(Sampling {
            temperature: number(self.temperature, base.temperature),
            dynamic_temperature_range: number(self.dynamic_temperature_range, base.dynamic_temperature_range),
            dynamic_temperature_exponent: number(self.dynamic_temperature_exponent, base.dynamic_temperature_exponent),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: number(self.top_p, base.top_p),
            min_p: number(self.min_p, base.min_p),
            typical_p: number(self.typical_p, base.typical_p),
            top_n_sigma: number(self.top_n_sigma, base.top_n_sigma),
            xtc_probability: number(self.xtc_probability, base.xtc_probability),
            xtc_threshold: number(self.xtc_threshold, base.xtc_threshold),
            repetition_penalty: number(self.repetition_penalty, base.repetition_penalty),
            frequency_penalty: number(self.frequency_penalty, base.frequency_penalty),
            presence_penalty: number(self.presence_penalty, base.presence_penalty),
            penalty_window: self.penalty_window.unwrap_or(base.penalty_window),
            dry: Dry {
                multiplier: number(self.dry_multiplier, base.dry.multiplier),
                base: number(self.dry_base, base.dry.base),
                allowed_length: self.dry_allowed_length.unwrap_or(base.dry.allowed_length),
                window: self.dry_window.unwrap_or(base.dry.window),
                breakers: self.dry_sequence_breakers.unwrap_or(base.dry.breakers),
            },
            logit_bias: self.logit_bias.unwrap_or_default().into_iter().map(NativeLogitBias::into_bias).collect(),
            banned_tokens: self.banned_tokens.unwrap_or_default(),
            banned_texts: self.banned_texts.unwrap_or_default(),
            seed: self.seed.map(seed).transpose()?,
            logprobs: self.logprobs,
            chain: match self.chain {
                None => base.chain,
                Some(steps) => steps.iter().map(|step| chain_step(step)).collect::<Result<_>>()?,
            },
            draw: base.draw,
        })
    }

    /// The draw, with what mirostat aims at; its options make no sense beside another.
    fn draw(&self) -> Result<Draw> {
        let base = Mirostat::default();
        let target = Mirostat { tau: number(self.mirostat_tau, base.tau), eta: number(self.mirostat_eta, base.eta) };
        let draw = match self.draw.as_deref() {
            None | Some("categorical") => Draw::Categorical,
            Some("gumbel-max") => Draw::GumbelMax,
            Some("mirostat-v1") => return Ok(Draw::MirostatV1(target)),
            Some("mirostat-v2") => return Ok(Draw::MirostatV2(target)),
            Some(other) => {
                return Err(Error::invalid_request(format!(
                    "draw is {other:?}; it can be \"categorical\", \"gumbel-max\", \"mirostat-v1\" or \"mirostat-v2\"."
                )));
            }
        };
        let useless = [("mirostatTau", self.mirostat_tau), ("mirostatEta", self.mirostat_eta)];
        match useless.iter().find(|(_, value)| value.is_some()) {
            Some((name, _)) => Err(Error::invalid_request(format!("{name} needs draw: 'mirostat-v1' or 'mirostat-v2'."))),
            None => Ok(draw),
        }
    }
}

impl NativeLogitBias {
    fn into_bias(self) -> LogitBias {
        LogitBias { token: self.token, bias: self.bias as f32 }
    }
}

fn number(given: Option<f64>, default: f32) -> f32 {
    given.map_or(default, |x| x as f32)
}

/// JavaScript's numbers are exact up to 2^53 - 1.
fn seed(seed: f64) -> Result<u64> {
    let most = ((1u64 << 53) - 1) as f64;
    if seed.fract() != 0.0 || !(0.0..=most).contains(&seed) {
        return Err(Error::invalid_request(format!("seed is {seed}; it must be a whole number from 0 to 2^53 - 1.")));
    }
    Ok(seed as u64)
}

fn chain_step(name: &str) -> Result<ChainStep> {
    let known = ChainStep::ALL.iter().find(|(known, _)| *known == name);
    known.map(|&(_, step)| step).ok_or_else(|| {
        let names: Vec<_> = ChainStep::ALL.iter().map(|(name, _)| *name).collect();
        Error::invalid_request(format!("chain names {name:?}; the steps are {}.", names.join(", ")))
    })
}
