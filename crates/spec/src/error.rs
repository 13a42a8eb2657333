//! One error for the whole library: a stable code for programs, a sentence for people, figures for both.

use std::fmt;

/// What a failed call returns everywhere in wick.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The stable codes. Their names in kebab-case are part of the public API (`WickError.code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// An option or message that no model could serve as given.
    InvalidRequest,
    /// Nothing at the path or reference.
    ModelNotFound,
    /// The file is there and is broken, truncated, or contradicts itself.
    ModelInvalid,
    /// Well-formed, but not something this build can do; the message names it.
    Unsupported,
    /// Counted before it was taken, and there is not that much memory.
    OutOfMemory,
    /// The prompt does not fit the context window.
    ContextOverflow,
    /// No room for another session now; later there may be.
    Busy,
    /// Stopped by the library itself or by a cancelled call.
    Cancelled,
    /// The model or session was closed under the call.
    Closed,
    /// Text could not be tokenised, or ids could not be turned into text.
    Tokenizer,
    /// The operating system refused a read or write.
    Io,
    /// A bug in wick.
    Internal,
}

impl Code {
    /// The public, kebab-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidRequest => "invalid-request",
            Code::ModelNotFound => "model-not-found",
            Code::ModelInvalid => "model-invalid",
            Code::Unsupported => "unsupported",
            Code::OutOfMemory => "out-of-memory",
            Code::ContextOverflow => "context-overflow",
            Code::Busy => "busy",
            Code::Cancelled => "cancelled",
            Code::Closed => "closed",
            Code::Tokenizer => "tokenizer",
            Code::Io => "io",
            Code::Internal => "internal",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure: its [`Code`], a message that says what happened, where, and what to do; never a prompt or a key.
#[derive(Debug, Clone)]
pub struct Error {
    code: Code,
    message: String,
    /// Figures a program may want (`("contextTokens", 4096)`), in the order the message names them.
    detail: Vec<(&'static str, u64)>,
}

impl Error {
    /// An error of any code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), detail: Vec::new() }
    }

    /// Adds a figure for programs.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: u64) -> Self {
        self.detail.push((name, value));
        self
    }

    /// Puts `context` in front of the message: `"blk.0.attn_q.weight: …"`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The figures for programs.
    pub fn detail(&self) -> &[(&'static str, u64)] {
        &self.detail
    }
}

macro_rules! constructors {
    ($($name:ident => $code:ident),* $(,)?) => {
        impl Error {
            $(
                #[doc = concat!("An error with [`Code::", stringify!($code), "`].")]
                pub fn $name(message: impl Into<String>) -> Self {
                    Self::new(Code::$code, message)
                }
            )*
        }
    };
}

constructors! {
    invalid_request => InvalidRequest,
    model_not_found => ModelNotFound,
    model_invalid => ModelInvalid,
    unsupported => Unsupported,
    out_of_memory => OutOfMemory,
    context_overflow => ContextOverflow,
    busy => Busy,
    cancelled => Cancelled,
    closed => Closed,
    tokenizer => Tokenizer,
    io => Io,
    internal => Internal,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
