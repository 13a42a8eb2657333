//! k-quants whose sub-blocks are of 16 elements.

use std::arch::x86_64::*;

use super::super::super::format::{Q2K, Q3K};
use super::super::few::Row;
use super::{Dots, add_scaled, load, spread};

/// Even bytes in the low half, odd ones in the high half, in 16 bits: a vector of 32 elements has one of each.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn apart(scales: __m128i) -> __m256i {
    let order = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, order))
}

impl Dots for Q2K {
    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            let packed = _mm_loadu_si128(block.cast());
            let nibble = _mm_set1_epi8(15);
            let scales = apart(_mm_and_si128(packed, nibble));
            let minimums = _mm256_cvtepi8_epi16(_mm_and_si128(_mm_srli_epi16::<4>(packed), nibble));
            let two = _mm256_set1_epi8(3);
            let mut sums = [_mm256_setzero_si256(); M];
            for h in 0..2 {
                let bytes = load(block.add(16 + 32 * h));
                let q = [
                    _mm256_and_si256(bytes, two),
                    _mm256_and_si256(_mm256_srli_epi16::<2>(bytes), two),
                    _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), two),
                    _mm256_and_si256(_mm256_srli_epi16::<6>(bytes), two),
                ];
                for (i, q) in q.into_iter().enumerate() {
                    add_scaled(&mut sums, q, spread(scales, 4 * h + i), &x, 128 * h + 32 * i);
                }
            }
            let mut mins = [_mm_setzero_si128(); M];
            for r in 0..M {
                let eight = _mm256_madd_epi16(minimums, load(x[r].sums));
                mins[r] = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
            }
            (sums, mins)
        }
    }
}

/// Scales of Q3_K, less 32: eight bytes of low nibbles, first those of 0 to 7, four with the high pairs of bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn sixteen_scales(packed: *const u8) -> __m128i {
    // SAFETY: the caller has twelve bytes there.
    unsafe {
        let low = _mm_loadl_epi64(packed.cast());
        let low = _mm_and_si128(_mm_unpacklo_epi64(low, _mm_srli_epi16::<4>(low)), _mm_set1_epi8(15));
        let high = _mm_set1_epi32(packed.add(8).cast::<i32>().read_unaligned());
        let high = _mm_and_si128(_mm_srlv_epi32(high, _mm_setr_epi32(0, 2, 4, 6)), _mm_set1_epi8(3));
        _mm_sub_epi8(_mm_or_si128(low, _mm_slli_epi16::<4>(high)), _mm_set1_epi8(32))
    }
}

impl Dots for Q3K {
    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            let packed = sixteen_scales(block.add(96));
            let (scales, in_order) = (apart(packed), _mm256_cvtepi8_epi16(packed));
            let (two, third) = (_mm256_set1_epi8(3), _mm256_set1_epi8(4));
            let high = load(block);
            // Bit 0 and on of each byte, as the third.
            let bits = [
                [_mm256_slli_epi16::<2>(high), _mm256_slli_epi16::<1>(high), high, _mm256_srli_epi16::<1>(high)],
                [
                    _mm256_srli_epi16::<2>(high),
                    _mm256_srli_epi16::<3>(high),
                    _mm256_srli_epi16::<4>(high),
                    _mm256_srli_epi16::<5>(high),
                ],
            ];
            let mut sums = [_mm256_setzero_si256(); M];
            for (h, bits) in bits.into_iter().enumerate() {
                let bytes = load(block.add(32 + 32 * h));
                let low =
                    [bytes, _mm256_srli_epi16::<2>(bytes), _mm256_srli_epi16::<4>(bytes), _mm256_srli_epi16::<6>(bytes)];
                for i in 0..4 {
                    let q = _mm256_or_si256(_mm256_and_si256(low[i], two), _mm256_and_si256(bits[i], third));
                    add_scaled(&mut sums, q, spread(scales, 4 * h + i), &x, 128 * h + 32 * i);
                }
            }
            for r in 0..M {
                let offset = _mm256_madd_epi16(in_order, load(x[r].sums));
                sums[r] = _mm256_sub_epi32(sums[r], _mm256_slli_epi32::<2>(offset));
            }
            (sums, [_mm_setzero_si128(); M])
        }
    }
}
