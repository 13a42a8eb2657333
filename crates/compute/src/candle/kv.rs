//! Keys and values in tensors.
//!
//! A layer has two tensors (slots, g, d); slot `n * BLOCK + p` is place p of block n. They grow by at least half, so that a
//! growing conversation is not copied at every block; on the CPU what lies past the asked-for blocks is untouched zero pages,
//! which take no memory until they are written.

use std::alloc::{Layout as Memory, alloc_zeroed};
use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use wick_spec::{Error, Result};

use super::failure::Fallible;
use crate::check::{check_block, check_bytes, check_growth};
use crate::{Attention, BLOCK, Group, State};

/// One layer's keys and values, (slots, g, d) each.
#[derive(Debug)]
pub(super) struct Layer {
    /// Its group of layers.
    pub(super) group: usize,
    /// Rotated.
    pub(super) keys: Tensor,
    /// As projected.
    pub(super) values: Tensor,
}

/// How many blocks a group has, and for how many its tensors have room.
#[derive(Debug, Clone, Copy, Default)]
struct Extent {
    blocks: usize,
    capacity: usize,
}

/// All layers' keys and values.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) layers: Vec<Layer>,
    groups: Vec<Group>,
    /// Of each group.
    extents: Vec<Extent>,
    device: Device,
    dtype: DType,
}

/// The type keys and values have on a device.
fn dtype(device: &Device) -> DType {
    if device.is_cpu() { DType::F32 } else { DType::F16 }
}

/// What a layer keeps: its window, g and d.
pub(super) type Kept = (Option<usize>, usize, usize);

/// Of an attention step.
pub(super) fn kept(a: &Attention) -> Kept {
    (a.window, a.kv_heads, a.head_dim)
}

/// The groups of such layers.
pub(super) fn groups(layers: impl Iterator<Item = Kept>, device: &Device) -> Vec<Group> {
    let element = dtype(device).size_in_bytes();
    Group::of(layers.map(|(window, g, d)| (window, (2 * BLOCK * g * d * element) as u64)))
}

impl Blocks {
    /// No blocks yet.
    pub(super) fn new(layers: impl Iterator<Item = Kept> + Clone, device: &Device) -> Fallible<Self> {
        let (groups, dtype) = (groups(layers.clone(), device), dtype(device));
        let layer = |(window, g, d)| {
            let empty = || Tensor::zeros((0, g, d), dtype, device);
            Ok(Layer { group: Group::place(&groups, window), keys: empty()?, values: empty()? })
        };
        let layers = layers.map(layer).collect::<Fallible<_>>()?;
        Ok(Self { layers, extents: vec![Extent::default(); groups.len()], groups, device: device.clone(), dtype })
    }

    /// What is kept, as it is kept.
    pub(super) fn dtype(&self) -> DType {
        self.dtype
    }

    fn extent(&self, group: usize) -> Extent {
        self.extents.get(group).copied().unwrap_or_default()
    }

    /// Keys and values of each layer of a group.
    fn tensors(&self, group: usize) -> impl Iterator<Item = &Tensor> {
        self.layers.iter().filter(move |layer| layer.group == group).flat_map(|layer| [&layer.keys, &layer.values])
    }

    /// Every tensor of a group with room for `capacity` blocks, layer by layer, so that at most one is held twice.
    fn resize(&mut self, group: usize, capacity: usize) -> Fallible<()> {
        let extent = self.extent(group);
        for layer in self.layers.iter_mut().filter(|layer| layer.group == group) {
            for tensor in [&mut layer.keys, &mut layer.values] {
                let (used, g, d) = tensor.dims3()?;
                let slots = capacity.saturating_mul(BLOCK);
                let larger = zeros((slots, g, d), self.dtype, &self.device)?;
                if used > 0 {
                    let kept = used.min(extent.blocks * BLOCK);
                    larger.slice_set(&tensor.narrow(0, 0, kept)?, 0, 0)?;
                }
                *tensor = larger;
            }
        }
        self.extents[group].capacity = capacity;
        Ok(())
    }

    /// Puts a block's bytes into the tensors of a group, one after another.
    fn fill(&self, group: usize, block: u32, mut bytes: &[u8]) -> Fallible<()> {
        for tensor in self.tensors(group) {
            let (_, g, d) = tensor.dims3()?;
            let (own, rest) = bytes.split_at(BLOCK * g * d * self.dtype.size_in_bytes());
            let rows = Tensor::from_raw_buffer(own, self.dtype, &[BLOCK, g, d], &self.device)?;
            tensor.slice_set(&rows, 0, block as usize * BLOCK)?;
            bytes = rest;
        }
        Ok(())
    }
}

impl State for Blocks {
    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn blocks(&self, group: usize) -> usize {
        self.extent(group).blocks
    }

    fn grow(&mut self, group: usize, blocks: usize) -> Result<()> {
        check_growth(self, group, blocks)?;
        let Extent { blocks: before, capacity } = self.extent(group);
        if blocks <= before {
            return Ok(());
        }
        if blocks > capacity {
            let generous = capacity + capacity / 2;
            let grown = self.resize(group, blocks.max(generous)).or_else(|_| self.resize(group, blocks));
            grown.map_err(|failure| match failure.at("keys and values") {
                error if error.code() == wick_spec::Code::OutOfMemory => error.with("blocks", blocks as u64),
                error => error,
            })?;
        }
        self.extents[group].blocks = blocks;
        Ok(())
    }

    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()> {
        check_block(self, group, from)?;
        check_block(self, group, to)?;
        let copy = || -> Fallible<()> {
            for tensor in self.tensors(group) {
                let block = tensor.narrow(0, from as usize * BLOCK, BLOCK)?.copy()?;
                tensor.slice_set(&block, 0, to as usize * BLOCK)?;
            }
            Ok(())
        };
        if from == to { Ok(()) } else { copy().map_err(|failure| failure.at("a block's copy")) }
    }

