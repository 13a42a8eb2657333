//! Keys and values in blocks.
//!
//! A layer's blocks lie one after another in two growing buffers, one of keys and one of values: place p of block n is row
//! `n * BLOCK + p`, (g, d) wide.

use std::ops::Range;

use wick_spec::{Error, Result};

use crate::check::{check_block, check_bytes, check_growth};
use crate::{Attention, BLOCK, Group, State};

/// One layer's keys and values.
#[derive(Debug, Default)]
pub(crate) struct Layer {
    /// Its group of layers.
    pub(crate) group: usize,
    /// g·d.
    pub(crate) width: usize,
    /// (blocks, BLOCK, g, d), rotated.
    pub(crate) keys: Vec<f32>,
    /// (blocks, BLOCK, g, d).
    pub(crate) values: Vec<f32>,
}

/// Where token `n` of a sequence with these blocks has its first element in a layer of this width.
pub(crate) fn place(blocks: &[u32], n: usize, width: usize) -> usize {
    (blocks[n / BLOCK] as usize * BLOCK + n % BLOCK) * width
}

impl Layer {
    /// The elements of a block, of keys or of values.
    fn block(&self, block: u32) -> Range<usize> {
        let size = BLOCK * self.width;
        block as usize * size..(block as usize + 1) * size
    }

    /// Keeps the key and value, (g, d) each, of token `n`.
    pub(crate) fn write(&mut self, blocks: &[u32], n: usize, key: &[f32], value: &[f32]) {
        let at = place(blocks, n, self.width);
        self.keys[at..][..self.width].copy_from_slice(key);
        self.values[at..][..self.width].copy_from_slice(value);
    }
}

/// What a layer keeps: its window, and g·d.
pub(crate) type Kept = (Option<usize>, usize);

/// Of an attention step.
pub(crate) fn kept(a: &Attention) -> Kept {
    (a.window, a.kv_heads * a.head_dim)
}

/// The groups of such layers.
pub(crate) fn groups(layers: impl Iterator<Item = Kept>) -> Vec<Group> {
    Group::of(layers.map(|(window, width)| (window, (2 * BLOCK * size_of::<f32>()) as u64 * width as u64)))
}

/// All layers' keys and values.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) layers: Vec<Layer>,
    groups: Vec<Group>,
    /// Of each group.
    blocks: Vec<usize>,
}

impl Blocks {
    /// No blocks yet.
    pub(crate) fn new(layers: impl Iterator<Item = Kept> + Clone) -> Self {
        let groups = groups(layers.clone());
        let layer = |(window, width)| Layer { group: Group::place(&groups, window), width, ..Layer::default() };
        Self { layers: layers.map(layer).collect(), blocks: vec![0; groups.len()], groups }
    }

    /// The layers of a group.
    fn of(&mut self, group: usize) -> impl Iterator<Item = &mut Layer> {
        self.layers.iter_mut().filter(move |layer| layer.group == group)
    }
}

impl State for Blocks {
    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn blocks(&self, group: usize) -> usize {
        self.blocks.get(group).copied().unwrap_or(0)
    }

    fn grow(&mut self, group: usize, blocks: usize) -> Result<()> {
        check_growth(self, group, blocks)?;
        if blocks <= self.blocks[group] {
            return Ok(());
        }
        for layer in self.of(group) {
            let length = blocks.saturating_mul(BLOCK).saturating_mul(layer.width);
            for buffer in [&mut layer.keys, &mut layer.values] {
                let more = length.saturating_sub(buffer.len());
                buffer.try_reserve_exact(more).map_err(|_| refused(blocks, more))?;
                buffer.resize(length, 0.0);
            }
        }
        self.blocks[group] = blocks;
        Ok(())
    }

    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()> {
        check_block(self, group, from)?;
        check_block(self, group, to)?;
        for layer in self.of(group) {
            let (from, to) = (layer.block(from), layer.block(to).start);
            layer.keys.copy_within(from.clone(), to);
            layer.values.copy_within(from, to);
        }
        Ok(())
    }

    fn read(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<()> {
        check_block(self, group, block)?;
        for layer in self.layers.iter().filter(|layer| layer.group == group) {
            for buffer in [&layer.keys, &layer.values] {
                to.extend(buffer[layer.block(block)].iter().flat_map(|x| x.to_le_bytes()));
            }
        }
        Ok(())
    }

    fn write(&mut self, group: usize, block: u32, bytes: &[u8]) -> Result<()> {
        check_bytes(self, group, block, bytes)?;
        let mut values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        for layer in self.of(group) {
            let place = layer.block(block);
            for buffer in [&mut layer.keys, &mut layer.values] {
                buffer[place.clone()].iter_mut().zip(&mut values).for_each(|(x, value)| *x = value);
            }
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.groups.iter().zip(&self.blocks).map(|(group, &blocks)| group.block * blocks as u64).sum()
    }
}

fn refused(blocks: usize, elements: usize) -> Error {
    let bytes = elements.saturating_mul(size_of::<f32>()) as u64;
    Error::out_of_memory(format!(
        "The system refused {bytes} bytes for keys and values to grow to {blocks} blocks of {BLOCK} tokens. Use a smaller context."
    ))
    .with("bytes", bytes)
    .with("blocks", blocks as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(layers: &[Kept]) -> Blocks {
        Blocks::new(layers.iter().copied())
    }

    #[test]
    fn grows_never_shrinks_and_keeps_what_was_there() {
        let mut state = blocks(&[(None, 3), (Some(9), 4), (None, 5)]);
        state.grow(0, 2).expect("small");
        state.layers[2].write(&[1], 4, &[1.0; 5], &[2.0; 5]);
        state.grow(0, 7).expect("small");
        state.grow(0, 1).expect("nothing to do");
        assert_eq!((state.blocks(0), state.blocks(1)), (7, 0));
        assert_eq!(state.bytes(), (7 * BLOCK * (3 + 5) * 2 * 4) as u64);
        let at = place(&[1], 4, 5);
        assert_eq!((&state.layers[2].keys[at..at + 5], &state.layers[2].values[at..at + 5]), (&[1.0; 5][..], &[2.0; 5][..]));
    }

    #[test]
    fn a_copy_is_the_whole_block_in_every_layer_of_the_group() {
        let mut state = blocks(&[(None, 2), (Some(9), 1), (None, 1)]);
        for group in 0..2 {
            state.grow(group, 3).expect("small");
        }
        for layer in &mut state.layers {
            let last = layer.block(2);
            layer.keys[last.clone()].fill(1.0);
            layer.values[last].fill(2.0);
        }
        state.copy(0, 2, 0).expect("both exist");
        for layer in &state.layers {
            let copied = layer.group == 0;
            let is = |x: f32| move |&y: &f32| y == if copied { x } else { 0.0 };
            assert!(layer.keys[layer.block(0)].iter().all(is(1.0)) && layer.values[layer.block(0)].iter().all(is(2.0)));
            assert!(layer.keys[layer.block(1)].iter().all(|&x| x == 0.0), "block 1 is untouched");
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error_with_the_figures() {
        let mut state = blocks(&[(None, usize::MAX / 1024)]);
        let error = state.grow(0, 1_000_000).expect_err("more than there is");
        assert_eq!(error.code(), wick_spec::Code::OutOfMemory);
        assert_eq!(error.detail()[1], ("blocks", 1_000_000));
        assert_eq!(state.blocks(0), 0);
        assert_eq!(state.copy(0, 0, 1).expect_err("no blocks").code(), wick_spec::Code::Internal);
    }
}
