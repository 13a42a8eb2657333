//! A block of one column with a few rows, from the file's own layout.

mod kquants;
mod nibbles;
mod six_bits;
mod tables;

use std::arch::x86_64::*;

use super::super::COLUMNS;
use super::super::format::{Format, Q6K, Q8_0};
use super::few::Row;
use super::turn::{self, Turned};

/// A type whose blocks are multiplied as they are.
pub(in super::super) trait Dots: Format + Sized {
    /// As [`Octets::FEW`](super::few::Octets::FEW).
    const FEW: usize = 8;

    /// Vectors whose elements add up to the block's whole numbers with each row: of the products (less an offset's part), and of
    /// the minimums.
    ///
    /// # Safety
    /// A block, a group of each row, and the processor has AVX2, FMA and F16C.
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]);

    /// As [`Octets::turn`](super::few::Octets::turn).
    ///
    /// # Safety
    /// As [`turn::plainly`].
    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::plainly::<Self>(columns, at, to) }
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load<T>(at: *const T) -> __m256i {
    // SAFETY: the caller has 32 bytes there.
    unsafe { _mm256_loadu_si256(at.cast()) }
}

/// Of 16 bytes the low four bits, then the high ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibbles(bytes: *const u8) -> __m256i {
    // SAFETY: the caller has 16 bytes there.
    let bytes = unsafe { _mm_loadu_si128(bytes.cast()) };
    _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16::<4>(bytes), bytes), _mm256_set1_epi8(15))
}

/// Bytes 2j, 2j + 1 of each half, everywhere in that half.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn spread(v: __m256i, j: usize) -> __m256i {
    let twice = if j < 4 { _mm256_unpacklo_epi16(v, v) } else { _mm256_unpackhi_epi16(v, v) };
    match j % 4 {
        0 => _mm256_shuffle_epi32::<0b0000_0000>(twice),
        1 => _mm256_shuffle_epi32::<0b0101_0101>(twice),
        2 => _mm256_shuffle_epi32::<0b1010_1010>(twice),
        _ => _mm256_shuffle_epi32::<0b1111_1111>(twice),
    }
}

/// `sums += scale · (q · x)` for 32 elements at `at` of each row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_scaled<const M: usize>(sums: &mut [__m256i; M], q: __m256i, scale: __m256i, x: &[Row; M], at: usize) {
    for r in 0..M {
        // SAFETY: the caller has 32 elements there.
        let pairs = _mm256_maddubs_epi16(q, unsafe { load(x[r].q.add(at)) });
        sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, scale));
    }
}

impl Dots for Q6K {
    const FEW: usize = 4;

    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            let scales = _mm_loadu_si128(block.add(192).cast());
            // Even ones in the low half, odd ones in the high half: a vector of 32 elements has one of each.
            let order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
            let apart = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, order));
            let in_order = _mm256_cvtepi8_epi16(scales);
            let (nibble, two) = (_mm256_set1_epi8(15), _mm256_set1_epi8(3));
            // The elements' offset, -32, in the scales.
            let offset = _mm256_slli_epi16::<5>(_mm256_sub_epi16(_mm256_setzero_si256(), in_order));
            let mut sums = [offset; M];
            for r in 0..M {
                sums[r] = _mm256_madd_epi16(offset, load(x[r].sums));
            }
            for h in 0..2 {
                let (first, second) = (load(block.add(64 * h)), load(block.add(64 * h + 32)));
                let high = load(block.add(128 + 32 * h));
                let upper = |bits: __m256i| _mm256_slli_epi16::<4>(_mm256_and_si256(bits, two));
                let lower = |bits: __m256i| _mm256_and_si256(bits, nibble);
                let q = [
                    _mm256_or_si256(lower(first), upper(high)),
                    _mm256_or_si256(lower(second), upper(_mm256_srli_epi16::<2>(high))),
                    _mm256_or_si256(lower(_mm256_srli_epi16::<4>(first)), upper(_mm256_srli_epi16::<4>(high))),
                    _mm256_or_si256(lower(_mm256_srli_epi16::<4>(second)), upper(_mm256_srli_epi16::<6>(high))),
                ];
                for (i, q) in q.into_iter().enumerate() {
                    add_scaled(&mut sums, q, spread(apart, 4 * h + i), &x, 128 * h + 32 * i);
                }
            }
            (sums, [_mm_setzero_si128(); M])
        }
    }

    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::q6_k(columns, at, to) }
    }
}

impl Dots for Q8_0 {
    const FEW: usize = 4;

    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe { (signed(load(block.add(2)), &x), [_mm_setzero_si128(); M]) }
    }

    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::q8_0(columns, at, to) }
    }
}

/// q · x for 32 signed bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn signed<const M: usize>(q: __m256i, x: &[Row; M]) -> [__m256i; M] {
    let (size, ones) = (_mm256_abs_epi8(q), _mm256_set1_epi16(1));
    std::array::from_fn(|r| {
        // SAFETY: the caller has 32 elements there.
        let x = unsafe { load(x[r].q) };
        _mm256_madd_epi16(_mm256_maddubs_epi16(size, _mm256_sign_epi8(x, q)), ones)
    })
}
