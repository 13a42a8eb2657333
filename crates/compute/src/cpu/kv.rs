//! Keys and values in blocks.
//!
//! A block of positions is one piece of memory, a slab, that holds all layers' keys and values of it: a growing conversation
//! moves nothing, and a copied block is one copy.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use wick_kernels::attention::{KvLayout, KvType, POSITIONS};
use wick_spec::{Error, Result};

use crate::{Attention, BLOCK, State};

const _: () = assert!(BLOCK == POSITIONS, "the kernels' blocks are the batch's");

/// Where slabs begin: at a cache line.
const ALIGN: usize = 64;

/// How a layer's block lies.
pub(super) fn layout(kv_type: KvType, a: &Attention) -> KvLayout {
    KvLayout { kv_type, kv_heads: a.kv_heads, head_dim: a.head_dim }
}

/// All layers' keys and values.
#[derive(Debug)]
pub(super) struct Blocks {
    /// The blocks' memory, each of `size` bytes.
    slabs: Vec<*mut u8>,
    size: usize,
}

impl Blocks {
    /// No blocks yet, each of `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        Self { slabs: Vec::new(), size }
    }

    /// The blocks' memory, by block.
    pub(super) fn slabs(&self) -> &[*mut u8] {
        &self.slabs
    }

    fn memory(&self) -> Layout {
        // A plan of no layers keeps nothing, and memory has a size.
        Layout::from_size_align(self.size.max(ALIGN), ALIGN).unwrap_or(Layout::new::<u64>())
    }

    /// Zeros, as pages that the system fills when they are touched.
    fn slab(&self) -> Option<NonNull<u8>> {
        // SAFETY: the layout has a size.
        NonNull::new(unsafe { alloc_zeroed(self.memory()) })
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for slab in &self.slabs {
            // SAFETY: it was allocated with this layout.
            unsafe { dealloc(*slab, self.memory()) };
        }
    }
}

impl State for Blocks {
    fn blocks(&self) -> usize {
        self.slabs.len()
    }

    fn grow(&mut self, blocks: usize) -> Result<()> {
        if u32::try_from(blocks.saturating_mul(BLOCK)).is_err() {
            return Err(Error::invalid_request(format!("{blocks} blocks of {BLOCK} tokens are more than can be numbered.")));
        }
        let more = blocks.saturating_sub(self.slabs.len());
        let bytes = more.saturating_mul(self.size) as u64;
        let refused = || {
            Error::out_of_memory(format!(
                "The system refused {bytes} bytes for keys and values. Use a smaller context or fewer sessions."
            ))
            .with("neededBytes", bytes)
            .with("blocks", blocks as u64)
        };
        let before = self.slabs.len();
        self.slabs.try_reserve(more).map_err(|_| refused())?;
        for _ in 0..more {
            let Some(slab) = self.slab() else {
                // Nothing is half done: what was there before is what is there.
                for slab in self.slabs.split_off(before) {
                    // SAFETY: it was allocated with this layout, and nobody knows it any more.
                    unsafe { dealloc(slab, self.memory()) };
                }
                return Err(refused());
            };
            self.slabs.push(slab.as_ptr());
        }
        Ok(())
    }

    fn copy(&mut self, from: u32, to: u32) -> Result<()> {
        let (Some(&source), Some(&target)) = (self.slabs.get(from as usize), self.slabs.get(to as usize)) else {
            return Err(Error::internal(format!("copy of block {from} to {to}: there are {}", self.slabs.len())));
        };
        if from != to {
            // SAFETY: two slabs of this size, which nobody else touches while the state is borrowed.
            unsafe { source.copy_to_nonoverlapping(target, self.size) };
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        (self.slabs.len() * self.size) as u64
    }
}

#[cfg(test)]
mod tests {
    use wick_spec::Code;

    use super::*;

    #[test]
    fn growth_keeps_what_was_there_and_counts_what_was_asked_for() {
        let mut state = Blocks::new(192);
        state.grow(3).expect("small");
        // SAFETY: inside the slab.
        unsafe { state.slabs()[2].add(191).write(7) };
        for blocks in 4..21 {
            state.grow(blocks).expect("small");
            assert_eq!((state.blocks(), state.bytes()), (blocks, 192 * blocks as u64));
        }
        state.grow(1).expect("nothing to do");
        state.copy(2, 19).expect("both are there");
        // SAFETY: inside the slab.
        assert_eq!(unsafe { (state.slabs()[19].add(191).read(), state.slabs()[19].read()) }, (7, 0));
        assert!(state.slabs().iter().all(|slab| slab.align_offset(ALIGN) == 0));
        assert_eq!(state.copy(0, 20).expect_err("it is not there").code(), Code::Internal);
    }

    #[test]
    fn what_the_system_refuses_is_out_of_memory_and_nothing_is_lost() {
        let mut state = Blocks::new(1 << 46);
        let error = state.grow(100).expect_err("more than there is");
        assert_eq!((error.code(), state.blocks()), (Code::OutOfMemory, 0));
        assert_eq!(state.grow(1 << 40).expect_err("more than ids can name").code(), Code::InvalidRequest);
    }
}
