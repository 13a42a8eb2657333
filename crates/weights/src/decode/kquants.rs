//! The k-quants: super-blocks of 256 elements, whose sub-blocks have scales that are themselves quantised.

use super::{each_block, half};

/// Sixteen sub-blocks of 16 elements q of 2 bits: `d s q - dmin m`, where byte i of the scales holds s (low) and m (high) of
/// sub-block i. Scales (16), quants (64), f16 d, f16 dmin.
pub(crate) fn q2_k(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 84], out: &mut [f32; 256]| {
        let (scales, quants) = (&block[..16], &block[16..80]);
        let (d, dmin) = (half(block, 80), half(block, 82));
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let (scale, min) = (d * f32::from(scales[sub] & 15), dmin * f32::from(scales[sub] >> 4));
            let (bytes, shift) = two_bits(quants, sub);
            for (out, byte) in out.iter_mut().zip(bytes) {
                *out = scale * f32::from(byte >> shift & 3) - min;
            }
        }
    });
}

/// Sixteen sub-blocks of 16 elements q of 3 bits: `d (s - 32) (q - 4)`, scales of 6 bits. High bits (32), quants (64), scales
/// (12), f16 d.
pub(crate) fn q3_k(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 110], out: &mut [f32; 256]| {
        let (high, quants, scales) = (&block[..32], &block[32..96], &block[96..108]);
        let d = half(block, 108);
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            // Low four bits: nibble sub / 8 of byte sub % 8. High two: pair sub / 4 of byte 8 + sub % 4.
            let low = scales[sub % 8] >> (4 * (sub / 8)) & 15;
            let scale = low | (scales[8 + sub % 4] >> (2 * (sub / 4)) & 3) << 4;
            let scale = d * (f32::from(scale) - 32.0);
            let (bytes, shift) = two_bits(quants, sub);
            let bits = &high[16 * (sub % 2)..][..16];
            for ((out, byte), bits) in out.iter_mut().zip(bytes).zip(bits) {
                // The high bit is stored inverted: set means 0, clear means -4.
                let q = (byte >> shift & 3) as i8 - if bits >> (sub / 2) & 1 == 0 { 4 } else { 0 };
                *out = scale * f32::from(q);
            }
        }
    });
}

/// Eight sub-blocks of 32 elements q of 4 bits: `d s q - dmin m`, scales and minima of 6 bits. f16 d, f16 dmin, scales (12),
/// quants (128).
pub(crate) fn q4_k(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 144], out: &mut [f32; 256]| {
        let (scales, quants) = (&block[4..16], &block[16..]);
        for (sub, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, min) = scale_min(block, scales, sub);
            let (bytes, shift) = four_bits(quants, sub);
            for (out, byte) in out.iter_mut().zip(bytes) {
                *out = scale * f32::from(byte >> shift & 15) - min;
            }
        }
    });
}

/// As [`q4_k`] with a fifth bit: bit `sub` of byte i for element i of a sub-block. f16 d, f16 dmin, scales (12), high bits (32),
/// quants (128).
pub(crate) fn q5_k(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 176], out: &mut [f32; 256]| {
        let (scales, high, quants) = (&block[4..16], &block[16..48], &block[48..]);
        for (sub, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (scale, min) = scale_min(block, scales, sub);
            let (bytes, shift) = four_bits(quants, sub);
            for ((out, byte), bits) in out.iter_mut().zip(bytes).zip(high) {
                let q = byte >> shift & 15 | (bits >> sub & 1) << 4;
                *out = scale * f32::from(q) - min;
            }
        }
    });
}

/// Sixteen sub-blocks of 16 elements q of 6 bits: `d s (q - 32)`, s a signed byte. Low nibbles (128), high pairs (64), scales
/// (16), f16 d. Each half of 128 elements is four runs of 32, which share the bytes of low nibbles two by two and those of
/// high pairs all four.
pub(crate) fn q6_k(bytes: &[u8], out: &mut [f32]) {
    each_block(bytes, out, |block: &[u8; 210], out: &mut [f32; 256]| {
        let (low, high, scales) = (&block[..128], &block[128..192], &block[192..208]);
        let d = half(block, 208);
        for (sub, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            let scale = d * f32::from(scales[sub] as i8);
            let (part, run, side) = (sub / 8, sub / 2 % 4, sub % 2);
            let low = &low[64 * part + 32 * (run % 2) + 16 * side..][..16];
            let high = &high[32 * part + 16 * side..][..16];
            for ((out, low), high) in out.iter_mut().zip(low).zip(high) {
                let q = low >> (4 * (run / 2)) & 15 | (high >> (2 * run) & 3) << 4;
                *out = scale * (f32::from(q) - 32.0);
            }
        }
    });
}

/// Where the 2-bit elements of sub-block `sub` (16 elements) are: their bytes and the shift. Each 32 bytes hold four runs of
/// 32 elements, one a pair of bits.
fn two_bits(quants: &[u8], sub: usize) -> (&[u8], usize) {
    (&quants[32 * (sub / 8) + 16 * (sub % 2)..][..16], 2 * (sub / 2 % 4))
}

/// Where the 4-bit elements of sub-block `sub` (32 elements) are: their bytes and the shift. Each 32 bytes hold two runs.
fn four_bits(quants: &[u8], sub: usize) -> (&[u8], usize) {
    (&quants[32 * (sub / 2)..][..32], 4 * (sub % 2))
}

/// `d s` and `dmin m` of sub-block `sub` in Q4_K and Q5_K. The first four scales and minima are the low six bits of bytes 0..4
/// and 4..8, whose high pairs are the high bits of the last four; bytes 8..12 hold the rest of those.
fn scale_min(block: &[u8], scales: &[u8], sub: usize) -> (f32, f32) {
    let (scale, min) = match sub {
        0..4 => (scales[sub] & 63, scales[sub + 4] & 63),
        _ => (scales[sub + 4] & 15 | (scales[sub - 4] >> 6) << 4, scales[sub + 4] >> 4 | (scales[sub] >> 6) << 4),
    };
    (half(block, 0) * f32::from(scale), half(block, 2) * f32::from(min))
}
