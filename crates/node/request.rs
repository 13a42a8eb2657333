//! What a caller asks, as it crosses.

use napi_derive::napi;
use wick_engine::spec::{
    ChainStep, ChatPrompt, Error, InfillFile, InfillPrompt, LogitBias, Overflow, Prompt, Request, Result, Sampling,
};

/// What the model continues.
#[napi(discriminant = "type", object_to_js = false)]
pub enum NativePrompt {
    /// A conversation under the model's template. `messages`, `tools` and `variables` are JSON texts.
    Chat { messages: String, tools: Option<String>, variables: Option<String>, response_prefix: Option<String> },
    /// Text as it is. `parseControl`: whether control tokens written out in it become those tokens.
    Text { text: String, parse_control: bool },
    /// A gap to be filled.
    Infill { prefix: String, suffix: String, files: Vec<NativeInfillFile>, path: Option<String>, repository: Option<String> },
    /// Token ids as they are.
    Tokens { tokens: Vec<u32> },
}

/// A file that stands before the one with the gap.
#[napi(object, object_to_js = false)]
pub struct NativeInfillFile {
    pub path: String,
    pub text: String,
}

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
    pub top_k: Option<u32>,
    pub top_p: Option<f64>,
    pub min_p: Option<f64>,
    pub repetition_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub penalty_window: Option<u32>,
    pub logit_bias: Option<Vec<NativeLogitBias>>,
    /// A whole number from 0 to 2^53 - 1.
    pub seed: Option<f64>,
    pub logprobs: Option<u32>,
    /// `logit-bias`, `penalties`, `top-k`, `top-p`, `min-p`, `temperature`, in the order they are applied.
    pub chain: Option<Vec<String>>,
}

/// One generation.
#[napi(object, object_to_js = false)]
pub struct NativeRequest {
    pub prompt: NativePrompt,
    pub sampling: NativeSampling,
    pub max_tokens: Option<u32>,
    pub stop: Option<Vec<String>>,
    pub ignore_end: Option<bool>,
    /// `error` (default) or `ask`.
    pub overflow: Option<String>,
}

impl From<NativePrompt> for Prompt {
    fn from(prompt: NativePrompt) -> Self {
        match prompt {
            NativePrompt::Chat { messages, tools, variables, response_prefix } => {
                Self::Chat(ChatPrompt { messages, tools, variables, response_prefix })
            }
            NativePrompt::Text { text, parse_control } => Self::Text { text, parse_control },
            NativePrompt::Infill { prefix, suffix, files, path, repository } => {
                let files = files.into_iter().map(|NativeInfillFile { path, text }| InfillFile { path, text }).collect();
                Self::Infill(InfillPrompt { prefix, suffix, files, path, repository })
            }
            NativePrompt::Tokens { tokens } => Self::Tokens(tokens),
        }
    }
}

impl NativeRequest {
    /// The engine's request; `invalid-request` names what is not one of the words there are.
    pub fn into_request(self) -> Result<Request> {
        Ok(Request {
            prompt: self.prompt.into(),
            sampling: self.sampling.into_sampling()?,
            max_tokens: self.max_tokens,
            stop: self.stop.unwrap_or_default(),
            ignore_end: self.ignore_end.unwrap_or(false),
            overflow: match self.overflow.as_deref() {
                None | Some("error") => Overflow::Error,
                Some("ask") => Overflow::Ask,
                Some(other) => {
                    return Err(Error::invalid_request(format!("overflow is {other:?}; it can be \"error\" or \"ask\".")));
                }
            },
        })
    }
}

impl NativeSampling {
    fn into_sampling(self) -> Result<Sampling> {
        let base = Sampling::default();
        let number = |given: Option<f64>, default: f32| given.map_or(default, |x| x as f32);
        Ok(Sampling {
            temperature: number(self.temperature, base.temperature),
            top_k: self.top_k.unwrap_or(base.top_k),
            top_p: number(self.top_p, base.top_p),
            min_p: number(self.min_p, base.min_p),
            repetition_penalty: number(self.repetition_penalty, base.repetition_penalty),
            frequency_penalty: number(self.frequency_penalty, base.frequency_penalty),
            presence_penalty: number(self.presence_penalty, base.presence_penalty),
            penalty_window: self.penalty_window.unwrap_or(base.penalty_window),
            logit_bias: self.logit_bias.unwrap_or_default().into_iter().map(NativeLogitBias::into_bias).collect(),
            seed: self.seed.map(seed).transpose()?,
            logprobs: self.logprobs,
            chain: match self.chain {
                None => base.chain,
                Some(steps) => steps.iter().map(|step| chain_step(step)).collect::<Result<_>>()?,
            },
        })
    }
}

impl NativeLogitBias {
    fn into_bias(self) -> LogitBias {
        LogitBias { token: self.token, bias: self.bias as f32 }
    }
}

/// JavaScript's numbers are exact up to 2^53 - 1.
fn seed(seed: f64) -> Result<u64> {
    let most = ((1u64 << 53) - 1) as f64;
    if seed.fract() != 0.0 || !(0.0..=most).contains(&seed) {
        return Err(Error::invalid_request(format!("seed is {seed}; it must be a whole number from 0 to 2^53 - 1.")));
    }
    Ok(seed as u64)
}

const CHAIN: [(&str, ChainStep); 6] = [
    ("logit-bias", ChainStep::LogitBias),
    ("penalties", ChainStep::Penalties),
    ("top-k", ChainStep::TopK),
    ("top-p", ChainStep::TopP),
    ("min-p", ChainStep::MinP),
    ("temperature", ChainStep::Temperature),
];

fn chain_step(name: &str) -> Result<ChainStep> {
    let known = CHAIN.iter().find(|(known, _)| *known == name);
    known.map(|&(_, step)| step).ok_or_else(|| {
        let names: Vec<_> = CHAIN.iter().map(|(name, _)| *name).collect();
        Error::invalid_request(format!("chain names {name:?}; the steps are {}.", names.join(", ")))
    })
}
