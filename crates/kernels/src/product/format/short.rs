//! The older types: 32 elements under one scale.

use super::{Format, Mins, Unpacked};
use crate::Grid;

/// d (f16), 16 bytes of nibbles: low ones first. Elements are q - 8.
pub(in super::super) struct Q4_0;

impl Format for Q4_0 {
    const BYTES: usize = 18;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 8;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[2..], &mut to.q);
        (to.mins[0], to.mins[1]) = (8, 8);
    }
}

/// d (f16), minimum (f16), 16 bytes of nibbles: low ones first.
pub(in super::super) struct Q4_1;

impl Format for Q4_1 {
    const BYTES: usize = 20;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Own;
    const STEPS: usize = 8;

    const D: usize = 0;
    const DMIN: usize = 2;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[4..], &mut to.q);
        (to.mins[0], to.mins[1]) = (-1, -1);
    }
}

/// d (f16), 32 fifth bits, 16 bytes of nibbles: low ones first. Elements are q - 16.
pub(in super::super) struct Q5_0;

impl Format for Q5_0 {
    const BYTES: usize = 22;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 4;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[6..], &mut to.q);
        add_fifth(&block[2..], to);
        (to.mins[0], to.mins[1]) = (16, 16);
    }
}

/// d (f16), minimum (f16), 32 fifth bits, 16 bytes of nibbles: low ones first.
pub(in super::super) struct Q5_1;

impl Format for Q5_1 {
    const BYTES: usize = 24;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Own;
    const STEPS: usize = 4;

    const D: usize = 0;
    const DMIN: usize = 2;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[8..], &mut to.q);
        add_fifth(&block[4..], to);
        (to.mins[0], to.mins[1]) = (-1, -1);
    }
}

/// Of 16 bytes the low four bits, then the high ones.
#[inline(always)]
pub(super) fn nibbles(bytes: &[u8], to: &mut [u8]) {
    for (i, both) in bytes[..16].iter().enumerate() {
        to[i] = both & 15;
        to[i + 16] = both >> 4;
    }
}

/// Bit i of four bytes is the fifth of element i.
#[inline(always)]
fn add_fifth(bytes: &[u8], to: &mut Unpacked) {
    for i in 0..32 {
        to.q[i] |= (bytes[i / 8] >> (i % 8) & 1) << 4;
    }
}

/// d (f16), 32 × i8. Here with 128 added to each.
pub(in super::super) struct Q8_0;

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
