//! A point of a session that it can go on from, as often as one likes.

use std::sync::Arc;

use crate::prompt::Turn;

/// What a session has heard and said. It pins no keys and values: those lie in the prefix cache, and are computed again where they
/// were evicted. Clones share it.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Prompt and answer, without the token that ended it.
    pub(crate) tokens: Arc<[u32]>,
    /// Of a chat whose answer's text and ids agree.
    pub(crate) turn: Option<Arc<Turn>>,
    /// Of the request: what it computed is found under this alone.
    pub(crate) salt: Option<Arc<str>>,
}

impl Snapshot {
    /// How many tokens it is.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Prompt and answer, without the token that ended it.
    pub fn ids(&self) -> &[u32] {
        &self.tokens
    }
}
