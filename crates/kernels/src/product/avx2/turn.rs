//! Blocks of eight columns, unpacked and turned: vectors in which each column has a lane.
//!
//! What a block has packed is turned as it is, and unpacked afterwards: so half of the shuffles are spared, or three quarters.

use std::arch::x86_64::*;

use super::super::COLUMNS;
use super::super::format::{Format, Q6K, Q8_0, Unpacked};
use super::few::ask;
use super::{look_up, scales};
use crate::Grid;

/// Where a group of a panel goes.
pub(in super::super) struct Turned<'a> {
    /// For each four elements of the group the 4 bytes of each column.
    pub(super) q: &'a mut [__m256i],
    /// For each sub-block of 16 the scale of each column, twice. Of short groups none: they are 1.
    pub(super) scales: &'a mut [__m256i],
    /// For each two sub-blocks of 16 the minimums of each column. Of short groups none: they are one number.
    pub(super) mins: &'a mut [__m256i],
    /// The minimum of short groups' elements.
    pub(super) offset: &'a mut i32,
    /// Scratch.
    pub(super) blocks: &'a mut [Unpacked; COLUMNS],
}

/// Any type, by way of [`Format::unpack`]. d and -dmin of each column are given back.
///
/// # Safety
/// Each column has a block at byte `at`, `to` room for a group, and the processor has AVX2, FMA and F16C.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn plainly<F: Format>(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
    for (block, column) in to.blocks.iter_mut().zip(columns) {
        ask::<F>(*column, at);
        // SAFETY: the caller's promise.
        F::unpack(unsafe { std::slice::from_raw_parts(column.add(at), F::BYTES) }, block);
    }
    let blocks = &*to.blocks;
    for (i, to) in to.q.as_chunks_mut().0.iter_mut().enumerate() {
        // SAFETY: 32 bytes of 256.
        let rows = std::array::from_fn(|c| unsafe { _mm256_loadu_si256(blocks[c].q[32 * i..].as_ptr().cast()) });
        *to = turned(rows).map(|v| match &F::TABLE {
            Some(table) => look_up(table, v),
            // Elements of such types are signed bytes.
            None if F::SIGNED => _mm256_xor_si256(v, _mm256_set1_epi8(i8::MIN)),
            None => v,
        });
    }
    if F::GRID == Grid::Long {
        let zero = _mm256_setzero_si256();
        let (mut low, mut high, mut mins) = ([zero; 8], [zero; 8], [zero; 8]);
        for (c, block) in blocks.iter().enumerate() {
            // SAFETY: sixteen of each.
            let (scales, min) = unsafe {
                (_mm256_loadu_si256(block.scales.as_ptr().cast()), _mm256_loadu_si256(block.mins.as_ptr().cast()))
            };
            // Halves that unpacking takes apart lie so that the results are in order.
            let scales = _mm256_permute4x64_epi64::<0b1101_1000>(scales);
            low[c] = _mm256_unpacklo_epi16(scales, scales);
            high[c] = _mm256_unpackhi_epi16(scales, scales);
            mins[c] = min;
        }
        to.scales[..8].copy_from_slice(&turned(low));
        to.scales[8..].copy_from_slice(&turned(high));
        to.mins.copy_from_slice(&turned(mins));
    } else {
        *to.offset = i32::from(blocks[0].mins[0]);
    }
    // SAFETY: the caller's promise.
    unsafe { scales::<F>(columns.map(|column| column.add(at))) }
}

/// Rows of eight 32-bit values to columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn turned(rows: [__m256i; 8]) -> [__m256i; 8] {
    let low = |i: usize| _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
    let high = |i: usize| _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    let fours: [__m256i; 8] = [
        _mm256_unpacklo_epi64(low(0), low(1)),
        _mm256_unpackhi_epi64(low(0), low(1)),
        _mm256_unpacklo_epi64(high(0), high(1)),
        _mm256_unpackhi_epi64(high(0), high(1)),
        _mm256_unpacklo_epi64(low(2), low(3)),
        _mm256_unpackhi_epi64(low(2), low(3)),
        _mm256_unpacklo_epi64(high(2), high(3)),
        _mm256_unpackhi_epi64(high(2), high(3)),
    ];
    std::array::from_fn(|i| match i {
        0..4 => _mm256_permute2x128_si256::<0x20>(fours[i], fours[i + 4]),
        _ => _mm256_permute2x128_si256::<0x31>(fours[i - 4], fours[i]),
    })
}

/// The 32 bytes at `at` of each column, turned.
///
/// # Safety
/// They are there.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn turned_bytes(columns: &[*const u8; COLUMNS], at: usize) -> [__m256i; 8] {
    let mut rows = [_mm256_setzero_si256(); COLUMNS];
    for (row, column) in rows.iter_mut().zip(columns) {
        // SAFETY: the caller's promise.
        *row = unsafe { _mm256_loadu_si256(column.add(at).cast()) };
    }
    turned(rows)
}

