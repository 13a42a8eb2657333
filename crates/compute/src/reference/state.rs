//! Keys and values in blocks.
//!
//! A layer's blocks lie one after another in two growing buffers, one of keys and one of values: place p of block n is row
//! `n * BLOCK + p`, (g, d) wide.

use wick_spec::{Error, Result};

use crate::{BLOCK, State};

/// One layer's keys and values.
#[derive(Debug, Default)]
pub(crate) struct Layer {
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
    /// Keeps the key and value, (g, d) each, of token `n`.
    pub(crate) fn write(&mut self, blocks: &[u32], n: usize, key: &[f32], value: &[f32]) {
        let at = place(blocks, n, self.width);
        self.keys[at..][..self.width].copy_from_slice(key);
        self.values[at..][..self.width].copy_from_slice(value);
    }
}

/// All layers' keys and values.
#[derive(Debug)]
pub(crate) struct Blocks {
    pub(crate) layers: Vec<Layer>,
    blocks: usize,
}

impl Blocks {
    /// No blocks yet; `widths`: g·d of each layer.
    pub(crate) fn new(widths: Vec<usize>) -> Self {
        let layers = widths.into_iter().map(|width| Layer { width, ..Layer::default() }).collect();
        Self { layers, blocks: 0 }
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
        if u32::try_from(blocks).is_err() {
            return Err(Error::invalid_request(format!("{blocks} blocks are more than ids can name")));
        }
        for layer in &mut self.layers {
            let length = blocks.saturating_mul(BLOCK).saturating_mul(layer.width);
            for buffer in [&mut layer.keys, &mut layer.values] {
                let more = length.saturating_sub(buffer.len());
                buffer.try_reserve_exact(more).map_err(|_| refused(blocks, more))?;
                buffer.resize(length, 0.0);
            }
        }
        self.blocks = blocks;
        Ok(())
    }

    fn copy(&mut self, from: u32, to: u32) -> Result<()> {
        if from as usize >= self.blocks || to as usize >= self.blocks {
            return Err(Error::internal(format!("copy of block {from} to {to}: there are {}", self.blocks)));
        }
        for layer in &mut self.layers {
            let size = BLOCK * layer.width;
            let (from, to) = (from as usize * size, to as usize * size);
            layer.keys.copy_within(from..from + size, to);
            layer.values.copy_within(from..from + size, to);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.layers.iter().map(|layer| ((layer.keys.len() + layer.values.len()) * size_of::<f32>()) as u64).sum()
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

    #[test]
    fn grows_never_shrinks_and_keeps_what_was_there() {
        let mut state = Blocks::new(vec![3, 5]);
        state.grow(2).expect("small");
        state.layers[1].write(&[1], 4, &[1.0; 5], &[2.0; 5]);
        state.grow(7).expect("small");
        state.grow(1).expect("nothing to do");
        assert_eq!(state.blocks(), 7);
        assert_eq!(state.bytes(), (7 * BLOCK * (3 + 5) * 2 * 4) as u64);
        let at = place(&[1], 4, 5);
        assert_eq!((&state.layers[1].keys[at..at + 5], &state.layers[1].values[at..at + 5]), (&[1.0; 5][..], &[2.0; 5][..]));
    }

    #[test]
    fn a_copy_is_the_whole_block_in_every_layer() {
        let mut state = Blocks::new(vec![2, 1]);
        state.grow(3).expect("small");
        for layer in &mut state.layers {
            let size = BLOCK * layer.width;
            layer.keys[2 * size..].fill(1.0);
            layer.values[2 * size..].fill(2.0);
        }
        state.copy(2, 0).expect("both exist");
        for layer in &state.layers {
            let size = BLOCK * layer.width;
            assert!(layer.keys[..size].iter().all(|&x| x == 1.0) && layer.values[..size].iter().all(|&x| x == 2.0));
            assert!(layer.keys[size..2 * size].iter().all(|&x| x == 0.0), "block 1 is untouched");
        }
    }

    #[test]
    fn what_cannot_be_had_is_an_error_with_the_figures() {
        let mut state = Blocks::new(vec![usize::MAX / 1024]);
        let error = state.grow(1_000_000).expect_err("more than there is");
        assert_eq!(error.code(), wick_spec::Code::OutOfMemory);
        assert_eq!(error.detail()[1], ("blocks", 1_000_000));
        assert_eq!(state.blocks(), 0);
        assert_eq!(state.copy(0, 1).expect_err("no blocks").code(), wick_spec::Code::Internal);
    }
}
