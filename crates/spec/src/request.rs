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
    /// Whether the model thinks first: sets the template's own variable for it, where it has one. `None`: as the template likes.
    pub thinking: Option<bool>,
    /// Text the answer begins with; it is part of the prompt, not of the events.
    pub response_prefix: Option<String>,
}

/// A file that stands before the one with the gap.
#[derive(Debug, Clone)]
pub struct InfillFile {
    /// Its path in the repository.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// A text with a gap in it.
#[derive(Debug, Clone, Default)]
pub struct InfillPrompt {
    /// What stands before the gap.
    pub prefix: String,
    /// What stands behind it.
    pub suffix: String,
    /// Other files, the most telling last; they need `path`.
    pub files: Vec<InfillFile>,
    /// The path of the file with the gap.
    pub path: Option<String>,
    /// The repository's name.
    pub repository: Option<String>,
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
    /// A gap to be filled, for models that have tokens for it.
    Infill(InfillPrompt),
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

/// What becomes of a token that the reader was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fed {
    /// It is the answer's next token.
    Keep,
    /// These ids, at least one, stand in its place.
    Replace(Vec<u32>),
    /// The answer ends before it.
    End,
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
    /// Emits [`crate::Event::Token`] for each token sampled, and waits to be told what becomes of it.
    pub ask_tokens: bool,
    /// Emits [`crate::Event::Predict`] where the caller's guess at the next tokens is worth having, and waits for it. A guess that is
    /// wrong costs time and changes nothing.
    pub predict: bool,
    /// What happens when the window fills.
    pub overflow: Overflow,
    /// Requests of a higher one go first; 0 is usual.
    pub priority: i32,
    /// What it computes is shared with requests of the same salt alone; `None`: with those that have none.
    pub cache_salt: Option<String>,
    /// Most tokens of the model's thought; when they are spent it is closed and the answer goes on. `None`: no limit.
    pub reasoning_budget: Option<u32>,
}
