//! Types whose four bits name a value in a table. Low nibbles are the first half of a run of 32.

use super::short::nibbles;
use super::{Format, Mins, Scale, Unpacked};
use crate::Grid;

/// The values of IQ4_NL and IQ4_XS.
pub(in super::super) const CURVED: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// E2M1 (OCP Microscaling Formats 1.0), doubled.
pub(in super::super) const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// What is added to doubled E2M1 in [`MXFP4`], so that none is negative.
pub(in super::super) const SHIFT: i8 = 12;

const fn shifted(mut table: [i8; 16], by: i8) -> [i8; 16] {
    let mut i = 0;
    while i < 16 {
        table[i] += by;
        i += 1;
    }
    table
}

/// d (f16), 16 bytes of nibbles.
pub(in super::super) struct IQ4NL;

impl Format for IQ4NL {
    const BYTES: usize = 18;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const SIGNED: bool = true;
    const TABLE: Option<[i8; 16]> = Some(CURVED);
    const STEPS: usize = 1;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[2..], &mut to.q);
        (to.mins[0], to.mins[1]) = (128, 128);
    }
}

/// Scales of IQ4_XS, less 32, of 8 sub-blocks of 32: their high pairs of bits (2 bytes), their low nibbles (4).
#[inline(always)]
fn eight_scales(packed: &[u8; 6]) -> [i16; 8] {
    let high = u16::from_le_bytes([packed[0], packed[1]]);
    let mut scales = [0; 8];
    for i in 0..8 {
        let low = packed[2 + i / 2] >> (4 * (i % 2)) & 15;
        scales[i] = i16::from(low) + ((high >> (2 * i) & 3) << 4) as i16 - 32;
    }
    scales
}

/// d (f16), scales (6 bytes), 8 × 16 bytes of nibbles.
pub(in super::super) struct IQ4XS;

impl Format for IQ4XS {
    const BYTES: usize = 136;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Offset;
    const SIGNED: bool = true;
    const TABLE: Option<[i8; 16]> = Some(CURVED);
    const STEPS: usize = 1;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for (bytes, q) in block[8..136].as_chunks::<16>().0.iter().zip(to.q.as_chunks_mut::<32>().0) {
            nibbles(bytes, q);
        }
        let scales = eight_scales(block[2..8].first_chunk().expect("six bytes"));
        for i in 0..16 {
            to.scales[i] = scales[i / 2];
            to.mins[i] = 128 * to.scales[i];
        }
    }
}

/// d (E8M0), 16 bytes of nibbles. Elements are q - 12, with 12 added to the doubled values.
pub(in super::super) struct MXFP4;

impl Format for MXFP4 {
    const BYTES: usize = 17;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 4;

    const D: usize = 0;
    const SCALE: Scale = Scale::HalfPower;
    const TABLE: Option<[i8; 16]> = Some(shifted(E2M1, SHIFT));

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        nibbles(&block[1..], &mut to.q);
        (to.mins[0], to.mins[1]) = (i16::from(SHIFT), i16::from(SHIFT));
    }
}
