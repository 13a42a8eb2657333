//! Q4_K and Q5_K, whose scales and minimums are packed into six bits each: unpacked for eight columns together.

use std::arch::x86_64::*;

use super::super::super::COLUMNS;
use super::super::super::format::{Format, Q4K, Q5K};
use super::super::few::{Octet, Octets, Row, ask, fours, sums_of};
use super::super::turn::{Turned, turned_bytes, turned_singly, widened};
use super::{add_scaled, load};

/// What a block of each of eight columns begins with: d, dmin, scales and minimums.
struct Heads<const M: usize> {
    /// Scale j of columns c and c + 4, twice in each word, in `[c][j / 4]` at j % 4 and 4 + j % 4.
    scales: [[[u32; 8]; 2]; 4],
    mins: [__m256i; M],
    d: __m256,
    dmin: __m256,
}

impl<const M: usize> Heads<M> {
    /// # Safety
    /// Such blocks at byte `at` of each column, a group of each row.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn new(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Self {
        let mut scales = [[[0u32; 8]; 2]; 4];
        let mut mins = [[_mm256_setzero_si256(); 4]; M];
        let mut heads = [_mm256_setzero_si256(); 4];
        for c in 0..4 {
            // SAFETY: sixteen bytes of each block, eight sums of each group.
            unsafe {
                let half = |c: usize| _mm_loadu_si128(columns[c].add(at).cast());
                heads[c] = _mm256_set_m128i(half(c + 4), half(c));
                let both = unpacked(heads[c]);
                let wide = _mm256_unpackhi_epi8(both, _mm256_setzero_si256());
                for i in 0..M {
                    let sums = _mm256_broadcastsi128_si256(_mm_loadu_si128(x[i].pairs.cast()));
                    mins[i][c] = _mm256_madd_epi16(wide, sums);
                }
                for (half, words) in scales[c].iter_mut().enumerate() {
                    // Byte i of the scales, zero, and both again.
                    let word = |i: i32| ((4 * half as i32 + i) * 0x1_0001) | 0x8000_8000_u32 as i32;
                    let order = _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(0), word(1), word(2), word(3));
                    _mm256_storeu_si256(words.as_mut_ptr().cast(), _mm256_shuffle_epi8(both, order));
                }
            }
        }
        let (d, dmin) = halves(heads);
        Self { scales, mins: std::array::from_fn(|i| fours(mins[i])), d, dmin }
    }
}

/// Of d, dmin and packed six bits in each half the eight scales, then the eight minimums, as `format::six_bits` unpacks them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn unpacked(heads: __m256i) -> __m256i {
    // The words a and b, and c twice.
    let (ab, c) = (_mm256_shuffle_epi32::<0b1001>(heads), _mm256_shuffle_epi32::<0b1111>(heads));
    let first = _mm256_and_si256(ab, _mm256_set1_epi8(0x3f));
    let nibbles = _mm256_srlv_epi32(c, _mm256_setr_epi32(0, 4, 0, 0, 0, 4, 0, 0));
    let low = _mm256_and_si256(nibbles, _mm256_set1_epi8(0x0f));
    let high = _mm256_and_si256(_mm256_srli_epi32::<2>(ab), _mm256_set1_epi8(0x30));
    _mm256_unpacklo_epi32(first, _mm256_or_si256(low, high))
}

/// d and -dmin of columns c and c + 4 from the first words of both halves.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn halves(heads: [__m256i; 4]) -> (__m256, __m256) {
    let two = |i: usize| _mm256_unpacklo_epi32(heads[i], heads[i + 1]);
    let words = _mm256_unpacklo_epi64(two(0), two(2));
    let (d, dmin) = (_mm256_and_si256(words, _mm256_set1_epi32(0xffff)), _mm256_srli_epi32::<16>(words));
    let halves = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi32(d, dmin));
    let dmin = _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(halves));
    (_mm256_cvtph_ps(_mm256_castsi256_si128(halves)), _mm256_xor_ps(dmin, _mm256_set1_ps(-0.0)))
}

/// How the elements of a type with such heads are stored.
trait Elements: Format {
    /// Where the nibbles are in a block: of sub-blocks 0 and 1, then 2 and 3, and so on.
    const NIBBLES: usize;
    /// Where the fifth bits are, if there are: the lowest of each byte of sub-block 0, the next of 1, and so on.
    const FIFTHS: Option<usize>;
}