    fn read(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<()> {
        check_block(self, group, block)?;
        let mut read = || -> Fallible<()> {
            for tensor in self.tensors(group) {
                tensor.narrow(0, block as usize * BLOCK, BLOCK)?.write_bytes(to)?;
            }
            Ok(())
        };
        read().map_err(|failure| failure.at("a block's bytes"))
    }

    fn write(&mut self, group: usize, block: u32, bytes: &[u8]) -> Result<()> {
        check_bytes(self, group, block, bytes)?;
        self.fill(group, block, bytes).map_err(|failure| failure.at("a block's bytes"))
    }

    /// On the CPU untouched room for growth takes nothing.
    fn bytes(&self) -> u64 {
        let there = |extent: &Extent| if self.device.is_cpu() { extent.blocks } else { extent.capacity };
        self.groups.iter().zip(&self.extents).map(|(group, extent)| group.block * there(extent) as u64).sum()
    }
}

/// Stretches of tokens that lie one after another: the first one's slot, and which tokens.
pub(super) fn runs(blocks: &[u32], tokens: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> + '_ {
    let slot = |n: usize| blocks[n / BLOCK] as usize * BLOCK + n % BLOCK;
    let mut next = tokens.start;
    std::iter::from_fn(move || {
        if next >= tokens.end {
            return None;
        }
        let (start, first) = (next, slot(next));
        next = (start / BLOCK + 1) * BLOCK;
        while next < tokens.end && slot(next) == first + (next - start) {
            next += BLOCK;
        }
        next = next.min(tokens.end);
        Some((first, start..next))
    })
}

/// A tensor of zeros; on the CPU an allocation that the system refuses is an error rather than the end of the process.
fn zeros(shape: (usize, usize, usize), dtype: DType, device: &Device) -> Fallible<Tensor> {
    if device.is_cpu() && dtype == DType::F32 {
        let (slots, g, d) = shape;
        let elements = slots.checked_mul(g).and_then(|n| n.checked_mul(d)).unwrap_or(usize::MAX);
        return Ok(Tensor::from_vec(zeroed(elements)?, shape, device)?);
    }
    Ok(Tensor::zeros(shape, dtype, device)?)
}

/// `elements` zeros, as pages that the system fills when they are touched.
fn zeroed(elements: usize) -> Result<Vec<f32>> {
    let bytes = elements.saturating_mul(size_of::<f32>()) as u64;
    let refused = || {
        Error::out_of_memory(format!(
            "The system refused {bytes} bytes for one layer's keys and values. Use a smaller context or fewer sessions."
        ))
        .with("neededBytes", bytes)
    };
    let layout = Memory::array::<f32>(elements).map_err(|_| refused())?;
    if layout.size() == 0 {
        return Ok(Vec::new());
    }
    // SAFETY: the layout has a size. The pointer comes from the global allocator with the layout of `elements` f32, all of them
    // zero bits, which is what `Vec::from_raw_parts` asks for.
    unsafe {
        let pointer = alloc_zeroed(layout);
        if pointer.is_null() { Err(refused()) } else { Ok(Vec::from_raw_parts(pointer.cast(), elements, elements)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::Code;

    /// Two layers, of which the second is full.
    fn blocks() -> Blocks {
        Blocks::new([(Some(9), 2, 6), (None, 1, 4)].into_iter(), &Device::Cpu).expect("an empty state")
    }

    #[test]
    fn growth_keeps_what_was_there_and_counts_what_was_asked_for() {
        let mut state = blocks();
        state.grow(1, 3).expect("small");
        let (_, g, d) = state.layers[0].keys.dims3().expect("three dimensions");
        let row = Tensor::ones((1, g, d), DType::F32, &Device::Cpu).expect("small");
        state.layers[0].keys.slice_set(&row, 0, 2 * BLOCK + 5).expect("inside");
        for blocks in 4..20 {
            state.grow(1, blocks).expect("small");
            assert_eq!((state.blocks(0), state.blocks(1)), (0, blocks));
            assert_eq!(state.bytes(), (blocks * BLOCK * 2 * g * d * 4) as u64);
        }
        let sum = state.layers[0].keys.sum_all().and_then(|sum| sum.to_scalar::<f32>()).expect("finite");
        assert_eq!(sum, (g * d) as f32);
    }

    #[test]
    fn what_the_system_refuses_is_out_of_memory() {
        let error = zeroed(usize::MAX / 8).expect_err("more than there is");
        assert_eq!(error.code(), Code::OutOfMemory);
        let error = blocks().grow(0, 1 << 40).expect_err("more than ids can name");
        assert_eq!(error.code(), Code::InvalidRequest);
    }

    #[test]
    fn runs_join_blocks_that_lie_together() {
        let found: Vec<_> = runs(&[4, 5, 2], 3..70).collect();
        assert_eq!(found, [(4 * BLOCK + 3, 3..64), (2 * BLOCK, 64..70)]);
    }
}
