//! Super-blocks of 256 elements, see [`super::fit`]. The layouts are those of `decode::kquants`.

use super::fit::{Fit, Grid, fit};

const Q4: Grid = Grid { q: (0.0, 15.0), scale: (0.0, 63.0), min: 63.0, starts: &[15.5, 14.9, 14.2, 13.4, 12.4, 11.0] };
const Q5: Grid = Grid { q: (0.0, 31.0), scale: (0.0, 63.0), min: 63.0, starts: &[31.4, 30.8, 30.0, 29.0, 27.8, 26.0] };
const Q6: Grid = Grid {
    q: (-32.0, 31.0),
    scale: (-128.0, 127.0),
    min: 0.0,
    starts: &[32.4, 31.9, 31.4, 30.9, 30.3, 29.6, 28.8, 27.9, 26.9, 25.8],
};

/// f16 d, f16 min, scales (12), nibbles (128).
pub(super) fn q4_k(block: &[f32], out: &mut Vec<u8>) {
    let fit = fit::<1, 32>(&[lanes(block)], &Q4);
    head(&fit, out);
    nibbles(&fit, out);
}

/// As [`q4_k`], the fifth bits (32) before the nibbles: bit `sub` of byte i for element i of a sub-block.
pub(super) fn q5_k(block: &[f32], out: &mut Vec<u8>) {
    let fit = fit::<1, 32>(&[lanes(block)], &Q5);
    head(&fit, out);
    out.extend(fit.q[0].iter().map(|q| (0..8).fold(0, |bits, sub| bits | (q[sub] as u8 >> 4) << sub)));
    nibbles(&fit, out);
}

/// Low nibbles (128), high pairs (64), scales (16), f16 d.
pub(super) fn q6_k(block: &[f32], out: &mut Vec<u8>) {
    let (first, last) = block.split_at(128);
    let fit = fit::<2, 16>(&[lanes(first), lanes(last)], &Q6);
    // Element i of run r (of four, 32 elements each) in half h of the block.
    let q = |h: usize, r: usize, i: usize| (fit.q[h][i % 16][2 * r + i / 16] + 32.0) as u8;
    for h in 0..2 {
        for r in 0..2 {
            out.extend((0..32).map(|i| q(h, r, i) & 15 | (q(h, r + 2, i) & 15) << 4));
        }
    }
    for h in 0..2 {
        out.extend((0..32).map(|i| (0..4).fold(0, |pairs, r| pairs | (q(h, r, i) >> 4) << (2 * r))));
    }
    out.extend(fit.scales.as_flattened().iter().map(|&s| s as i8 as u8));
    out.extend_from_slice(&fit.d.to_le_bytes());
}

/// Eight sub-blocks of N elements, element by element.
fn lanes<const N: usize>(block: &[f32]) -> [[f32; 8]; N] {
    let mut lanes = [[0.0; 8]; N];
    for (l, sub) in block.chunks_exact(N).enumerate() {
        for (lanes, x) in lanes.iter_mut().zip(sub) {
            lanes[l] = *x;
        }
    }
    lanes
}

/// d, min and the codes of six bits: those of the first four sub-blocks as bytes, whose high pairs are those of the last four.
fn head(fit: &Fit<1, 32>, out: &mut Vec<u8>) {
    let (scale, min) = (|sub: usize| fit.scales[0][sub] as u8, |sub: usize| fit.mins[0][sub] as u8);
    out.extend_from_slice(&fit.d.to_le_bytes());
    out.extend_from_slice(&fit.min.to_le_bytes());
    out.extend((0..4).map(|sub| scale(sub) | (scale(sub + 4) >> 4) << 6));
    out.extend((0..4).map(|sub| min(sub) | (min(sub + 4) >> 4) << 6));
    out.extend((4..8).map(|sub| scale(sub) & 15 | (min(sub) & 15) << 4));
}

/// The low four bits: each 32 bytes are two sub-blocks.
fn nibbles(fit: &Fit<1, 32>, out: &mut Vec<u8>) {
    for pair in 0..4 {
        out.extend(fit.q[0].iter().map(|q| q[2 * pair] as u8 & 15 | (q[2 * pair + 1] as u8 & 15) << 4));
    }
}
