//! The weight types: what a block is in whole numbers.
//!
//! A block is `d · s[j] · q - dmin · m[j]` for elements q ≥ 0 of its sub-block j of 16. Against activations x a block gives the
//! whole numbers `Σ s[j] Σ q x` and `Σ m[j] Σ x`. Types whose elements are `d · s[j] · (q - o)` have `m[j] = o · s[j]` and one d
//! for both, so that the two are one number; those that add a minimum have `m[j] = -1`.

mod kquants;
mod short;
mod tables;

use crate::Grid;
pub(super) use kquants::{Q2K, Q3K, Q4K, Q5K, Q6K};
pub(super) use short::{Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
pub(super) use tables::{CURVED, E2M1, IQ4NL, IQ4XS, MXFP4, SHIFT};

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

/// How a block's d is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// As f16, like dmin.
    Half,
    /// As E8M0 (OCP Microscaling Formats 1.0): byte x is 2^(x - 127), here halved, because the elements are doubled.
    HalfPower,
}

impl Scale {
    /// The number stored at byte `at`.
    #[inline(always)]
    pub(super) fn read(self, block: &[u8], at: usize) -> f32 {
        match self {
            Self::Half => half::f16::from_le_bytes([block[at], block[at + 1]]).to_f32(),
            // The two least are subnormal.
            Self::HalfPower => match block[at] {
                x @ (0 | 1) => f32::from_bits(0x20_0000 << x),
                x => f32::from_bits(u32::from(x - 1) << 23),
            },
        }
    }
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

    /// Fours of products of q and x in -127 ..= 127 whose pairs' sums 16 bits hold: `2 · max(q) · 127 · STEPS < 2^15`. Four at
    /// most where sub-blocks of 16 have scales of their own.
    const STEPS: usize;

    /// Where d is in the block.
    const D: usize;

    /// What d is stored as, and dmin.
    const SCALE: Scale = Scale::Half;

    /// Where dmin is; of types whose minimums are offsets, d.
    const DMIN: usize = Self::D;

    /// The elements that codes name: in place of elements, codes are unpacked. Those of signed types are as they are, without
    /// 128 added.
    const TABLE: Option<[i8; 16]> = None;

    /// The whole numbers.
    fn unpack(block: &[u8], to: &mut Unpacked);
}
