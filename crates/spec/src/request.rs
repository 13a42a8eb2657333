//! What a caller asks of a loaded model.

use crate::Sampling;

/// A conversation to be rendered by the model's own chat template.
#[derive(Debug, Clone, Default)]
pub struct ChatPrompt {
    /// JSON array of `{ role, content, … }`, as the template reads it.
    pub messages: String,
    /// JSON array of tool definitions, as the template reads it.
    pub tools: Option<String>,
    /// JSON object of further template variables (`enable_thinking`).
    pub variables: Option<String>,
    /// Text the answer begins with; it is part of the prompt, not of the events.
    pub response_prefix: Option<String>,
}

/// What the model continues.
#[derive(Debug, Clone)]
pub enum Prompt {
    /// Messages under the model's template.
    Chat(ChatPrompt),
    /// Text as it is, without a template; the beginning-of-text token is put in front if the file says so.
    Text {
        /// What to continue; may be empty where the file has a beginning-of-text token.
        text: String,
        /// Whether control tokens written out in `text` (`<|im_end|>`) become those tokens. Off for text of a user.
        parse_control: bool,
    },
    /// Token ids as they are.
    Tokens(Vec<u32>),
}

/// What happens when the context window cannot hold the prompt or the next token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// A prompt that is too long is `context-overflow`; an answer that reaches the end of the window finishes with `length`.
    #[default]
    Error,
    /// The session emits [`crate::Event::Overflow`] and waits for a shorter prompt; what was generated is kept.
    Ask,
}

/// One generation.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to continue.
    pub prompt: Prompt,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Most tokens to generate; `None`: what the window holds.
    pub max_tokens: Option<u32>,
    /// Texts that end the answer; they are not part of it.
    pub stop: Vec<String>,
    /// Goes on over end-of-text and end-of-turn tokens (benches).
    pub ignore_end: bool,
    /// What happens when the window fills.
    pub overflow: Overflow,
}