impl Elements for Q4K {
    const NIBBLES: usize = 16;
    const FIFTHS: Option<usize> = None;
}

impl Elements for Q5K {
    const NIBBLES: usize = 48;
    const FIFTHS: Option<usize> = Some(16);
}

/// Elements of sub-blocks 2j and 2j + 1 from their nibbles, and from their fifth bits where a type has them.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn elements<F: Elements>(nibbles: __m256i, fifths: __m256i, j: usize) -> [__m256i; 2] {
    let (four, fifth) = (_mm256_set1_epi8(15), _mm256_set1_epi8(16));
    let q = [_mm256_and_si256(nibbles, four), _mm256_and_si256(_mm256_srli_epi16::<4>(nibbles), four)];
    if F::FIFTHS.is_none() {
        return q;
    }
    let bits = match j {
        0 => [_mm256_slli_epi16::<4>(fifths), _mm256_slli_epi16::<3>(fifths)],
        1 => [_mm256_slli_epi16::<2>(fifths), _mm256_slli_epi16::<1>(fifths)],
        2 => [fifths, _mm256_srli_epi16::<1>(fifths)],
        _ => [_mm256_srli_epi16::<2>(fifths), _mm256_srli_epi16::<3>(fifths)],
    };
    let with = |i: usize| _mm256_or_si256(q[i], _mm256_and_si256(bits[i], fifth));
    [with(0), with(1)]
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn octet<F: Elements, const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
    // SAFETY: blocks and their groups.
    unsafe {
        let heads = Heads::new(columns, at, x);
        // Scales are spread by loading them from memory, which is free of the ports that shuffles need: that they are there is
        // what the compiler must not look through.
        let scales = std::hint::black_box(&heads.scales);
        let mut products = [[_mm256_setzero_si256(); COLUMNS]; M];
        for c in 0..COLUMNS {
            ask::<F>(columns[c], at);
            let mut sums = [_mm256_setzero_si256(); M];
            let fifths = F::FIFTHS.map_or(_mm256_setzero_si256(), |fifths| load(columns[c].add(at + fifths)));
            let nibbles = |j: usize| load(columns[c].add(at + F::NIBBLES + 32 * j));
            let nibbles = [nibbles(0), nibbles(1), nibbles(2), nibbles(3)];
            for (j, nibbles) in nibbles.into_iter().enumerate() {
                for (half, q) in elements::<F>(nibbles, fifths, j).into_iter().enumerate() {
                    let scale = scales[c % 4][j / 2][c / 4 * 4 + j % 2 * 2 + half];
                    add_scaled(&mut sums, q, _mm256_set1_epi32(scale as i32), x, 64 * j + 32 * half);
                }
            }
            for i in 0..M {
                products[i][c] = sums[i];
            }
        }
        Octet { products: std::array::from_fn(|i| sums_of(&products[i])), mins: heads.mins, d: heads.d, dmin: heads.dmin }
    }
}

/// Blocks of eight columns, turned.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn turn<F: Elements>(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
    // SAFETY: blocks.
    unsafe {
        for column in columns {
            ask::<F>(*column, at);
        }
        let fifths = F::FIFTHS.map_or([_mm256_setzero_si256(); 8], |fifths| turned_bytes(columns, at + fifths));
        for (j, to) in to.q.as_chunks_mut::<16>().0.iter_mut().enumerate() {
            for (i, four) in turned_bytes(columns, at + F::NIBBLES + 32 * j).into_iter().enumerate() {
                [to[i], to[i + 8]] = elements::<F>(four, fifths[i], j);
            }
        }
        let half = |c: usize| _mm_loadu_si128(columns[c].add(at).cast());
        let head = |c: usize| _mm256_set_m128i(half(c + 4), half(c));
        let heads = [head(0), head(1), head(2), head(3)];
        let singly = turned_singly([unpacked(heads[0]), unpacked(heads[1]), unpacked(heads[2]), unpacked(heads[3])]);
        for j in 0..8 {
            let scale = widened(singly[j / 4], (j % 4, j % 4), false);
            [to.scales[2 * j], to.scales[2 * j + 1]] = [scale; 2];
            to.mins[j] = widened(singly[2 + j / 4], (j % 4, j % 4), false);
        }
        halves(heads)
    }
}

impl Octets for Q4K {
    const FEW: usize = 4;

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
}

impl Octets for Q5K {
    const FEW: usize = 4;

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
}
