//! Q4_K and Q5_K, whose scales and minimums are packed into six bits each: unpacked for eight columns together.

use std::arch::x86_64::*;

use super::super::super::COLUMNS;
use super::super::super::format::{Format, Q4K, Q5K};
use super::super::few::{Octet, Octets, Row, ask, fours, sums_of};
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
    /// Those of sub-blocks 0 and 1, then 2 and 3, and so on.
    ///
    /// # Safety
    /// A block, and the processor has AVX2.
    unsafe fn elements(block: *const u8) -> [[__m256i; 2]; 4];
}

/// Low and high nibbles of 32 bytes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn nibbles(bytes: *const u8) -> [__m256i; 2] {
    // SAFETY: the caller has 32 bytes there.
    let (bytes, nibble) = (unsafe { load(bytes) }, _mm256_set1_epi8(15));
    [_mm256_and_si256(bytes, nibble), _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble)]
}

impl Elements for Q4K {
    #[inline(always)]
    unsafe fn elements(block: *const u8) -> [[__m256i; 2]; 4] {
        // SAFETY: a block.
        unsafe { [nibbles(block.add(16)), nibbles(block.add(48)), nibbles(block.add(80)), nibbles(block.add(112))] }
    }
}

impl Elements for Q5K {
    #[inline(always)]
    unsafe fn elements(block: *const u8) -> [[__m256i; 2]; 4] {
        // SAFETY: a block.
        unsafe {
            let (high, fifth) = (load(block.add(16)), _mm256_set1_epi8(16));
            // Bits 2j and 2j + 1 of each byte, as the fifth.
            let bits = [
                [_mm256_slli_epi16::<4>(high), _mm256_slli_epi16::<3>(high)],
                [_mm256_slli_epi16::<2>(high), _mm256_slli_epi16::<1>(high)],
                [high, _mm256_srli_epi16::<1>(high)],
                [_mm256_srli_epi16::<2>(high), _mm256_srli_epi16::<3>(high)],
            ];
            let mut q = [[high; 2]; 4];
            for j in 0..4 {
                let four = nibbles(block.add(48 + 32 * j));
                q[j] = [
                    _mm256_or_si256(four[0], _mm256_and_si256(bits[j][0], fifth)),
                    _mm256_or_si256(four[1], _mm256_and_si256(bits[j][1], fifth)),
                ];
            }
            q
        }
    }
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
            for (j, q) in F::elements(columns[c].add(at)).into_iter().enumerate() {
                for (half, q) in q.into_iter().enumerate() {
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

impl Octets for Q4K {
    #[inline(always)]
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
        // SAFETY: the caller's promise.
        unsafe { octet::<Self, M>(columns, at, x) }
    }
}

impl Octets for Q5K {
    #[inline(always)]
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
        // SAFETY: the caller's promise.
        unsafe { octet::<Self, M>(columns, at, x) }
    }
}