/// Sixteen bytes of columns c and c + 4 each, by fours: in vector i bytes 4i to 4i + 3 of each column.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn turned_pairs(pairs: [__m256i; 4]) -> [__m256i; 4] {
    let low = (_mm256_unpacklo_epi32(pairs[0], pairs[1]), _mm256_unpacklo_epi32(pairs[2], pairs[3]));
    let high = (_mm256_unpackhi_epi32(pairs[0], pairs[1]), _mm256_unpackhi_epi32(pairs[2], pairs[3]));
    [
        _mm256_unpacklo_epi64(low.0, low.1),
        _mm256_unpackhi_epi64(low.0, low.1),
        _mm256_unpacklo_epi64(high.0, high.1),
        _mm256_unpackhi_epi64(high.0, high.1),
    ]
}

/// Sixteen bytes of columns c and c + 4 each, byte by byte: in vector i bytes 4i to 4i + 3, each of columns 0 to 3 in the low half,
/// 4 to 7 in the high half.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn turned_singly(pairs: [__m256i; 4]) -> [__m256i; 4] {
    let low = (_mm256_unpacklo_epi8(pairs[0], pairs[1]), _mm256_unpacklo_epi8(pairs[2], pairs[3]));
    let high = (_mm256_unpackhi_epi8(pairs[0], pairs[1]), _mm256_unpackhi_epi8(pairs[2], pairs[3]));
    [
        _mm256_unpacklo_epi16(low.0, low.1),
        _mm256_unpackhi_epi16(low.0, low.1),
        _mm256_unpacklo_epi16(high.0, high.1),
        _mm256_unpackhi_epi16(high.0, high.1),
    ]
}

/// Byte `i` and byte `j`, of 0 to 3, of each column of such a vector, in the low bytes of both halves of the column's 32 bits, or
/// in the high ones.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn widened(four: __m256i, (i, j): (usize, usize), high: bool) -> __m256i {
    let word = |c: usize| {
        let (first, second) = ((4 * i + c) as i32 | 0x8000, (4 * j + c) as i32 | 0x8000);
        let both = first | second << 16;
        // A byte whose highest bit is set gives zero.
        if high { both.rotate_left(8) } else { both }
    };
    _mm256_shuffle_epi8(four, _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(0), word(1), word(2), word(3)))
}

/// Q8_0, whose elements are stored as they are wanted.
///
/// # Safety
/// As [`plainly`].
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn q8_0(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
    for column in columns {
        ask::<Q8_0>(*column, at);
    }
    // SAFETY: blocks.
    unsafe {
        to.q.copy_from_slice(&turned_bytes(columns, at + 2));
        scales::<Q8_0>(columns.map(|column| column.add(at)))
    }
}

/// Q6_K.
///
/// # Safety
/// As [`plainly`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn q6_k(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
    let (nibble, two) = (_mm256_set1_epi8(15), _mm256_set1_epi8(0x30));
    for column in columns {
        ask::<Q6K>(*column, at);
    }
    // SAFETY: blocks.
    unsafe {
        for (h, to) in to.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (first, second) = (turned_bytes(columns, at + 64 * h), turned_bytes(columns, at + 64 * h + 32));
            let high = turned_bytes(columns, at + 128 + 32 * h);
            for i in 0..8 {
                let upper = |bits: __m256i| _mm256_and_si256(bits, two);
                let lower = |bits: __m256i| _mm256_and_si256(bits, nibble);
                to[i] = _mm256_or_si256(lower(first[i]), upper(_mm256_slli_epi16::<4>(high[i])));
                to[i + 8] = _mm256_or_si256(lower(second[i]), upper(_mm256_slli_epi16::<2>(high[i])));
                to[i + 16] = _mm256_or_si256(lower(_mm256_srli_epi16::<4>(first[i])), upper(high[i]));
                let last = upper(_mm256_srli_epi16::<2>(high[i]));
                to[i + 24] = _mm256_or_si256(lower(_mm256_srli_epi16::<4>(second[i])), last);
            }
        }
        let half = |c: usize| _mm_loadu_si128(columns[c].add(at + 192).cast());
        let pair = |c: usize| _mm256_set_m128i(half(c + 4), half(c));
        for (i, four) in turned_singly([pair(0), pair(1), pair(2), pair(3)]).into_iter().enumerate() {
            for j in 0..4 {
                to.scales[4 * i + j] = _mm256_srai_epi16::<8>(widened(four, (j, j), true));
            }
            // 32 times the scale, of which the high byte is 256 times.
            to.mins[2 * i] = _mm256_srai_epi16::<3>(widened(four, (0, 1), true));
            to.mins[2 * i + 1] = _mm256_srai_epi16::<3>(widened(four, (2, 3), true));
        }
        scales::<Q6K>(columns.map(|column| column.add(at)))
    }
}
