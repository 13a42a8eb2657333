//! The types of 32-element blocks, equal to the bit with ggml's reference.

use half::f16;

/// d = max |x| / 127 as f16, then q = round(x / d), halves away from zero.
pub(super) fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let d = block.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
    let inverse = inverse(d);
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    out.extend(block.iter().map(|x| (x * inverse).round() as i8 as u8));
}

/// d = x / -8 as f16, where x is the (first) value of largest magnitude, which so becomes q = 0; then q = trunc(x / d + 8.5),
/// 15 at most.
pub(super) fn q4_0(block: &[f32], out: &mut Vec<u8>) {
    let d = extreme(block) / -8.0;
    let inverse = inverse(d);
    let q = |x: f32| (x * inverse + 8.5).clamp(0.0, 15.0) as u8;
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    nibbles(block, q, out);
}

/// As [`q4_0`] with five bits: d = x / -16, q = trunc(x / d + 16.5), 31 at most.
pub(super) fn q5_0(block: &[f32], out: &mut Vec<u8>) {
    let d = extreme(block) / -16.0;
    let inverse = inverse(d);
    let q = |x: f32| (x * inverse + 16.5).clamp(0.0, 31.0) as u8;
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    fifth_bits(block, q, out);
    nibbles(block, q, out);
}

/// d = (max - min) / 31 and min as f16, then q = trunc((x - min) / d + 0.5), 31 at most.
pub(super) fn q5_1(block: &[f32], out: &mut Vec<u8>) {
    let (min, max) = block.iter().fold((f32::MAX, f32::MIN), |(min, max), &x| (min.min(x), max.max(x)));
    let d = (max - min) / 31.0;
    let inverse = inverse(d);
    let q = |x: f32| ((x - min) * inverse + 0.5).clamp(0.0, 31.0) as u8;
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    out.extend_from_slice(&f16::from_f32(min).to_le_bytes());
    fifth_bits(block, q, out);
    nibbles(block, q, out);
}

/// The (first) value of largest magnitude.
fn extreme(block: &[f32]) -> f32 {
    block.iter().fold(0f32, |max, &x| if x.abs() > max.abs() { x } else { max })
}

/// The low four bits, those of the block's second half high.
fn nibbles(block: &[f32], q: impl Fn(f32) -> u8, out: &mut Vec<u8>) {
    let (low, high) = block.split_at(block.len() / 2);
    out.extend(low.iter().zip(high).map(|(&low, &high)| q(low) & 15 | (q(high) & 15) << 4));
}

/// Bit i is the fifth of element i.
fn fifth_bits(block: &[f32], q: impl Fn(f32) -> u8, out: &mut Vec<u8>) {
    let bits = block.iter().enumerate().fold(0u32, |bits, (i, &x)| bits | u32::from(q(x) >> 4) << i);
    out.extend_from_slice(&bits.to_le_bytes());
}

/// 1 / d, and 0 where that is no number: the scale is then 0 as f16 too.
fn inverse(d: f32) -> f32 {
    let inverse = d.recip();
    if inverse.is_finite() { inverse } else { 0.0 }
}
