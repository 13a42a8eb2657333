//! What a caller asks, as it crosses.

use napi_derive::napi;
use wick_engine::spec::{ChatPrompt, Error, InfillFile, InfillPrompt, Overflow, Prompt, Request, Result};

use crate::sampling::NativeSampling;

/// What the model continues.
#[napi(discriminant = "type", object_to_js = false)]
pub enum NativePrompt {
    /// A conversation under the model's template. `messages`, `tools` and `variables` are JSON texts.
    Chat {
        messages: String,
        tools: Option<String>,
        variables: Option<String>,
        thinking: Option<bool>,
        response_prefix: Option<String>,
    },
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

/// One generation.
#[napi(object, object_to_js = false)]
pub struct NativeRequest {
    pub prompt: NativePrompt,
    pub sampling: NativeSampling,
    pub max_tokens: Option<u32>,
    pub stop: Option<Vec<String>>,
    pub ignore_end: Option<bool>,
    /// Emits `Token` for each token sampled and waits for `feed`.
    pub ask_tokens: Option<bool>,
    /// Emits `Predict` where a guess at the next tokens is worth having and waits for `predicted`.
    pub predict: Option<bool>,
    /// `error` (default) or `ask`.
    pub overflow: Option<String>,
    /// Most tokens of the model's thought.
    pub reasoning_budget: Option<u32>,
    /// Requests of a higher one go first; 0 by default.
    pub priority: Option<i32>,
    /// What is computed is shared with requests of the same salt alone.
    pub cache_salt: Option<String>,
}

impl From<NativePrompt> for Prompt {
    fn from(prompt: NativePrompt) -> Self {
        match prompt {
            NativePrompt::Chat { messages, tools, variables, thinking, response_prefix } => {
                Self::Chat(ChatPrompt { messages, tools, variables, thinking, response_prefix })
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
            ask_tokens: self.ask_tokens.unwrap_or(false),
            predict: self.predict.unwrap_or(false),
            reasoning_budget: self.reasoning_budget,
            priority: self.priority.unwrap_or(0),
            cache_salt: self.cache_salt,
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
