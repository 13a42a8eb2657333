//! Who owns which block of keys and values.
//!
//! A sequence holds a table of block ids, not memory. Sharing a prefix raises reference counts; a block is written only
//! while it has one owner.

use wick_compute::BLOCK;

/// Blocks needed for `tokens` positions.
pub(crate) fn blocks_for(tokens: usize) -> usize {
    tokens.div_ceil(BLOCK)
}

/// Reference counts of a growing pool with a fixed limit.
#[derive(Debug)]
pub(crate) struct Blocks {
    owners: Vec<u32>,
    /// Free ids, the lowest last, so that tables stay as contiguous as they can.
    free: Vec<u32>,
    limit: usize,
}

impl Blocks {
    /// A pool of at most `limit` blocks, none taken.
    pub(crate) fn new(limit: usize) -> Self {
        Self { owners: Vec::new(), free: Vec::new(), limit }
    }

    /// Most blocks there can ever be.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Blocks the backend must hold storage for.
    pub(crate) fn high_water(&self) -> usize {
        self.owners.len()
    }

    /// Blocks nobody owns, those not made yet included.
    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.limit - self.owners.len() + self.free.len()
    }

    /// A block with one owner, or `None` when the pool is spent.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let id = match self.free.pop() {
            Some(id) => id,
            None if self.owners.len() < self.limit => {
                self.owners.push(0);
                (self.owners.len() - 1) as u32
            }
            None => return None,
        };
        self.owners[id as usize] = 1;
        Some(id)
    }

    /// One more owner.
    pub(crate) fn share(&mut self, id: u32) {
        debug_assert!(self.owners[id as usize] > 0, "block {id} is free");
        self.owners[id as usize] += 1;
    }

    /// One owner less; the last one frees the block.
    pub(crate) fn release(&mut self, id: u32) {
        let owners = &mut self.owners[id as usize];
        debug_assert!(*owners > 0, "block {id} is free");
        *owners -= 1;
        if *owners == 0 {
            let at = self.free.partition_point(|&free| free > id);
            self.free.insert(at, id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_free_when_its_last_owner_leaves() {
        let mut blocks = Blocks::new(2);
        let a = blocks.take().unwrap();
        let b = blocks.take().unwrap();
        assert_eq!((a, b, blocks.take()), (0, 1, None));
        blocks.share(a);
        blocks.release(a);
        assert_eq!(blocks.available(), 0);
        blocks.release(a);
        blocks.release(b);
        assert_eq!((blocks.available(), blocks.high_water()), (2, 2));
        assert_eq!(blocks.take(), Some(0), "the lowest id first");
    }

    #[test]
    fn a_partial_block_counts_whole() {
        assert_eq!([0, 1, BLOCK, BLOCK + 1].map(blocks_for), [0, 1, 1, 2]);
    }
}
