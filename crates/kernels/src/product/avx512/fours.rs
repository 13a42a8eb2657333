//! How each weight type's blocks become panels. Fields are taken apart after columns are interleaved, of sixteen columns at once.

use std::arch::x86_64::*;

use super::super::format::{Format, Q4_0, Q4K, Q5K, Q6K, Q8_0};
use super::LANES;
use super::panel::{Panel, bytes_to, halves, low_halves, turned16, turned32};

/// A weight type whose blocks can be made panels.
pub(super) trait Fours: Format {
    /// From so many rows on this is faster than what AVX2 does.
    const FROM: usize = 4;
    /// Elements that share a scale, of long groups.
    const SHARED: usize = 32;
    /// What is to be taken off elements, where minimums are an offset.
    const OFFSET: i32 = 0;

    /// Blocks of sixteen columns as group `g` of a panel.
    ///
    /// # Safety
    /// Sixteen blocks, and the processor has AVX-512 F, BW, VL and VNNI.
    unsafe fn pack(blocks: &[*const u8; LANES], g: usize, to: &mut Panel);
}

/// `v & bits`, byte by byte.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn masked(v: __m512i, bits: i8) -> __m512i {
    _mm512_and_si512(v, _mm512_set1_epi8(bits))
}

/// d, dmin, scales and minimums of Q4_K and Q5_K, packed as `six_bits` tells.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn pack_scales(blocks: &[*const u8; LANES], to: &mut Panel) {
    // SAFETY: the caller's promise.
    let [ds, a, b, c] = unsafe { turned16(blocks, 0) };
    let dmin = _mm512_castps_si512(low_halves(_mm512_srli_epi32::<16>(ds)));
    to.d[0] = low_halves(ds);
    to.dmin = _mm512_castsi512_ps(_mm512_xor_si512(dmin, _mm512_set1_epi32(i32::MIN)));
    let high = |v: __m512i| _mm512_slli_epi32::<4>(masked(_mm512_srli_epi32::<6>(v), 3));
    let scales = [masked(a, 63), _mm512_or_si512(masked(c, 15), high(a))];
    let mins = [masked(b, 63), _mm512_or_si512(masked(_mm512_srli_epi32::<4>(c), 15), high(b))];
    for j in 0..8 {
        to.scales[j] = bytes_to(scales[j / 4], [Some(j as u8 % 4), None, None, None]);
    }
    for i in 0..4 {
        let low = 2 * (i as u8 % 2);
        to.mins[i] = bytes_to(mins[i / 2], [Some(low), None, Some(low + 1), None]);
    }
}

impl Fours for Q4K {
    #[inline(always)]
    unsafe fn pack(blocks: &[*const u8; LANES], _: usize, to: &mut Panel) {
        // SAFETY: blocks.
        unsafe {
            pack_scales(blocks, to);
            for j in 0..4 {
                let bytes = turned32(blocks, 16 + 32 * j);
                for (i, bytes) in bytes.into_iter().enumerate() {
                    to.q[16 * j + i] = masked(bytes, 15);
                    to.q[16 * j + 8 + i] = masked(_mm512_srli_epi16::<4>(bytes), 15);
                }
            }
        }
    }
}

impl Fours for Q5K {
    #[inline(always)]
    unsafe fn pack(blocks: &[*const u8; LANES], _: usize, to: &mut Panel) {
        // SAFETY: blocks.
        unsafe {
            pack_scales(blocks, to);
            let mut high = turned32(blocks, 16);
            for j in 0..4 {
                let bytes = turned32(blocks, 48 + 32 * j);
                for i in 0..8 {
                    // Bits 2j and 2j + 1 of each byte, as the fifth.
                    let bits = (_mm512_slli_epi16::<4>(high[i]), _mm512_slli_epi16::<3>(high[i]));
                    high[i] = _mm512_srli_epi16::<2>(high[i]);
                    to.q[16 * j + i] = _mm512_or_si512(masked(bytes[i], 15), masked(bits.0, 16));
                    let upper = masked(_mm512_srli_epi16::<4>(bytes[i]), 15);
                    to.q[16 * j + 8 + i] = _mm512_or_si512(upper, masked(bits.1, 16));
                }
            }
        }
    }
}

impl Fours for Q6K {
    const FROM: usize = 5;
    const SHARED: usize = 16;
    const OFFSET: i32 = 32;

    #[inline(always)]
    unsafe fn pack(blocks: &[*const u8; LANES], _: usize, to: &mut Panel) {
        // SAFETY: blocks.
        unsafe {
            for h in 0..2 {
                let (first, second) = (turned32(blocks, 64 * h), turned32(blocks, 64 * h + 32));
                let high = turned32(blocks, 128 + 32 * h);
                for i in 0..8 {
                    let upper = |bits: __m512i| _mm512_slli_epi16::<4>(masked(bits, 3));
                    let parts = [
                        (first[i], high[i]),
                        (second[i], _mm512_srli_epi16::<2>(high[i])),
                        (_mm512_srli_epi16::<4>(first[i]), _mm512_srli_epi16::<4>(high[i])),
                        (_mm512_srli_epi16::<4>(second[i]), _mm512_srli_epi16::<6>(high[i])),
                    ];
                    for (j, (low, bits)) in parts.into_iter().enumerate() {
                        to.q[32 * h + 8 * j + i] = _mm512_or_si512(masked(low, 15), upper(bits));
                    }
                }
            }
            // The last 32 bytes: scales from the fifteenth on, d at the end.
            let end = turned32(blocks, Self::BYTES - 32);
            for j in 0..16 {
                let byte = 14 + j;
                let top = bytes_to(end[byte / 4], [None, None, None, Some(byte as u8 % 4)]);
                to.scales[j] = _mm512_srai_epi32::<24>(top);
            }
            to.d[0] = low_halves(_mm512_srli_epi32::<16>(end[7]));
        }
    }
}

impl Fours for Q4_0 {
    const FROM: usize = 2;
    const OFFSET: i32 = 8;

    #[inline(always)]
    unsafe fn pack(blocks: &[*const u8; LANES], g: usize, to: &mut Panel) {
        // SAFETY: blocks.
        unsafe {
            for (i, bytes) in turned16(blocks, 2).into_iter().enumerate() {
                to.q[8 * g + i] = masked(bytes, 15);
                to.q[8 * g + 4 + i] = masked(_mm512_srli_epi16::<4>(bytes), 15);
            }
            to.d[g] = halves(blocks, Self::D);
        }
    }
}

impl Fours for Q8_0 {
    const OFFSET: i32 = 128;

    #[inline(always)]
    unsafe fn pack(blocks: &[*const u8; LANES], g: usize, to: &mut Panel) {
        // SAFETY: blocks.
        unsafe {
            for (i, bytes) in turned32(blocks, 2).into_iter().enumerate() {
                to.q[8 * g + i] = _mm512_xor_si512(bytes, _mm512_set1_epi8(i8::MIN));
            }
            to.d[g] = halves(blocks, Self::D);
        }
    }
}
