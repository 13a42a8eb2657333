//! The weight types: what a block is in whole numbers.
//!
//! A block is `d · s[j] · q - dmin · m[j]` for elements q ≥ 0 of its sub-block j of 16. Against activations x a block gives the
//! whole numbers `Σ s[j] Σ q x` and `Σ m[j] Σ x`. Types whose elements are `d · s[j] · (q - o)` have `m[j] = o · s[j]` and one d
//! for both, so that the two are one number.

use crate::Grid;

/// A block in whole numbers; of short groups the first 32 elements and 2 sub-blocks.
#[derive(Debug, Clone)]
pub(super) struct Unpacked {
    /// q
    pub(super) q: [u8; 256],
    /// s
    pub(super) scales: [i16; 16],
    /// m
    pub(super) mins: [i16; 16],
}

impl Default for Unpacked {
    fn default() -> Self {
        Self { q: [0; 256], scales: [1; 16], mins: [0; 16] }
    }
}

/// What the second whole number is multiplied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mins {
    /// A scale of its own, dmin.
    Own,
    /// The block's d: it is an offset of the elements.
    Offset,
}

/// One weight type.
pub(super) trait Format {
    /// Bytes of a block, which is one group.
    const BYTES: usize;
    /// The activations' grid.
    const GRID: Grid;
    /// What the second whole number is.
    const MINS: Mins;
    /// Whether elements are signed bytes, whose products with x 16 bits do not hold with 128 added.
    const SIGNED: bool = false;

    /// Fours of products of q and x in -127 ..= 127 whose pairs' sums 16 bits hold: `2 · max(q) · 127 · STEPS < 2^15`.
    const STEPS: usize;

    /// Where d (f16) is in the block.
    const D: usize;

    /// Where dmin (f16) is; of types whose minimums are offsets, d.
    const DMIN: usize = Self::D;

    /// The whole numbers.
    fn unpack(block: &[u8], to: &mut Unpacked);
}

/// Scales and minimums of Q4_K and Q5_K, 6 bits each, of 8 sub-blocks of 32: four bytes of scales, four of minimums, four with the
/// low halves of the rest, whose high bits are the first eight bytes'.
#[inline(always)]
pub(super) fn six_bits(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let word = |i: usize| u32::from_le_bytes([packed[i], packed[i + 1], packed[i + 2], packed[i + 3]]);
    let (a, b, c) = (word(0), word(4), word(8));
    let scales = [a & 0x3f3f_3f3f, c & 0x0f0f_0f0f | (a >> 6 & 0x0303_0303) << 4];
    let mins = [b & 0x3f3f_3f3f, c >> 4 & 0x0f0f_0f0f | (b >> 6 & 0x0303_0303) << 4];
    let bytes = |words: [u32; 2]| (u64::from(words[0]) | u64::from(words[1]) << 32).to_le_bytes();
    (bytes(scales), bytes(mins))
}

#[inline(always)]
fn set_six_bits(block: &[u8], to: &mut Unpacked) {
    let (scales, mins) = six_bits(block[4..16].first_chunk().expect("twelve bytes"));
    for i in 0..16 {
        to.scales[i] = i16::from(scales[i / 2]);
        to.mins[i] = i16::from(mins[i / 2]);
    }
}

/// d (f16), dmin (f16), scales (12), 4 × 32 bytes of nibbles: low ones are sub-block 2i, high ones 2i + 1.
pub(super) struct Q4K;

impl Format for Q4K {
    const BYTES: usize = 144;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Own;
    const STEPS: usize = 8;

    const D: usize = 0;
    const DMIN: usize = 2;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        set_six_bits(block, to);
        for (j, &bytes) in block[16..144].as_chunks::<32>().0.iter().enumerate() {
            let q: &mut [u8; 64] = (&mut to.q[64 * j..][..64]).try_into().expect("64 of them");
            for i in 0..32 {
                q[i] = bytes[i] & 15;
            }
            for i in 0..32 {
                q[i + 32] = bytes[i] >> 4;
            }
        }
    }
}

/// As Q4_K, with 32 bytes of fifth bits before the nibbles: bit j of byte i is of element i of sub-block j.
pub(super) struct Q5K;

impl Format for Q5K {
    const BYTES: usize = 176;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Own;
    const STEPS: usize = 4;

    const D: usize = 0;
    const DMIN: usize = 2;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        set_six_bits(block, to);
        let high = &block[16..48];
        for (j, (bytes, q)) in block[48..176].as_chunks::<32>().0.iter().zip(to.q.as_chunks_mut::<64>().0).enumerate() {
            for i in 0..32 {
                q[i] = bytes[i] & 15 | (high[i] >> (2 * j) & 1) << 4;
                q[i + 32] = bytes[i] >> 4 | (high[i] >> (2 * j + 1) & 1) << 4;
            }
        }
    }
}

/// Two halves of 128 elements; low nibbles (128), high pairs of bits (64), scales (16 × i8), d (f16). Elements are q - 32.
pub(super) struct Q6K;

impl Format for Q6K {
    const BYTES: usize = 210;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 2;

    const D: usize = 208;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for (h, q) in to.q.as_chunks_mut::<128>().0.iter_mut().enumerate() {
            let (low, high) = (&block[64 * h..][..64], &block[128 + 32 * h..][..32]);
            for i in 0..32 {
                q[i] = low[i] & 15 | (high[i] & 3) << 4;
                q[i + 32] = low[i + 32] & 15 | (high[i] >> 2 & 3) << 4;
                q[i + 64] = low[i] >> 4 | (high[i] >> 4 & 3) << 4;
                q[i + 96] = low[i + 32] >> 4 | (high[i] >> 6) << 4;
            }
        }
        for i in 0..16 {
            to.scales[i] = i16::from(block[192 + i] as i8);
            to.mins[i] = 32 * to.scales[i];
        }
    }
}

/// d (f16), 16 bytes of nibbles: low ones first. Elements are q - 8.
pub(super) struct Q4_0;

impl Format for Q4_0 {
    const BYTES: usize = 18;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 8;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for i in 0..16 {
            to.q[i] = block[2 + i] & 15;
            to.q[i + 16] = block[2 + i] >> 4;
        }
        (to.mins[0], to.mins[1]) = (8, 8);
    }
}

/// d (f16), 32 × i8. Here with 128 added to each.
pub(super) struct Q8_0;

impl Format for Q8_0 {
    const BYTES: usize = 34;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const SIGNED: bool = true;
    const STEPS: usize = 1;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for i in 0..32 {
            to.q[i] = block[2 + i] ^ 0x80;
        }
        (to.mins[0], to.mins[1]) = (128, 128);
    }
}
