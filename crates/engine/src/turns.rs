//! The turns of conversations that a next prompt may go on from.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::prompt::Turn;

/// Most turns that are remembered.
const MOST: usize = 256;

/// Most bytes of text and ids that they may take.
const MOST_BYTES: usize = 32 << 20;

/// Turns, the one that was answered longest ago first. A few kilobytes each: what was computed of them is the cache's affair.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    turns: VecDeque<Arc<Turn>>,
    bytes: usize,
}

impl Turns {
    /// Remembers a turn; earlier ones of the same conversation give way to it.
    pub(crate) fn keep(&mut self, turn: Arc<Turn>) {
        self.turns.retain(|old| !turn.ids.starts_with(&old.ids));
        self.turns.push_back(turn);
        self.bytes = self.turns.iter().map(|turn| turn.bytes()).sum();
        while self.turns.len() > MOST || (self.bytes > MOST_BYTES && self.turns.len() > 1) {
            if let Some(old) = self.turns.pop_front() {
                self.bytes -= old.bytes();
            }
        }
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Turn> {
        self.turns.iter().map(|turn| &**turn)
    }
}
