//! Sixteen columns' blocks, unpacked and interleaved.

use std::arch::x86_64::*;

use super::LANES;

/// Elements of each column that a panel holds: a long group, or eight short ones.
pub(super) const STRETCH: usize = 256;

/// A stretch of sixteen columns, each in a lane of 32 bits.
#[repr(C, align(64))]
pub(super) struct Panel {
    /// For each four elements the 4 bytes of each column.
    pub(super) q: [__m512i; STRETCH / 4],
    /// The scale of each sub-block, of long groups.
    pub(super) scales: [__m512i; STRETCH / 16],
    /// The minimums of each two sub-blocks of 32, of long groups that have them.
    pub(super) mins: [__m512i; STRETCH / 64],
    /// d of each group.
    pub(super) d: [__m512; STRETCH / 32],
    /// -dmin of a long group.
    pub(super) dmin: __m512,
}

impl Panel {
    /// Room for a stretch.
    #[target_feature(enable = "avx512f")]
    pub(super) fn new() -> Self {
        let (zero, zeros) = (_mm512_setzero_si512(), _mm512_setzero_ps());
        Self { q: [zero; 64], scales: [zero; 16], mins: [zero; 4], d: [zeros; 8], dmin: zeros }
    }
}

/// Sixteen bytes of each block as four vectors of 4 bytes a column.
///
/// # Safety
/// The blocks have as many bytes from `at` on, and the processor has AVX-512 F, BW, VL and VNNI.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn turned16(blocks: &[*const u8; LANES], at: usize) -> [__m512i; 4] {
    // SAFETY: the caller's promise.
    let load = |c: usize| unsafe { _mm_loadu_si128(blocks[c].add(at).cast()) };
    let four = |i: usize| {
        let pairs = (_mm512_castsi128_si512(load(i)), _mm512_castsi128_si512(load(i + 8)));
        let low = _mm512_inserti32x4::<1>(pairs.0, load(i + 4));
        _mm512_inserti64x4::<1>(low, _mm512_castsi512_si256(_mm512_inserti32x4::<1>(pairs.1, load(i + 12))))
    };
    turned_lanes([four(0), four(1), four(2), four(3)])
}

/// 32 bytes of each block as eight vectors of 4 bytes a column.
///
/// # Safety
/// As of [`turned16`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn turned32(blocks: &[*const u8; LANES], at: usize) -> [__m512i; 8] {
    // SAFETY: the caller's promise.
    let load = |c: usize| unsafe { _mm256_loadu_si256(blocks[c].add(at).cast()) };
    let two = |c: usize| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(load(c)), load(c + 4));
    let a = turned_lanes([two(0), two(1), two(2), two(3)]);
    let b = turned_lanes([two(8), two(9), two(10), two(11)]);
    // The first 16 bytes are in the even quarters, the others in the odd ones.
    let even = |i: usize| _mm512_shuffle_i32x4::<0b1000_1000>(a[i], b[i]);
    let odd = |i: usize| _mm512_shuffle_i32x4::<0b1101_1101>(a[i], b[i]);
    [even(0), even(1), even(2), even(3), odd(0), odd(1), odd(2), odd(3)]
}

/// Rows of four 32-bit values to columns, in each quarter.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn turned_lanes(rows: [__m512i; 4]) -> [__m512i; 4] {
    let low = (_mm512_unpacklo_epi32(rows[0], rows[1]), _mm512_unpacklo_epi32(rows[2], rows[3]));
    let high = (_mm512_unpackhi_epi32(rows[0], rows[1]), _mm512_unpackhi_epi32(rows[2], rows[3]));
    [
        _mm512_unpacklo_epi64(low.0, low.1),
        _mm512_unpackhi_epi64(low.0, low.1),
        _mm512_unpacklo_epi64(high.0, high.1),
        _mm512_unpackhi_epi64(high.0, high.1),
    ]
}

/// The half precision value at `at` of each block.
///
/// # Safety
/// As of [`turned16`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn halves(blocks: &[*const u8; LANES], at: usize) -> __m512 {
    // SAFETY: the caller's promise.
    let bits = |c: usize| unsafe { blocks[c].add(at).cast::<i16>().read_unaligned() };
    let eight = |c: usize| {
        _mm_setr_epi16(bits(c), bits(c + 1), bits(c + 2), bits(c + 3), bits(c + 4), bits(c + 5), bits(c + 6), bits(c + 7))
    };
    _mm512_cvtph_ps(_mm256_set_m128i(eight(8), eight(0)))
}

/// The half precision value in the low half of each lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn low_halves(v: __m512i) -> __m512 {
    _mm512_cvtph_ps(_mm512_cvtepi32_epi16(v))
}

/// In each lane its own bytes of these numbers, or 0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn bytes_to(v: __m512i, order: [Option<u8>; 4]) -> __m512i {
    let mut bytes = [0x80; 4];
    for (byte, from) in bytes.iter_mut().zip(order) {
        *byte = from.unwrap_or(0x80);
    }
    let lane = _mm_setr_epi32(0, 0x0404_0404, 0x0808_0808, 0x0c0c_0c0c);
    let order = _mm_add_epi8(_mm_set1_epi32(i32::from_le_bytes(bytes)), lane);
    _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order))
}
