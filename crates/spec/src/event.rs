//! What a session tells its reader.

/// Something the caller should know and that does not stop the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// A sentence for people.
    pub message: String,
}

/// A token that could have been chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct AlternativeToken {
    /// The token id.
    pub id: u32,
    /// The token's own text; bytes that are not whole characters show as U+FFFD.
    pub text: String,
    /// Natural log of its probability.
    pub logprob: f32,
}

/// A token that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenInfo {
    /// The token id.
    pub id: u32,
    /// The token's own text; bytes that are not whole characters show as U+FFFD.
    pub text: String,
    /// Natural log of its probability under the model's own distribution.
    pub logprob: f32,
    /// The most probable tokens, best first; as many as were asked for.
    pub top: Vec<AlternativeToken>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model's end-of-turn token, or a stop text.
    Stop,
    /// `max_tokens`, or the end of the window.
    Length,
}

/// Tokens counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
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
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings {
    /// From the request's arrival at the engine to its first computation, in milliseconds.
    pub queued_ms: f64,
    /// Computing the prompt, in milliseconds.
    pub prompt_ms: f64,
    /// From arrival to the first sampled token, in milliseconds.
    pub first_token_ms: f64,
    /// From the first sampled token to the last, in milliseconds.
    pub decode_ms: f64,
    /// Prompt tokens computed a second.
    pub prompt_tokens_per_second: f64,
    /// Tokens sampled after the first, a second.
    pub tokens_per_second: f64,
}

/// One message from a session to its reader.
#[derive(Debug, Clone)]
pub enum Event {
    /// The work has begun: the prompt is rendered and fits.
    Start {
        /// What the caller should know of the request or model.
        warnings: Vec<Warning>,
    },
    /// What the model thinks before it answers: as a text delta, without the marks around it.
    ReasoningDelta {
        /// The text; may be empty when `tokens` is not.
        text: String,
        /// The tokens it came from, when log-probabilities were asked for.
        tokens: Vec<TokenInfo>,
    },
    /// Text that can be shown: whole characters, stop texts removed.
    TextDelta {
        /// The text; may be empty when `tokens` is not.
        text: String,
        /// The tokens it came from, when log-probabilities were asked for.
        tokens: Vec<TokenInfo>,
    },
    /// A token was sampled, and the session waits for what becomes of it: only where [`crate::Request::ask_tokens`] is set.
    Token {
        /// The token; `logprob` is NaN unless log-probabilities were asked for.
        token: TokenInfo,
    },
    /// The session waits for what its caller expects to come next: only where [`crate::Request::predict`] is set.
    Predict {
        /// The tokens of prompt and answer since the last question; all of them the first time, and again after the prompt was
        /// replaced by a shorter one.
        tokens: Vec<u32>,
    },
    /// The window is full and [`crate::Overflow::Ask`] was chosen: the session waits for a shorter prompt.
    Overflow {
        /// Tokens of the prompt as rendered last.
        prompt_tokens: u32,
        /// Tokens generated so far.
        completion_tokens: u32,
        /// Tokens the window holds.
        context_tokens: u32,
    },
    /// The end; nothing follows.
    Finish {
        /// Why it ended.
        reason: FinishReason,
        /// The stop text that ended it.
        stop: Option<String>,
        /// Tokens counted.
        usage: Usage,
        /// Wall-clock figures.
        timings: Timings,
        /// The seed its tokens were drawn with, given or drawn from the system; below 2^53 unless given larger.
        seed: u64,
    },
}
