//! What the engine says of its own doings. Never a prompt, never an answer.

use std::fmt;
use std::sync::Arc;

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Each decision.
    Debug,
    /// What was chosen, and why.
    Info,
    /// What the caller should change or know.
    Warn,
}

impl Level {
    /// The public name.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
        }
    }
}

/// Where records go; clones share it. Called from any thread, and must not block.
#[derive(Clone)]
pub struct Log(Option<Arc<Sink>>);

type Sink = dyn Fn(Level, &str) + Send + Sync;

impl Log {
    /// Drops everything.
    pub fn none() -> Self {
        Self(None)
    }

    /// Hands every record to `sink`.
    pub fn new(sink: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(sink)))
    }

    pub(crate) fn write(&self, level: Level, message: impl fmt::Display) {
        if let Some(sink) = &self.0 {
            sink(level, &message.to_string());
        }
    }
}
