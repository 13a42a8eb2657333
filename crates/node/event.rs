//! What a session says, as it crosses.

use napi_derive::napi;
use wick_engine::spec::{AlternativeToken, Event, FinishReason, Timings, TokenInfo, Usage};

/// A token that could have been chosen.
#[napi(object, object_from_js = false)]
pub struct NativeAlternative {
    pub id: u32,
    /// The token's own text; bytes that are not whole characters show as U+FFFD.
    pub text: String,
    /// Natural log of its probability under the model's own distribution.
    pub logprob: f64,
}

/// A token that was chosen.
#[napi(object, object_from_js = false)]
pub struct NativeToken {
    pub id: u32,
    /// The token's own text; bytes that are not whole characters show as U+FFFD.
    pub text: String,
    /// Natural log of its probability under the model's own distribution.
    pub logprob: f64,
    /// The most probable tokens, best first; as many as were asked for.
    pub top: Vec<NativeAlternative>,
}

/// Tokens counted.
#[napi(object, object_from_js = false)]
pub struct NativeUsage {
    /// All tokens of the prompt, cached ones included.
    pub prompt_tokens: u32,
    /// Those whose keys and values were there already.
    pub cached_tokens: u32,
    /// Tokens sampled, the ending one included.
    pub completion_tokens: u32,
    /// Those of them that were the model's thought, its marks included.
    pub reasoning_tokens: u32,
}

/// Wall-clock figures of one generation.
#[napi(object, object_from_js = false)]
pub struct NativeTimings {
    /// From the request's arrival at the engine to its first computation.
    pub queued_ms: f64,
    /// Computing the prompt.
    pub prompt_ms: f64,
    /// From arrival to the first sampled token.
    pub first_token_ms: f64,
    /// From the first sampled token to the last.
    pub decode_ms: f64,
    /// Prompt tokens computed a second.
    pub prompt_tokens_per_second: f64,
    /// Tokens sampled after the first, a second.
    pub tokens_per_second: f64,
}

/// One of what a call of `next` hands over.
#[napi(discriminant = "type", object_from_js = false)]
pub enum NativeEvent {
    /// The work has begun: the prompt is rendered and fits.
    Start { warnings: Vec<String> },
    /// What the model thinks before it answers, without the marks around it.
    ReasoningDelta { text: String, tokens: Vec<NativeToken> },
    /// Text that can be shown: whole characters, stop texts removed. `tokens` is empty unless log-probabilities were asked for.
    TextDelta { text: String, tokens: Vec<NativeToken> },
    /// A token was sampled and `askTokens` is set: the session waits for `feed`. Its logprob is NaN unless asked for.
    Token { token: NativeToken },
    /// `predict` is set, and a guess at what comes next is worth having: the session waits for `predicted`. `tokens` are those of prompt
    /// and answer since the last question; all of them the first time, and again after `resume`.
    Predict { tokens: Vec<u32> },
    /// The window is full and `overflow` is `ask`: the session waits for `resume`.
    Overflow { prompt_tokens: u32, completion_tokens: u32, context_tokens: u32 },
    /// The end; nothing follows. `reason` is `stop` or `length`; `stop` the text that ended it; `seed` what the tokens were
    /// drawn with.
    Finish { reason: String, stop: Option<String>, usage: NativeUsage, timings: NativeTimings, seed: f64 },
}

impl From<AlternativeToken> for NativeAlternative {
    fn from(token: AlternativeToken) -> Self {
        Self { id: token.id, text: token.text, logprob: token.logprob.into() }
    }
}

impl From<TokenInfo> for NativeToken {
    fn from(token: TokenInfo) -> Self {
        let top = token.top.into_iter().map(Into::into).collect();
        Self { id: token.id, text: token.text, logprob: token.logprob.into(), top }
    }
}

impl From<Usage> for NativeUsage {
    fn from(usage: Usage) -> Self {
        let Usage { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens } = usage;
        Self { prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens }
    }
}

impl From<Timings> for NativeTimings {
    fn from(timings: Timings) -> Self {
        let Timings { queued_ms, prompt_ms, first_token_ms, decode_ms, prompt_tokens_per_second, tokens_per_second } =
            timings;
        Self { queued_ms, prompt_ms, first_token_ms, decode_ms, prompt_tokens_per_second, tokens_per_second }
    }
}

impl From<Event> for NativeEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Start { warnings } => Self::Start { warnings: warnings.into_iter().map(|w| w.message).collect() },
            Event::ReasoningDelta { text, tokens } => {
                Self::ReasoningDelta { text, tokens: tokens.into_iter().map(Into::into).collect() }
            }
            Event::TextDelta { text, tokens } => {
                Self::TextDelta { text, tokens: tokens.into_iter().map(Into::into).collect() }
            }
            Event::Token { token } => Self::Token { token: token.into() },
            Event::Predict { tokens } => Self::Predict { tokens },
            Event::Overflow { prompt_tokens, completion_tokens, context_tokens } => {
                Self::Overflow { prompt_tokens, completion_tokens, context_tokens }
            }
            Event::Finish { reason, stop, usage, timings, seed } => {
                let reason = match reason {
                    FinishReason::Stop => "stop",
                    FinishReason::Length => "length",
                };
                Self::Finish { reason: reason.into(), stop, usage: usage.into(), timings: timings.into(), seed: seed as f64 }
            }
        }
    }
}
