//! Types whose four bits name a value in a table of sixteen. In each run element i of the first half is in the low nibble of
//! byte i, and as many elements further on the high one.

use super::{each_block, half};

/// The values of IQ4_NL and IQ4_XS: denser around zero, where weights are.
const CURVED: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// E2M1 (OCP Microscaling Formats 1.0) doubled, so that all are whole; the scales are halved instead. There is no negative zero.
const E2M1: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// f16 scale d, 16 bytes of nibbles: `d v`.
pub(crate) fn iq4_nl(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 18], out: &mut [f32; 32]| look_up(&CURVED, half(block, 0), &block[2..], out));
}

/// Eight sub-blocks of 32 elements: `d (s - 32) v`, scales of 6 bits. f16 d, the scales' high pairs (2), their low nibbles (4),
/// quants (128).
pub(crate) fn iq4_xs(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 136], out: &mut [f32; 256]| {
        let d = half(block, 0);
        let high = u16::from_le_bytes([block[2], block[3]]);
        for (sub, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let low = block[4 + sub / 2] >> (4 * (sub % 2)) & 15;
            let scale = low | ((high >> (2 * sub) & 3) as u8) << 4;
            look_up(&CURVED, d * (f32::from(scale) - 32.0), &block[8 + 16 * sub..][..16], out);
        }
    });
}

/// An E8M0 scale (a power of two), 16 bytes of nibbles: `d v`.
pub(crate) fn mxfp4(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 17], out: &mut [f32; 32]| look_up(&E2M1, half_e8m0(block[0]), &block[1..], out));
}

/// Four sub-blocks of 16 elements, each with an E4M3 scale: `d v`. Scales (4), quants (32).
pub(crate) fn nvfp4(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 36], out: &mut [f32; 64]| {
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            look_up(&E2M1, half_e4m3(block[sub]), &block[4 + 8 * sub..][..8], out);
        }
    });
}

/// `d v` for the elements of one run, twice as many as `quants` has bytes.
fn look_up(table: &[i8; 16], d: f32, quants: &[u8], out: &mut [f32]) {
    let (low, high) = out.split_at_mut(quants.len());
    for ((low, high), byte) in low.iter_mut().zip(high).zip(quants) {
        *low = d * f32::from(table[usize::from(byte & 15)]);
        *high = d * f32::from(table[usize::from(byte >> 4)]);
    }
}

/// Half of `2^(x - 127)`; the two least are subnormal as f32. 255, which the format calls NaN, is a number to ggml: 2^127.
fn half_e8m0(x: u8) -> f32 {
    match x {
        0 | 1 => f32::from_bits(0x20_0000 << x),
        _ => f32::from_bits(u32::from(x - 1) << 23),
    }
}

/// Half of an unsigned E4M3: four bits of exponent biased by 7, three of mantissa, the sign's bit ignored. 127, which the format
/// calls NaN, is 0 to ggml.
fn half_e4m3(x: u8) -> f32 {
    if x == 0x7f {
        return 0.0;
    }
    let (exponent, mantissa) = (i32::from(x >> 3 & 15), f32::from(x & 7));
    match exponent {
        0 => mantissa / 1024.0,
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 8),
    }
}
