//! Types of 32 elements whose low four bits are 16 bytes of nibbles: so short that adding up the sums of eight columns is much
//! of the work, and is done in 16 bits as far as these hold them.

use std::arch::x86_64::*;

use super::super::super::COLUMNS;
use super::super::super::format::{Format, IQ4NL, MXFP4, Mins, Q4_0, Q4_1, Q5_0, Q5_1, SHIFT};
use super::super::few::{Octet, Octets, Row, ask, fours, halves_added};
use super::super::turn::{Turned, turned_pairs};
use super::super::{look_up, scales};
use super::load;

/// What tells these types apart.
trait Nibbles: Format {
    /// Where the nibbles are in a block.
    const AT: usize;
    /// Where four bytes are whose bit i is the fifth of element i, of types that have them.
    const FIFTH: Option<usize> = None;
    /// What is to be taken off elements.
    const OFFSET: i32 = 0;
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn octet<F: Nibbles, const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut pairs = [[_mm256_setzero_si256(); COLUMNS]; M];
        for c in 0..COLUMNS {
            ask::<F>(columns[c], at);
            let block = columns[c].add(at);
            let mut q = super::nibbles(block.add(F::AT));
            if let Some(fifth) = F::FIFTH {
                q = _mm256_or_si256(q, _mm256_and_si256(bits(block.add(fifth)), _mm256_set1_epi8(16)));
            }
            if let Some(table) = &F::TABLE {
                q = look_up(table, q);
            }
            let size = if F::SIGNED { _mm256_abs_epi8(q) } else { q };
            for i in 0..M {
                let x = load(x[i].q);
                let x = if F::SIGNED { _mm256_sign_epi8(x, q) } else { x };
                pairs[i][c] = _mm256_maddubs_epi16(size, x);
            }
        }
        let (d, dmin) = scales::<F>(columns.map(|column| column.add(at)));
        let mut octet = Octet { products: [_mm256_setzero_si256(); M], mins: [_mm256_setzero_si256(); M], d, dmin };
        for i in 0..M {
            let (products, sum) = (sums_of_pairs::<F>(&pairs[i]), _mm256_set1_epi32(i32::from(*x[i].pairs)));
            match F::MINS {
                Mins::Offset => {
                    let offset = _mm256_mullo_epi32(sum, _mm256_set1_epi32(F::OFFSET));
                    octet.products[i] = _mm256_sub_epi32(products, offset);
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

/// Blocks of eight columns, turned.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn<F: Nibbles>(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
    // SAFETY: blocks.
    unsafe {
        for column in columns {
            ask::<F>(*column, at);
        }
        let half = |c: usize| _mm_loadu_si128(columns[c].add(at + F::AT).cast());
        let pair = |c: usize| _mm256_set_m128i(half(c + 4), half(c));
        let fours = turned_pairs([pair(0), pair(1), pair(2), pair(3)]);
        for (i, four) in fours.into_iter().enumerate() {
            to.q[i] = _mm256_and_si256(four, _mm256_set1_epi8(15));
            to.q[i + 4] = _mm256_and_si256(_mm256_srli_epi16::<4>(four), _mm256_set1_epi8(15));
        }
        if let Some(fifth) = F::FIFTH {
            let word = |c: usize| columns[c].add(at + fifth).cast::<i32>().read_unaligned();
            let words = _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7));
            add_fifth(words, to.q);
        }
        if let Some(table) = &F::TABLE {
            to.q.iter_mut().for_each(|q| *q = look_up(table, *q));
        }
        *to.offset = if F::MINS == Mins::Own { -1 } else { F::OFFSET };
        scales::<F>(columns.map(|column| column.add(at)))
    }
}

/// Fifth bits to the elements of each column, from the column's 32 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add_fifth(words: __m256i, q: &mut [__m256i]) {
    // Four copies of four bits, each seven places on from the last: the first bit of the first, the second of the second …
    let apart = _mm256_set1_epi32(1 << 4 | 1 << 11 | 1 << 18 | 1 << 25);
    for (i, q) in (0..8).zip(q) {
        let four = _mm256_and_si256(_mm256_srlv_epi32(words, _mm256_set1_epi32(4 * i)), _mm256_set1_epi32(15));
        let fifths = _mm256_and_si256(_mm256_mullo_epi32(four, apart), _mm256_set1_epi8(16));
        *q = _mm256_or_si256(*q, fifths);
    }
}

/// The sum of each of eight vectors of 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of_pairs<F: Format>(v: &[__m256i; COLUMNS]) -> __m256i {
    let ones = _mm256_set1_epi16(1);
    let four = |i: usize| {
        if F::STEPS < 4 {
            return fours(std::array::from_fn(|c| _mm256_madd_epi16(v[i + c], ones)));
        }
        // Four pairs' sums in 16 bits: of a column two side by side, which the last step adds.
        let two = |i: usize| _mm256_add_epi16(_mm256_unpacklo_epi32(v[i], v[i + 1]), _mm256_unpackhi_epi32(v[i], v[i + 1]));
        let (ab, cd) = (two(i), two(i + 2));
        _mm256_madd_epi16(_mm256_add_epi16(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd)), ones)
    };
    halves_added(four(0), four(4))
}

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

impl Nibbles for Q4_0 {
    const AT: usize = 2;
    const OFFSET: i32 = 8;
}

impl Nibbles for Q4_1 {
    const AT: usize = 4;
}

impl Nibbles for Q5_0 {
    const AT: usize = 6;
    const FIFTH: Option<usize> = Some(2);
    const OFFSET: i32 = 16;
}

impl Nibbles for Q5_1 {
    const AT: usize = 8;
    const FIFTH: Option<usize> = Some(4);
}

impl Nibbles for IQ4NL {
    const AT: usize = 2;
}

impl Nibbles for MXFP4 {
    const AT: usize = 1;
    const OFFSET: i32 = SHIFT as i32;
}

macro_rules! octets {
    ($($format:ident),*) => {
        $(impl Octets for $format {
            const FEW: usize = 2;

            #[inline(always)]
            unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
                // SAFETY: the caller's promise.
                unsafe { octet::<Self, M>(columns, at, x) }
            }

            #[inline(always)]
            unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
                // SAFETY: the caller's promise.
                unsafe { turn::<Self>(columns, at, to) }
            }
        })*
    };
}

octets!(Q4_0, Q4_1, Q5_0, Q5_1, IQ4NL, MXFP4);
