//! Types of 32 elements with a fifth bit.

use std::arch::x86_64::*;

use super::super::super::format::{Q5_0, Q5_1};
use super::super::few::Row;
use super::{Dots, load, nibbles, signed};

/// All bits of each byte i whose bit i of the four bytes is set.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn bits(packed: *const u8) -> __m256i {
    // SAFETY: the caller has four bytes there.
    let packed = _mm256_set1_epi32(unsafe { packed.cast::<i32>().read_unaligned() });
    let (low, high) = (0x0101_0101_0101_0101, 0x0303_0303_0303_0303);
    let of_each = _mm256_shuffle_epi8(packed, _mm256_setr_epi64x(0, low, 2 * low, high));
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
    _mm256_cmpeq_epi8(_mm256_and_si256(of_each, bit), bit)
}

/// q · x for 32 elements in 0 ..= 31, and the minimums' part of types that add one: the sum of x, below zero.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn with_minimum<const M: usize>(q: __m256i, x: &[Row; M]) -> ([__m256i; M], [__m128i; M]) {
    let (mut sums, mut mins) = ([_mm256_setzero_si256(); M], [_mm_setzero_si128(); M]);
    for r in 0..M {
        // SAFETY: the caller has a group there.
        unsafe {
            let pairs = _mm256_maddubs_epi16(q, load(x[r].q));
            sums[r] = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
            mins[r] = _mm_cvtsi32_si128(-i32::from(*x[r].pairs));
        }
    }
    (sums, mins)
}

impl Dots for Q5_0 {
    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            // Less 16: where the fifth bit is not set, all above the fourth are.
            let above = _mm256_andnot_si256(bits(block.add(2)), _mm256_set1_epi8(-16));
            let q = _mm256_or_si256(nibbles(block.add(6)), above);
            (signed(q, &x), [_mm_setzero_si128(); M])
        }
    }
}

impl Dots for Q5_1 {
    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            let fifth = _mm256_and_si256(bits(block.add(4)), _mm256_set1_epi8(16));
            with_minimum(_mm256_or_si256(nibbles(block.add(8)), fifth), &x)
        }
    }
}
