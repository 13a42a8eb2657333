//! A sequence's blocks.

use wick_compute::BLOCK;

use super::prefixes::Key;

/// A block that a window has left behind; never read.
pub(super) const GONE: u32 = u32::MAX;

/// Where the keys and values of a sequence are: by group of layers, the blocks in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    /// Tokens whose keys and values the blocks hold.
    pub(crate) kv: usize,
    /// By group. What a window has left behind is [`GONE`].
    pub(super) blocks: Vec<Vec<u32>>,
    /// By group: how many of the first blocks the window has left behind.
    pub(super) left: Vec<usize>,
    /// Of the whole blocks, how many are in the tree of prefixes.
    pub(super) published: usize,
    /// Where in the tree the first block belongs; `None`: nothing is shared.
    pub(super) root: Option<Key>,
    /// The node of the last block that is in the tree; before the first the root. `None` also where the way to it was evicted.
    pub(super) at: Option<Key>,
}

impl Table {
    /// Of no blocks yet, in so many groups.
    pub(super) fn new(groups: usize, root: Option<Key>) -> Self {
        Self { kv: 0, blocks: vec![Vec::new(); groups], left: vec![0; groups], published: 0, root, at: root }
    }

    /// By group, as a batch names them.
    pub(crate) fn blocks(&self) -> &[Vec<u32>] {
        &self.blocks
    }

    /// Whether it holds no memory.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.iter().all(Vec::is_empty)
    }

    /// Tokens that its blocks have room for.
    pub(crate) fn room(&self) -> usize {
        self.blocks.iter().map(|blocks| blocks.len() * BLOCK).min().unwrap_or(usize::MAX)
    }

    /// Whether all that is computed is in the tree: then it may hold what comes next, too.
    pub(super) fn at_node(&self) -> Option<Key> {
        self.at.filter(|_| self.kv == self.published * BLOCK)
    }
}
