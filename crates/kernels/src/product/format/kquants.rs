//! The k-quants: 256 elements, whose sub-blocks have scales in whole numbers.

use super::{Format, Mins, Unpacked};
use crate::Grid;

/// Scales (4 bits) and minimums (4 bits) in 16 bytes, 64 bytes of pairs of bits, d (f16), dmin (f16). Each 32 bytes of pairs are
/// four runs of 32 elements, one a pair.
pub(in super::super) struct Q2K;

impl Format for Q2K {
    const BYTES: usize = 84;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Own;
    const STEPS: usize = 4;

    const D: usize = 80;
    const DMIN: usize = 82;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for (bytes, q) in block[16..80].as_chunks::<32>().0.iter().zip(to.q.as_chunks_mut::<128>().0) {
            for i in 0..32 {
                q[i] = bytes[i] & 3;
                q[i + 32] = bytes[i] >> 2 & 3;
                q[i + 64] = bytes[i] >> 4 & 3;
                q[i + 96] = bytes[i] >> 6;
            }
        }
        for (i, both) in block[..16].iter().enumerate() {
            to.scales[i] = i16::from(both & 15);
            to.mins[i] = i16::from(both >> 4);
        }
    }
}

/// Scales of Q3_K, less 32, of 16 sub-blocks: eight bytes of low nibbles, first those of 0 to 7, four with the high pairs of bits.
#[inline(always)]
fn sixteen_scales(packed: &[u8; 12]) -> [i8; 16] {
    let word = |i: usize| u32::from_le_bytes([packed[i], packed[i + 1], packed[i + 2], packed[i + 3]]);
    let (a, b, c) = (word(0), word(4), word(8));
    let words = [(a, c), (b, c >> 2), (a >> 4, c >> 4), (b >> 4, c >> 6)];
    let mut scales = [0; 16];
    for ((low, high), to) in words.into_iter().zip(scales.as_chunks_mut::<4>().0) {
        let four = low & 0x0f0f_0f0f | (high & 0x0303_0303) << 4;
        *to = four.to_le_bytes().map(|scale| scale as i8 - 32);
    }
    scales
}

/// High bits (32 bytes: bit j of byte i is of element i of run j of 32), low pairs of bits as in Q2_K (64), scales (12), d (f16).
/// Elements are q - 4.
pub(in super::super) struct Q3K;

impl Format for Q3K {
    const BYTES: usize = 110;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 4;

    const D: usize = 108;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        let high = &block[..32];
        for (h, (bytes, q)) in block[32..96].as_chunks::<32>().0.iter().zip(to.q.as_chunks_mut::<128>().0).enumerate() {
            for i in 0..32 {
                let bits = high[i] >> (4 * h);
                q[i] = bytes[i] & 3 | (bits & 1) << 2;
                q[i + 32] = bytes[i] >> 2 & 3 | (bits >> 1 & 1) << 2;
                q[i + 64] = bytes[i] >> 4 & 3 | (bits >> 2 & 1) << 2;
                q[i + 96] = bytes[i] >> 6 | (bits >> 3 & 1) << 2;
            }
        }
        let scales = sixteen_scales(block[96..108].first_chunk().expect("twelve bytes"));
        to.scales = scales.map(i16::from);
        to.mins = to.scales.map(|scale| 4 * scale);
    }
}

/// Scales and minimums of Q4_K and Q5_K, 6 bits each, of 8 sub-blocks of 32: four bytes of scales, four of minimums, four with the
/// low halves of the rest, whose high bits are the first eight bytes'.
#[inline(always)]
fn six_bits(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
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
pub(in super::super) struct Q4K;

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
pub(in super::super) struct Q5K;

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
pub(in super::super) struct Q6K;

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
