//! Sixteen floats with AVX-512 F.

use std::arch::x86_64::*;

use super::{Kernel, Vector};

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx512(__m512);

impl Avx512 {
    #[inline(always)]
    fn halves(self) -> (__m256, __m256) {
        // SAFETY: whoever has a vector has the instructions.
        unsafe {
            let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
            (_mm512_castps512_ps256(self.0), _mm256_castpd_ps(high))
        }
    }
}

/// Methods of two vectors that are one instruction.
macro_rules! instructions {
    ($($name:ident => $instruction:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, other: Self) -> Self {
            // SAFETY: whoever has a vector has the instructions.
            Self(unsafe { $instruction(self.0, other.0) })
        }
    )*};
}

impl Vector for Avx512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn call<K: Kernel<Self>>(kernel: &K) {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
        unsafe fn call<K: Kernel<Avx512>>(kernel: &K) {
            // SAFETY: the caller's promise.
            unsafe { kernel.run() };
        }
        // SAFETY: the caller's promise.
        unsafe { call(kernel) };
    }

    instructions! {
        add => _mm512_add_ps;
        sub => _mm512_sub_ps;
        mul => _mm512_mul_ps;
        div => _mm512_div_ps;
        max => _mm512_max_ps;
        min => _mm512_min_ps;
    }

    #[inline(always)]
    fn madd(self, by: Self, plus: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm512_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn splat_f16(x: u16) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_cvtph_ps(_mm256_set1_epi16(x as i16)) })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) })
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.cast()))) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm512_storeu_ps(to, self.0) };
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0)) };
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(at: *const u8) {
        // SAFETY: no address is wrong.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at.cast()) } else { _mm_prefetch::<_MM_HINT_T1>(at.cast()) } };
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm512_abs_ps(self.0) })
    }

    #[inline(always)]
    fn signed(self, of: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe {
            let sign = _mm512_and_si512(_mm512_castps_si512(of.0), _mm512_set1_epi32(i32::MIN));
            _mm512_castsi512_ps(_mm512_or_si512(_mm512_castps_si512(self.0), sign))
        })
    }

    #[inline(always)]
    fn scaled(self, power: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe {
            let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(power.0));
            _mm512_mul_ps(self.0, _mm512_castsi512_ps(power))
        })
    }

    #[inline(always)]
    fn zero_below(self, x: Self, least: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NLT_UQ>(x.0, least.0), self.0) })
    }

    #[inline(always)]
    fn within(self, first: usize, from: usize, to: usize) -> Self {
        // Bits of a range of the places 0 .. 16.
        let below = |end: usize| (1u32 << end.saturating_sub(first).min(16)) - 1;
        let mask = (below(to) & !below(from)) as u16;
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm512_mask_mov_ps(_mm512_set1_ps(f32::NEG_INFINITY), mask, self.0) })
    }

    #[inline(always)]
    fn first(self) -> f32 {
        // SAFETY: whoever has a vector has the instructions.
        unsafe { _mm512_cvtss_f32(self.0) }
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        let (low, high) = self.halves();
        // SAFETY: whoever has a vector has the instructions.
        unsafe {
            let eight = _mm256_max_ps(low, high);
            let four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn total(self) -> f32 {
        let (low, high) = self.halves();
        // SAFETY: whoever has a vector has the instructions.
        unsafe {
            let eight = _mm256_add_ps(low, high);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}
