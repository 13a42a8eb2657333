//! Q4_0 and Q4_1: 32 elements of four bits, so few and small that their sums stay in 16 bits until eight columns' are together.

use std::arch::x86_64::*;

use super::super::super::COLUMNS;
use super::super::super::format::{Format, Mins, Q4_0, Q4_1};
use super::super::few::{Octet, Octets, Row, ask};
use super::super::scales;
use super::super::turn::{Turned, turned_pairs};
use super::load;

/// The offset of Q4_0's elements.
const OFFSET: i32 = 8;

/// With the nibbles from byte NIBBLES of a block on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn octet<F: Format, const NIBBLES: usize, const M: usize>(
    columns: &[*const u8; COLUMNS],
    at: usize,
    x: &[Row; M],
) -> Octet<M> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut pairs = [[_mm256_setzero_si256(); COLUMNS]; M];
        for c in 0..COLUMNS {
            ask::<F>(columns[c], at);
            let bytes = _mm256_broadcastsi128_si256(_mm_loadu_si128(columns[c].add(at + NIBBLES).cast()));
            let nibbles = _mm256_srlv_epi32(bytes, _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4));
            let q = _mm256_and_si256(nibbles, _mm256_set1_epi8(15));
            for i in 0..M {
                pairs[i][c] = _mm256_maddubs_epi16(q, load(x[i].q));
            }
        }
        let (d, dmin) = scales::<F>(columns.map(|column| column.add(at)));
        let mut octet = Octet { products: [_mm256_setzero_si256(); M], mins: [_mm256_setzero_si256(); M], d, dmin };
        for i in 0..M {
            let (products, sum) = (eights(&pairs[i]), _mm256_set1_epi32(i32::from(*x[i].pairs)));
            match F::MINS {
                Mins::Offset => {
                    octet.products[i] = _mm256_sub_epi32(products, _mm256_mullo_epi32(sum, _mm256_set1_epi32(OFFSET)))
                }
                Mins::Own => {
                    octet.products[i] = products;
                    octet.mins[i] = _mm256_sub_epi32(_mm256_setzero_si256(), sum);
                }
            }
        }
        octet
    }
}

/// The sum of each of eight vectors of 16 bits, whose halves' sums 16 bits hold: `16 · 15 · 127 < 2^15`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eights(v: &[__m256i; COLUMNS]) -> __m256i {
    let two = |i: usize| _mm256_add_epi16(_mm256_unpacklo_epi16(v[i], v[i + 1]), _mm256_unpackhi_epi16(v[i], v[i + 1]));
    let four = |i: usize| {
        let (ab, cd) = (two(i), two(i + 2));
        _mm256_add_epi16(_mm256_unpacklo_epi32(ab, cd), _mm256_unpackhi_epi32(ab, cd))
    };
    let (low, high) = (four(0), four(4));
    let eight = _mm256_add_epi16(_mm256_unpacklo_epi64(low, high), _mm256_unpackhi_epi64(low, high));
    let (first, second) = (_mm256_castsi256_si128(eight), _mm256_extracti128_si256::<1>(eight));
    _mm256_add_epi32(_mm256_cvtepi16_epi32(first), _mm256_cvtepi16_epi32(second))
}

/// Blocks of eight columns, turned.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn<F: Format, const NIBBLES: usize>(
    columns: &[*const u8; COLUMNS],
    at: usize,
    to: Turned<'_>,
) -> (__m256, __m256) {
    // SAFETY: blocks.
    unsafe {
        for column in columns {
            ask::<F>(*column, at);
        }
        let half = |c: usize| _mm_loadu_si128(columns[c].add(at + NIBBLES).cast());
        let pair = |c: usize| _mm256_set_m128i(half(c + 4), half(c));
        let fours = turned_pairs([pair(0), pair(1), pair(2), pair(3)]);
        for (i, four) in fours.into_iter().enumerate() {
            to.q[i] = _mm256_and_si256(four, _mm256_set1_epi8(15));
            to.q[i + 4] = _mm256_and_si256(_mm256_srli_epi16::<4>(four), _mm256_set1_epi8(15));
        }
        *to.offset = match F::MINS {
            Mins::Offset => OFFSET,
            Mins::Own => -1,
        };
        scales::<F>(columns.map(|column| column.add(at)))
    }
}

impl Octets for Q4_0 {
    const FEW: usize = 2;

    #[inline(always)]
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
        // SAFETY: the caller's promise.
        unsafe { octet::<Self, 2, M>(columns, at, x) }
    }

    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::<Self, 2>(columns, at, to) }
    }
}

impl Octets for Q4_1 {
    const FEW: usize = 2;

    #[inline(always)]
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
        // SAFETY: the caller's promise.
        unsafe { octet::<Self, 4, M>(columns, at, x) }
    }

    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::<Self, 4>(columns, at, to) }
    }
}
