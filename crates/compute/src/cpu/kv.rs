//! Keys and values in blocks.
//!
//! A block of positions of a group of layers is one piece of memory, a slab, that holds all these layers' keys and values of it:
//! a growing conversation moves nothing, and a copied block is one copy.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use wick_kernels::attention::{KvLayout, KvType, POSITIONS};
use wick_spec::{Error, Result};

use crate::check::{check_block, check_bytes, check_growth};
use crate::{Attention, BLOCK, Group, Plan, State};

const _: () = assert!(BLOCK == POSITIONS, "the kernels' blocks are the batch's");

/// Where slabs begin: at a cache line.
const ALIGN: usize = 64;

/// How a layer's block lies.
pub(super) fn layout(kv_type: KvType, a: &Attention) -> KvLayout {
    KvLayout { kv_type, kv_heads: a.kv_heads, head_dim: a.head_dim }
}

/// A plan's groups of layers.
pub(super) fn groups(kv_type: KvType, plan: &Plan) -> Vec<Group> {
    Group::of(plan.attention().map(|a| (a.window, layout(kv_type, a).bytes() as u64)))
}

/// The blocks of one group.
#[derive(Debug)]
struct Slabs {
    /// The blocks' memory, each of `size` bytes.
    slabs: Vec<*mut u8>,
    size: usize,
}

impl Slabs {
    fn memory(&self) -> Layout {
        Layout::from_size_align(self.size.max(ALIGN), ALIGN).unwrap_or(Layout::new::<u64>())
    }

    /// Zeros, as pages that the system fills when they are touched.
    fn slab(&self) -> Option<NonNull<u8>> {
        // SAFETY: the layout has a size.
        NonNull::new(unsafe { alloc_zeroed(self.memory()) })
    }

    /// What is beyond so many blocks goes back to the system.
    fn truncate(&mut self, blocks: usize) {
        for slab in self.slabs.split_off(blocks) {
            // SAFETY: it was allocated with this layout, and nobody knows it any more.
            unsafe { dealloc(slab, self.memory()) };
        }
    }

    /// So many more blocks, or none.
    fn extend(&mut self, more: usize) -> Option<()> {
        let before = self.slabs.len();
        self.slabs.try_reserve(more).ok()?;
        for _ in 0..more {
            let Some(slab) = self.slab() else {
                self.truncate(before);
                return None;
            };
            self.slabs.push(slab.as_ptr());
        }
        Some(())
    }
}

impl Drop for Slabs {
    fn drop(&mut self) {
        self.truncate(0);
    }
}

/// All groups' keys and values.
#[derive(Debug)]
pub(super) struct Blocks {
    groups: Vec<Group>,
    /// Of each group.
    slabs: Vec<Slabs>,
}

impl Blocks {
    /// No blocks yet.
    pub(super) fn new(groups: Vec<Group>) -> Self {
        let slabs = groups.iter().map(|group| Slabs { slabs: Vec::new(), size: group.block as usize });
        Self { slabs: slabs.collect(), groups }
    }

    /// The memory of a group's blocks, by block.
    pub(super) fn slabs(&self, group: usize) -> &[*mut u8] {
        &self.slabs[group].slabs
    }
}

impl State for Blocks {
    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn blocks(&self, group: usize) -> usize {
        self.slabs.get(group).map_or(0, |slabs| slabs.slabs.len())
    }

    fn grow(&mut self, group: usize, blocks: usize) -> Result<()> {
        check_growth(self, group, blocks)?;
        let slabs = &mut self.slabs[group];
        let more = blocks.saturating_sub(slabs.slabs.len());
        let bytes = more.saturating_mul(slabs.size) as u64;
        slabs.extend(more).ok_or_else(|| {
            Error::out_of_memory(format!(
                "The system refused {bytes} bytes for keys and values. Use a smaller context or fewer sessions."
            ))
            .with("neededBytes", bytes)
            .with("blocks", blocks as u64)
        })
    }

    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()> {
        check_block(self, group, from)?;
        check_block(self, group, to)?;
        let Slabs { slabs, size } = &self.slabs[group];
        if from != to {
            // SAFETY: two slabs of this size, which nobody else touches while the state is borrowed.
            unsafe { slabs[from as usize].copy_to_nonoverlapping(slabs[to as usize], *size) };
        }
        Ok(())
    }

    fn read(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<()> {
        check_block(self, group, block)?;
        let Slabs { slabs, size } = &self.slabs[group];
        // SAFETY: a slab of this size, initialised when it was allocated, which nobody writes while the state is borrowed.
        to.extend_from_slice(unsafe { std::slice::from_raw_parts(slabs[block as usize], *size) });
        Ok(())
    }

    fn write(&mut self, group: usize, block: u32, bytes: &[u8]) -> Result<()> {
        check_bytes(self, group, block, bytes)?;
        // SAFETY: a slab of as many bytes, by the check, which nobody else touches while the state is borrowed.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(self.slabs[group].slabs[block as usize], bytes.len()) };
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.slabs.iter().map(|slabs| (slabs.slabs.len() * slabs.size) as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use wick_spec::Code;

    use super::*;

    fn blocks<const N: usize>(sizes: [u64; N]) -> Blocks {
        Blocks::new((1..).zip(sizes).map(|(window, block)| Group { window: Some(window), block }).collect())
    }

    #[test]
    fn growth_keeps_what_was_there_and_counts_what_was_asked_for() {
        let mut state = blocks([64, 192]);
        state.grow(1, 3).expect("small");
        // SAFETY: inside the slab.
        unsafe { state.slabs(1)[2].add(191).write(7) };
        for blocks in 4..21 {
            state.grow(1, blocks).expect("small");
            assert_eq!((state.blocks(0), state.blocks(1), state.bytes()), (0, blocks, 192 * blocks as u64));
        }
        state.grow(1, 1).expect("nothing to do");
        state.copy(1, 2, 19).expect("both are there");
        // SAFETY: inside the slab.
        assert_eq!(unsafe { (state.slabs(1)[19].add(191).read(), state.slabs(1)[19].read()) }, (7, 0));
        assert!(state.slabs(1).iter().all(|slab| slab.align_offset(ALIGN) == 0));
        for (group, block) in [(0, 0), (1, 20), (2, 0)] {
            assert_eq!(state.copy(group, 0, block).expect_err("it is not there").code(), Code::Internal);
        }
    }

    #[test]
    fn what_the_system_refuses_is_out_of_memory_and_nothing_is_lost() {
        let mut state = blocks([1 << 46]);
        let error = state.grow(0, 100).expect_err("more than there is");
        assert_eq!((error.code(), state.blocks(0)), (Code::OutOfMemory, 0));
        assert_eq!(state.grow(0, 1 << 40).expect_err("more than ids can name").code(), Code::InvalidRequest);
        assert_eq!(state.grow(1, 1).expect_err("no such group").code(), Code::Internal);
    }
}
