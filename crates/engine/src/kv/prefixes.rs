//! The tree of computed prefixes: which tokens, after which, have their keys and values in which blocks.
//!
//! A node is a block of tokens after those of its parent, found by a hash chained from the root (Kwon et al. 2023, vLLM's automatic
//! prefix caching). The hash only finds: tokens and parent are compared, so that no collision gives a wrong block. Where a sequence
//! ended in the middle of a block its last node is shorter. Roots tell apart what may not be shared.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};

use super::Root;

/// Where a node is in the tree: the hash of its tokens after its parent's key. Seeded anew for each tree.
pub(crate) type Key = u64;

/// A node's block in one group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    block: u32,
    /// When it was used last.
    used: u64,
    /// Whether nobody else owns it.
    alone: bool,
}

#[derive(Debug)]
struct Node {
    /// `None`: a root.
    parent: Option<Key>,
    children: Vec<Key>,
    /// [`wick_compute::BLOCK`] of them; fewer where a sequence ended; of a root none.
    tokens: Box<[u32]>,
    /// By group; what was evicted is `None`.
    blocks: Box<[Option<Held>]>,
}

/// A block that can be evicted: when it was used last, whose, and of which group. In the order of eviction.
type Idle = (u64, Key, usize);

/// The tree. It knows no reference counts: whoever uses it says which blocks nobody else owns.
#[derive(Debug)]
pub(super) struct Prefixes {
    hasher: RandomState,
    nodes: HashMap<Key, Node>,
    idle: BTreeSet<Idle>,
    /// Groups in which a row sees all that came before it: a node's block is needed by its descendants.
    full: Box<[bool]>,
    now: u64,
}

impl Prefixes {
    /// An empty tree over groups, each `full` or a window.
    pub(super) fn new(full: Box<[bool]>) -> Self {
        Self { hasher: RandomState::new(), nodes: HashMap::new(), idle: BTreeSet::new(), full, now: 0 }
    }

    /// The key of a root.
    pub(super) fn root(&self, name: Root<'_>) -> Key {
        self.hasher.hash_one(("root", name))
    }

    /// The key of `tokens` after `parent`.
    pub(super) fn key(&self, parent: Key, tokens: &[u32]) -> Key {
        self.hasher.hash_one((parent, tokens))
    }

    /// Later than all before.
    pub(super) fn tick(&mut self) {
        self.now += 1;
    }

    /// The node of exactly these tokens after `parent`.
    pub(super) fn find(&self, parent: Key, tokens: &[u32]) -> Option<Key> {
        let key = self.key(parent, tokens);
        let node = self.nodes.get(&key)?;
        (node.parent == Some(parent) && *node.tokens == *tokens).then_some(key)
    }

    /// A node's block in a group.
    pub(super) fn block(&self, key: Key, group: usize) -> Option<u32> {
        self.nodes.get(&key)?.blocks[group].map(|held| held.block)
    }

    /// The node after `parent` that has most tokens in common with the beginning of `tokens`, and how many. Only such whose blocks are all there.
    pub(super) fn nearest(&self, parent: Key, tokens: &[u32]) -> Option<(Key, usize)> {
        let whole = |node: &Node| node.blocks.iter().all(Option::is_some);
        let children = self.nodes.get(&parent)?.children.iter();
        let common = children.filter_map(|&key| {
            let node = self.nodes.get(&key).filter(|node| whole(node))?;
            Some((key, common_prefix(&node.tokens, tokens)))
        });
        common.filter(|&(_, common)| common > 0).max_by_key(|&(_, common)| common)
    }

