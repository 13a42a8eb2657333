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
use crate::{BLOCK, State};

/// One layer's keys and values, (slots, g, d) each.
#[derive(Debug)]
pub(super) struct Layer {
    /// Rotated.
    pub(super) keys: Tensor,
    /// As projected.
    pub(super) values: Tensor,
}

/// All layers' keys and values.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) layers: Vec<Layer>,
    device: Device,
    dtype: DType,
    blocks: usize,
    capacity: usize,
}

/// The type keys and values have on a device.
pub(super) fn dtype(device: &Device) -> DType {
    if device.is_cpu() { DType::F32 } else { DType::F16 }
}

impl Blocks {
    /// No blocks yet; `sizes`: g and d of each layer.
    pub(super) fn new(sizes: impl Iterator<Item = (usize, usize)>, device: &Device) -> Fallible<Self> {
        let dtype = dtype(device);
        let empty = |(g, d)| Tensor::zeros((0, g, d), dtype, device);
        let layers = sizes.map(|size| Ok(Layer { keys: empty(size)?, values: empty(size)? })).collect::<Fallible<_>>()?;
        Ok(Self { layers, device: device.clone(), dtype, blocks: 0, capacity: 0 })
    }

    fn width(&self) -> Fallible<usize> {
        let mut width = 0;
        for layer in &self.layers {
            let (_, g, d) = layer.keys.dims3()?;
            width += 2 * g * d;
        }
        Ok(width)
    }

    /// Every tensor with room for `capacity` blocks, layer by layer, so that at most one is held twice.
    fn resize(&mut self, capacity: usize) -> Fallible<()> {
        for layer in &mut self.layers {
            for tensor in [&mut layer.keys, &mut layer.values] {
                let (used, g, d) = tensor.dims3()?;
                let slots = capacity.saturating_mul(BLOCK);
                let larger = zeros((slots, g, d), self.dtype, &self.device)?;
                if used > 0 {
                    let kept = used.min(self.blocks * BLOCK);
                    larger.slice_set(&tensor.narrow(0, 0, kept)?, 0, 0)?;
                }
                *tensor = larger;
            }
        }
        self.capacity = capacity;
        Ok(())
    }
}

impl State for Blocks {
    fn blocks(&self) -> usize {
        self.blocks
    }

    fn grow(&mut self, blocks: usize) -> Result<()> {
        if blocks <= self.blocks {
            return Ok(());
        }
        if u32::try_from(blocks.saturating_mul(BLOCK)).is_err() {
            return Err(Error::invalid_request(format!("{blocks} blocks of {BLOCK} tokens are more than can be numbered.")));
        }
        if blocks > self.capacity {
            let generous = self.capacity + self.capacity / 2;
            let grown = self.resize(blocks.max(generous)).or_else(|_| self.resize(blocks));
            grown.map_err(|failure| match failure.at("keys and values") {
                error if error.code() == wick_spec::Code::OutOfMemory => error.with("blocks", blocks as u64),
                error => error,
            })?;
        }
        self.blocks = blocks;
        Ok(())
    }

    fn copy(&mut self, from: u32, to: u32) -> Result<()> {
        if from as usize >= self.blocks || to as usize >= self.blocks {
            return Err(Error::internal(format!("copy of block {from} to {to}: there are {}", self.blocks)));
        }
        let copy = || -> Fallible<()> {
            for layer in &self.layers {
                for tensor in [&layer.keys, &layer.values] {
                    let block = tensor.narrow(0, from as usize * BLOCK, BLOCK)?.copy()?;
                    tensor.slice_set(&block, 0, to as usize * BLOCK)?;
                }
            }
            Ok(())
        };
        if from == to { Ok(()) } else { copy().map_err(|failure| failure.at("a block's copy")) }
    }

    /// On the CPU untouched room for growth takes nothing.
    fn bytes(&self) -> u64 {
        let blocks = if self.device.is_cpu() { self.blocks } else { self.capacity };
        let width = self.width().unwrap_or(0);
        (blocks * BLOCK * width * self.dtype.size_in_bytes()) as u64
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

    fn blocks() -> Blocks {
        Blocks::new([(2, 6), (1, 4)].into_iter(), &Device::Cpu).expect("an empty state")
    }

    #[test]
    fn growth_keeps_what_was_there_and_counts_what_was_asked_for() {
        let mut state = blocks();
        state.grow(3).expect("small");
        let (_, g, d) = state.layers[0].keys.dims3().expect("three dimensions");
        let row = Tensor::ones((1, g, d), DType::F32, &Device::Cpu).expect("small");
        state.layers[0].keys.slice_set(&row, 0, 2 * BLOCK + 5).expect("inside");
        for blocks in 4..20 {
            state.grow(blocks).expect("small");
            assert_eq!(state.blocks(), blocks);
            assert_eq!(state.bytes(), (blocks * BLOCK * state.width().expect("f32") * 4) as u64);
        }
        let sum = state.layers[0].keys.sum_all().and_then(|sum| sum.to_scalar::<f32>()).expect("finite");
        assert_eq!(sum, (g * d) as f32);
    }

    #[test]
    fn what_the_system_refuses_is_out_of_memory() {
        let error = zeroed(usize::MAX / 8).expect_err("more than there is");
        assert_eq!(error.code(), Code::OutOfMemory);
        let error = blocks().grow(1 << 40).expect_err("more than ids can name");
        assert_eq!(error.code(), Code::InvalidRequest);
    }

    #[test]
    fn runs_join_blocks_that_lie_together() {
        let found: Vec<_> = runs(&[4, 5, 2], 3..70).collect();
        assert_eq!(found, [(4 * BLOCK + 3, 3..64), (2 * BLOCK, 64..70)]);
    }
}
