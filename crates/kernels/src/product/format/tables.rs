//! Types whose four bits name a value in a table. Low nibbles are the first half of a run of 32.

use super::{Format, Mins, Scale, Unpacked};
use crate::Grid;

/// The values of IQ4_NL and IQ4_XS.
pub(in super::super) const CURVED: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// E2M1 (OCP Microscaling Formats 1.0), doubled.
pub(in super::super) const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// What is added to doubled E2M1, so that none is negative.
const SHIFT: i8 = 12;

/// [`E2M1`] as elements of [`MXFP4`].
const SHIFTED_E2M1: [i8; 16] = shifted(E2M1, SHIFT);

const fn shifted(mut table: [i8; 16], by: i8) -> [i8; 16] {
    let mut i = 0;
    while i < 16 {
        table[i] = table[i].wrapping_add(by);
        i += 1;
    }
    table
}

/// The values of 32 elements. By comparing with each code, which vectors do for all of them at once; a table in memory they read
/// one by one.
#[inline(always)]
fn look_up(table: &[i8; 16], nibbles: &[u8], to: &mut [u8]) {
    let mut codes = [0u8; 32];
    for i in 0..16 {
        codes[i] = nibbles[i] & 15;
        codes[i + 16] = nibbles[i] >> 4;
    }
    let mut values = [0u8; 32];
    for (code, &value) in (0u8..).zip(table) {
        for i in 0..32 {
            values[i] = if codes[i] == code { value as u8 } else { values[i] };
        }
    }
    to.copy_from_slice(&values);
}

/// d (f16), 16 bytes of nibbles. Here with 128 added to the values.
pub(in super::super) struct IQ4NL;

impl Format for IQ4NL {
    const BYTES: usize = 18;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const SIGNED: bool = true;
    const STEPS: usize = 1;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        look_up(&shifted(CURVED, i8::MIN), &block[2..], &mut to.q[..32]);
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

/// d (f16), scales (6 bytes), 8 × 16 bytes of nibbles. Here with 128 added to the values.
pub(in super::super) struct IQ4XS;

impl Format for IQ4XS {
    const BYTES: usize = 136;
    const GRID: Grid = Grid::Long;
    const MINS: Mins = Mins::Offset;
    const SIGNED: bool = true;
    const STEPS: usize = 1;

    const D: usize = 0;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        for (bytes, q) in block[8..136].as_chunks::<16>().0.iter().zip(to.q.as_chunks_mut::<32>().0) {
            look_up(&shifted(CURVED, i8::MIN), bytes, q);
        }
        let scales = eight_scales(block[2..8].first_chunk().expect("six bytes"));
        for i in 0..16 {
            to.scales[i] = scales[i / 2];
            to.mins[i] = 128 * to.scales[i];
        }
    }
}

/// d (E8M0), 16 bytes of nibbles. Here with 12 added to the doubled values.
pub(in super::super) struct MXFP4;

impl Format for MXFP4 {
    const BYTES: usize = 17;
    const GRID: Grid = Grid::Short;
    const MINS: Mins = Mins::Offset;
    const STEPS: usize = 4;

    const D: usize = 0;
    const SCALE: Scale = Scale::HalfPower;

    #[inline(always)]
    fn unpack(block: &[u8], to: &mut Unpacked) {
        look_up(&SHIFTED_E2M1, &block[1..], &mut to.q[..32]);
        (to.mins[0], to.mins[1]) = (i16::from(SHIFT), i16::from(SHIFT));
    }
}
