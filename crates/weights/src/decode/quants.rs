//! The types of 32-element blocks. Element i of a block's first half is in the low nibble of byte i, element 16 + i in the high one.

use super::{each_block, half};

/// f16 scale d, 16 bytes of nibbles q: `d (q - 8)`.
pub(crate) fn q4_0(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 18], out: &mut [f32; 32]| {
        let d = half(block, 0);
        nibbles(&block[2..], out, |_, q| d * (f32::from(q) - 8.0));
    });
}

/// f16 scale d, f16 minimum m, 16 bytes of nibbles q: `d q + m`.
pub(crate) fn q4_1(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 20], out: &mut [f32; 32]| {
        let (d, m) = (half(block, 0), half(block, 2));
        nibbles(&block[4..], out, |_, q| d * f32::from(q) + m);
    });
}

/// f16 scale d, 32 fifth bits, 16 bytes of nibbles: `d (q - 16)`.
pub(crate) fn q5_0(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 22], out: &mut [f32; 32]| {
        let d = half(block, 0);
        let high = fifth_bits(block, 2);
        nibbles(&block[6..], out, |i, q| d * (f32::from(q | high(i)) - 16.0));
    });
}

/// f16 scale d, f16 minimum m, 32 fifth bits, 16 bytes of nibbles: `d q + m`.
pub(crate) fn q5_1(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 24], out: &mut [f32; 32]| {
        let (d, m) = (half(block, 0), half(block, 2));
        let high = fifth_bits(block, 4);
        nibbles(&block[8..], out, |i, q| d * f32::from(q | high(i)) + m);
    });
}

/// f16 scale d, 32 signed bytes q: `d q`.
pub(crate) fn q8_0(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 34], out: &mut [f32; 32]| {
        let d = half(block, 0);
        for (out, &q) in out.iter_mut().zip(&block[2..]) {
            *out = d * f32::from(q as i8);
        }
    });
}

/// `value(i, q)` for the 32 elements whose low four bits are in the first 16 bytes of `quants`.
fn nibbles(quants: &[u8], out: &mut [f32; 32], value: impl Fn(usize, u8) -> f32) {
    for (i, &byte) in quants[..16].iter().enumerate() {
        out[i] = value(i, byte & 15);
        out[i + 16] = value(i + 16, byte >> 4);
    }
}

/// Bit i of the four bytes at `at`, as the fifth bit of element i.
fn fifth_bits(block: &[u8], at: usize) -> impl Fn(usize) -> u8 {
    let bits = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    move |i| ((bits >> i & 1) as u8) << 4
}