    /// A new node of `tokens` after `parent`, which is a root or in the tree; its key. `None` where the parent was evicted, or where
    /// another node has the key. It holds no blocks yet.
    pub(super) fn grow(&mut self, parent: Key, is_root: bool, tokens: &[u32]) -> Option<Key> {
        let key = self.key(parent, tokens);
        if self.nodes.contains_key(&key) {
            return None;
        }
        let groups = self.full.len();
        let empty = |parent, tokens: &[u32]| Node {
            parent,
            children: Vec::new(),
            tokens: tokens.into(),
            blocks: vec![None; groups].into(),
        };
        if is_root {
            self.nodes.entry(parent).or_insert_with(|| empty(None, &[]));
        }
        self.nodes.get_mut(&parent)?.children.push(key);
        self.nodes.insert(key, empty(Some(parent), tokens));
        self.settle(parent);
        Some(key)
    }

    /// Gives a node a block, which somebody else owns as well.
    pub(super) fn hold(&mut self, key: Key, group: usize, block: u32) {
        if let Some(node) = self.nodes.get_mut(&key) {
            debug_assert!(node.blocks[group].is_none(), "a node holds one block of a group");
            node.blocks[group] = Some(Held { block, used: self.now, alone: false });
        }
    }

    /// From now on a node's block is the tree's alone, or is not any more.
    pub(super) fn owned(&mut self, key: Key, group: usize, alone: bool) {
        let now = self.now;
        let Some(held) = self.nodes.get_mut(&key).and_then(|node| node.blocks[group].as_mut()) else { return };
        self.idle.remove(&(held.used, key, group));
        (held.used, held.alone) = (now, alone);
        self.settle(key);
    }

    /// Lists the blocks of a node that can be evicted: of groups in which its descendants need them only a leaf's.
    fn settle(&mut self, key: Key) {
        let Some(node) = self.nodes.get(&key) else { return };
        let leaf = node.children.is_empty();
        for (group, held) in node.blocks.iter().enumerate() {
            let Some(held) = held else { continue };
            let entry = (held.used, key, group);
            if held.alone && (leaf || !self.full[group]) {
                self.idle.insert(entry);
            } else {
                self.idle.remove(&entry);
            }
        }
    }

    /// Gives up the block that was used longest ago, and with one that all its node's descendants would need the whole node. False when there is none.
    pub(super) fn evict(&mut self, free: impl FnMut(usize, u32)) -> bool {
        let Some(&(_, key, group)) = self.idle.first() else { return false };
        let all = self.full[group];
        self.drop_blocks(key, |at| all || at == group, free);
        true
    }

    /// Gives up the ends of sequences after `parent` that `tokens` begin with and go beyond.
    pub(super) fn drop_covered(&mut self, parent: Key, tokens: &[u32], mut free: impl FnMut(usize, u32)) {
        let Some(node) = self.nodes.get(&parent) else { return };
        let covered = |key: &Key| {
            let node = &self.nodes[key];
            node.tokens.len() < tokens.len() && tokens.starts_with(&node.tokens)
        };
        let covered: Vec<Key> = node.children.iter().copied().filter(covered).collect();
        covered.into_iter().for_each(|key| self.drop_blocks(key, |_| true, &mut free));
    }

    /// Gives up a node's blocks of the chosen groups that are the tree's alone.
    fn drop_blocks(&mut self, key: Key, chosen: impl Fn(usize) -> bool, mut free: impl FnMut(usize, u32)) {
        let Some(node) = self.nodes.get_mut(&key) else { return };
        for (group, slot) in node.blocks.iter_mut().enumerate() {
            if let Some(held) = slot.take_if(|held| held.alone && chosen(group)) {
                self.idle.remove(&(held.used, key, group));
                free(group, held.block);
            }
        }
        self.prune(key);
    }

    /// Removes a node that holds nothing and has no children, and its parents likewise.
    fn prune(&mut self, mut key: Key) {
        while let Some(node) = self.nodes.get(&key)
            && node.children.is_empty()
            && node.blocks.iter().all(Option::is_none)
        {
            let parent = node.parent;
            self.nodes.remove(&key);
            let Some(parent) = parent else { return };
            if let Some(node) = self.nodes.get_mut(&parent) {
                node.children.retain(|&child| child != key);
            }
            self.settle(parent);
            key = parent;
        }
    }
}

/// How many tokens two sequences have in common from the start.
pub(crate) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}
