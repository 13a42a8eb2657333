//! Dot products with rows of a weight as the file has them, widened in registers: for one row of x, or a few, where a weight is
//! used once and only its bytes cost.
//!
//! For the types candle multiplies slowly: halves, which it widens in memory, and Q8_0.

use half::{bf16, f16};
use wick_weights::DType;

use super::simd::{LANES, madd, sum_of, vectorised};

/// A block of Q8_0: 32 elements `d · q`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Q8 {
    d: f16,
    q: [i8; 32],
}

/// Types that any bytes are a value of.
///
/// # Safety
/// No padding, no invalid bit patterns.
unsafe trait Plain: Copy {}
// SAFETY: a float.
unsafe impl Plain for f32 {}
// SAFETY: sixteen bits.
unsafe impl Plain for f16 {}
// SAFETY: sixteen bits.
unsafe impl Plain for bf16 {}
// SAFETY: 2 + 32 bytes, aligned to 2.
unsafe impl Plain for Q8 {}

fn cast<T: Plain>(bytes: &[u8]) -> &[T] {
    assert!(bytes.as_ptr().cast::<T>().is_aligned() && bytes.len().is_multiple_of(size_of::<T>()));
    // SAFETY: aligned and long enough by the assertion, and any bytes will do.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) }
}

/// f32 in a file, without a copy; bytes aligned to 4.
pub(super) fn floats(bytes: &[u8]) -> &[f32] {
    cast(bytes)
}

/// `y[j * stride + i] = w[i] · x[j]`, w: rows of k elements of `dtype`, aligned to 4; x: (m, k). False, and nothing done, for
/// other types.
pub(super) fn products(dtype: DType, w: &[u8], x: &[f32], k: usize, y: &mut [f32], stride: usize) -> bool {
    match dtype {
        DType::F32 => products_f32(cast(w), x, k, y, stride),
        DType::F16 => products_f16(cast(w), x, k, y, stride),
        DType::BF16 => products_bf16(cast(w), x, k, y, stride),
        DType::Q8_0 => products_q8_0(cast(w), x, k, y, stride),
        _ => return false,
    }
    true
}

/// Whether [`products`] does this type.
pub(super) fn known(dtype: DType) -> bool {
    matches!(dtype, DType::F32 | DType::F16 | DType::BF16 | DType::Q8_0)
}

/// Halves to f32; false, and nothing done, for other types.
pub(super) fn widen(dtype: DType, w: &[u8], out: &mut [f32]) -> bool {
    match dtype {
        DType::F16 => widen_f16(cast(w), out),
        DType::BF16 => widen_bf16(cast(w), out),
        _ => return false,
    }
    true
}

/// The f16 as f32, infinities aside, in operations that vector units have.
#[inline(always)]
fn f16_to_f32(x: f16) -> f32 {
    let bits = u32::from(x.to_bits());
    let magnitude = (bits & 0x7fff) << 13;
    // Exponents are biased by 15 there and by 127 here. Below the smallest normal the bits count steps of 2^-24: with the
    // exponent of 2^-14 before them they are 2^-14 too many.
    let normal = f32::from_bits(magnitude + (112 << 23));
    let small = f32::from_bits(magnitude + (113 << 23)) - f32::from_bits(113 << 23);
    let value = if magnitude < 1 << 23 { small } else { normal };
    f32::from_bits(value.to_bits() | (bits & 0x8000) << 16)
}

#[inline(always)]
fn bf16_to_f32(x: bf16) -> f32 {
    f32::from_bits(u32::from(x.to_bits()) << 16)
}

/// A dot product of elements that `widen` makes f32.
#[inline(always)]
fn dot<const FMA: bool, T: Copy>(w: &[T], x: &[f32], widen: impl Fn(T) -> f32 + Copy) -> f32 {
    let (ws, w_rest) = w.as_chunks::<LANES>();
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (w, x) in ws.iter().zip(xs) {
        for i in 0..LANES {
            sums[i] = madd::<FMA>(widen(w[i]), x[i], sums[i]);
        }
    }
    w_rest.iter().zip(x_rest).fold(sum_of(&sums), |sum, (w, x)| madd::<FMA>(widen(*w), *x, sum))
}

#[inline(always)]
fn dot_q8_0<const FMA: bool>(w: &[Q8], x: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (w, x) in w.iter().zip(x.as_chunks::<32>().0) {
        let mut products = [0.0f32; 8];
        for part in 0..4 {
            for i in 0..8 {
                products[i] = madd::<FMA>(f32::from(w.q[part * 8 + i]), x[part * 8 + i], products[i]);
            }
        }
        let d = f16_to_f32(w.d);
        for i in 0..8 {
            sums[i] = madd::<FMA>(products[i], d, sums[i]);
        }
    }
    sums.iter().sum()
}

macro_rules! every_row {
    ($name:ident, $type:ty, $elements:expr, $dot:ident) => {
        vectorised! {
            /// [`products`] of this type.
            fn $name(w: &[$type], x: &[f32], k: usize, y: &mut [f32], stride: usize) {
                for (i, w) in w.chunks_exact(k / $elements).enumerate() {
                    for (j, x) in x.chunks_exact(k).enumerate() {
                        y[j * stride + i] = $dot::<FMA>(w, x);
                    }
                }
            }
        }
    };
}

#[inline(always)]
fn dot_f32<const FMA: bool>(w: &[f32], x: &[f32]) -> f32 {
    dot::<FMA, _>(w, x, |w| w)
}

#[inline(always)]
fn dot_f16<const FMA: bool>(w: &[f16], x: &[f32]) -> f32 {
    dot::<FMA, _>(w, x, f16_to_f32)
}

#[inline(always)]
fn dot_bf16<const FMA: bool>(w: &[bf16], x: &[f32]) -> f32 {
    dot::<FMA, _>(w, x, bf16_to_f32)
}

every_row!(products_f32, f32, 1, dot_f32);
every_row!(products_f16, f16, 1, dot_f16);
every_row!(products_bf16, bf16, 1, dot_bf16);
every_row!(products_q8_0, Q8, 32, dot_q8_0);

vectorised! {
    /// `out = w`.
    fn widen_f16(w: &[f16], out: &mut [f32]) {
        for (out, w) in out.iter_mut().zip(w) {
            *out = f16_to_f32(*w);
        }
    }
}

vectorised! {
    /// `out = w`.
    fn widen_bf16(w: &[bf16], out: &mut [f32]) {
        for (out, w) in out.iter_mut().zip(w) {
            *out = bf16_to_f32(*w);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_half_is_what_it_is() {
        for bits in 0..=u16::MAX {
            let half = f16::from_bits(bits);
            if half.is_finite() {
                assert_eq!(f16_to_f32(half).to_bits(), half.to_f32().to_bits(), "{bits:#x}");
            }
        }
    }
}
