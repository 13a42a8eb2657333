//! Keys and values of ended sequences, kept for whoever continues them.

use std::collections::VecDeque;

use crate::blocks::Blocks;
use crate::prompt::Turn;

/// Most ended sequences kept, however small.
const ENTRIES: usize = 32;

/// One ended sequence.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The tokens whose keys and values the blocks hold.
    pub tokens: Vec<u32>,
    pub blocks: Vec<u32>,
    /// Whether they were computed as a long sequence's; only such a one can go on from them, or only others can.
    pub long: bool,
    /// For a chat: how its next turn begins.
    pub turn: Option<Turn>,
}

/// Ended sequences, the one used longest ago first.
#[derive(Debug, Default)]
pub(crate) struct Retained(VecDeque<Kept>);

impl Retained {
    /// Keeps a sequence; the oldest makes room. One that is the beginning of the new one, or the same, is dropped.
    pub(crate) fn keep(&mut self, kept: Kept, blocks: &mut Blocks) {
        if kept.tokens.is_empty() {
            release(kept, blocks);
            return;
        }
        let covers = |old: &Kept| kept.long == old.long && kept.tokens.starts_with(&old.tokens);
        while let Some(at) = self.0.iter().position(covers) {
            release(self.0.remove(at).expect("the position was just found"), blocks);
        }
        self.0.push_back(kept);
        if self.0.len() > ENTRIES {
            self.evict(blocks);
        }
    }

    /// Drops the sequence used longest ago; false when there is none.
    pub(crate) fn evict(&mut self, blocks: &mut Blocks) -> bool {
        self.0.pop_front().map(|kept| release(kept, blocks)).is_some()
    }

    /// The kept sequence, of `long` ones or others, that shares most tokens with `ids`, and how many; it becomes the last to be
    /// dropped.
    pub(crate) fn best(&mut self, ids: &[u32], long: bool) -> Option<(&Kept, usize)> {
        let shared = |kept: &Kept| if kept.long == long { common_prefix(&kept.tokens, ids) } else { 0 };
        let (at, common) =
            self.0.iter().map(shared).enumerate().max_by_key(|&(_, common)| common).filter(|&(_, common)| common > 0)?;
        let kept = self.0.remove(at)?;
        self.0.push_back(kept);
        self.0.back().map(|kept| (kept, common))
    }

    /// The turns that a conversation may go on from.
    pub(crate) fn turns(&self) -> impl Iterator<Item = &Turn> {
        self.0.iter().filter_map(|kept| kept.turn.as_ref())
    }

    /// How many sequences are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn release(kept: Kept, blocks: &mut Blocks) {
    kept.blocks.into_iter().for_each(|id| blocks.release(id));
}

/// How many tokens two sequences have in common from the start.
pub(crate) fn common_prefix(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(tokens: &[u32], blocks: &mut Blocks) -> Kept {
        Kept { tokens: tokens.to_vec(), blocks: vec![blocks.take().unwrap()], long: false, turn: None }
    }

    #[test]
    fn a_longer_sequence_replaces_its_beginning() {
        let mut blocks = Blocks::new(8);
        let mut retained = Retained::default();
        for tokens in [&[1, 2][..], &[1, 2, 3], &[9]] {
            let kept = kept(tokens, &mut blocks);
            retained.keep(kept, &mut blocks);
        }
        assert_eq!((retained.len(), blocks.available()), (2, 6));
        assert_eq!(retained.best(&[1, 2, 4], false).map(|(_, common)| common), Some(2));
        assert!(retained.best(&[5], false).is_none());
    }

    #[test]
    fn long_sequences_and_others_are_kept_apart() {
        let mut blocks = Blocks::new(8);
        let mut retained = Retained::default();
        for (tokens, long) in [(&[1, 2][..], false), (&[1, 2, 3], true)] {
            let kept = Kept { long, ..kept(tokens, &mut blocks) };
            retained.keep(kept, &mut blocks);
        }
        assert_eq!(retained.len(), 2, "the longer one is no continuation of the other");
        for (long, common) in [(false, 2), (true, 3)] {
            assert_eq!(retained.best(&[1, 2, 3], long).map(|(_, common)| common), Some(common));
        }
    }

    #[test]
    fn the_one_used_longest_ago_goes_first() {
        let mut blocks = Blocks::new(8);
        let mut retained = Retained::default();
        for tokens in [[1], [2]] {
            let kept = kept(&tokens, &mut blocks);
            retained.keep(kept, &mut blocks);
        }
        retained.best(&[1], false);
        assert!(retained.evict(&mut blocks));
        assert!(retained.best(&[2], false).is_none());
        assert!(retained.best(&[1], false).is_some());
        assert!(retained.evict(&mut blocks) && !retained.evict(&mut blocks));
        assert_eq!(blocks.available(), 8);
    }
}
