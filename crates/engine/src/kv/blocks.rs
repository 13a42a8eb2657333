//! Who owns which block of one group of layers.
//!
//! A sequence holds block ids, not memory, and the prefix cache is one owner more. A block is written only while it has one owner.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wick_compute::BLOCK;

/// Blocks needed for `tokens` positions.
pub(crate) fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK)
}

/// Reference counts of a growing pool.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    owners: Vec<u32>,
    /// The lowest id first, so that tables stay as contiguous as they can.
    free: BinaryHeap<Reverse<u32>>,
}

impl Blocks {
    /// Blocks the backend must hold storage for.
    pub(super) fn high_water(&self) -> usize {
        self.owners.len()
    }

    /// A block with one owner.
    pub(super) fn take(&mut self) -> u32 {
        let id = self.free.pop().map_or(self.owners.len() as u32, |Reverse(id)| id);
        if id as usize == self.owners.len() {
            self.owners.push(0);
        }
        self.owners[id as usize] = 1;
        id
    }

    /// How many own it.
    pub(super) fn owners(&self, id: u32) -> u32 {
        self.owners[id as usize]
    }

    /// One more owner.
    pub(super) fn share(&mut self, id: u32) {
        debug_assert!(self.owners[id as usize] > 0, "block {id} is free");
        self.owners[id as usize] += 1;
    }

    /// One owner less; how many are left. The last one frees the block.
    pub(super) fn release(&mut self, id: u32) -> u32 {
        let owners = &mut self.owners[id as usize];
        debug_assert!(*owners > 0, "block {id} is free");
        *owners -= 1;
        if *owners == 0 {
            self.free.push(Reverse(id));
        }
        *owners
    }

    /// Blocks with an owner.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.owners.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_free_when_its_last_owner_leaves() {
        let mut blocks = Blocks::default();
        let (a, b) = (blocks.take(), blocks.take());
        assert_eq!((a, b), (0, 1));
        blocks.share(a);
        assert_eq!((blocks.release(a), blocks.taken()), (1, 2));
        assert_eq!((blocks.release(b), blocks.release(a), blocks.taken()), (0, 0, 0));
        assert_eq!((blocks.take(), blocks.high_water()), (0, 2), "the lowest id first");
    }

    #[test]
    fn a_partial_block_counts_whole() {
        assert_eq!([0, 1, BLOCK, BLOCK + 1].map(blocks_for), [0, 1, 1, 2]);
    }
}
