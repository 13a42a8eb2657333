//! IQ4_XS: codes of four bits, which a shuffle looks up.

use std::arch::x86_64::*;

use super::super::super::format::{CURVED, IQ4XS};
use super::super::few::Row;
use super::super::look_up;
use super::{Dots, load, nibbles, spread};

/// Scales of IQ4_XS, less 32, in 16 bits: two bytes of high pairs of bits, four of low nibbles.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn eight_scales(packed: *const u8) -> __m128i {
    // SAFETY: the caller has six bytes there.
    unsafe {
        let low = _mm_cvtsi32_si128(packed.add(2).cast::<i32>().read_unaligned());
        let low = _mm_and_si128(_mm_unpacklo_epi8(low, _mm_srli_epi16::<4>(low)), _mm_set1_epi8(15));
        // Each pair to the upper end of its 16 bits, and down again.
        let high = _mm_set1_epi16(packed.cast::<i16>().read_unaligned());
        let up = _mm_mullo_epi16(high, _mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1));
        let high = _mm_slli_epi16::<4>(_mm_srli_epi16::<14>(up));
        _mm_sub_epi16(_mm_add_epi16(_mm_cvtepu8_epi16(low), high), _mm_set1_epi16(32))
    }
}

impl Dots for IQ4XS {
    #[inline(always)]
    unsafe fn dot<const M: usize>(block: *const u8, x: [Row; M]) -> ([__m256i; M], [__m128i; M]) {
        // SAFETY: a block and its groups.
        unsafe {
            let scales = _mm256_broadcastsi128_si256(eight_scales(block.add(2)));
            let mut sums = [_mm256_setzero_si256(); M];
            for j in 0..8 {
                let (q, scale) = (look_up(&CURVED, nibbles(block.add(8 + 16 * j))), spread(scales, j));
                let size = _mm256_abs_epi8(q);
                for r in 0..M {
                    let pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(load(x[r].q.add(32 * j)), q));
                    sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs, scale));
                }
            }
            (sums, [_mm_setzero_si128(); M])
        }
    }
}
