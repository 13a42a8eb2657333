//! Eight floats with AVX2, FMA and F16C.

use std::arch::x86_64::*;

use super::{Kernel, Vector};

/// Eight floats.
#[derive(Clone, Copy)]
pub(in super::super) struct Avx2(__m256);

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

impl Vector for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn call<K: Kernel<Self>>(kernel: &K) {
        #[inline(never)]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn call<K: Kernel<Avx2>>(kernel: &K) {
            // SAFETY: the caller's promise.
            unsafe { kernel.run() };
        }
        // SAFETY: the caller's promise.
        unsafe { call(kernel) };
    }

    instructions! {
        add => _mm256_add_ps;
        sub => _mm256_sub_ps;
        mul => _mm256_mul_ps;
        div => _mm256_div_ps;
        max => _mm256_max_ps;
        min => _mm256_min_ps;
    }

    #[inline(always)]
    fn madd(self, by: Self, plus: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm256_fmadd_ps(self.0, by.0, plus.0) })
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn splat_f16(x: u16) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_cvtph_ps(_mm_set1_epi16(x as i16)) })
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) })
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.cast()))) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { _mm256_storeu_ps(to, self.0) };
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16) {
        // SAFETY: the caller's promise.
        unsafe { _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(self.0)) };
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(at: *const u8) {
        // SAFETY: no address is wrong.
        unsafe { if NEAR { _mm_prefetch::<_MM_HINT_T0>(at.cast()) } else { _mm_prefetch::<_MM_HINT_T1>(at.cast()) } };
    }

    #[inline(always)]
    fn abs(self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0) })
    }

    #[inline(always)]
    fn signed(self, of: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm256_or_ps(self.0, _mm256_and_ps(_mm256_set1_ps(-0.0), of.0)) })
    }

    #[inline(always)]
    fn scaled(self, power: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe {
            let power = _mm256_slli_epi32::<23>(_mm256_castps_si256(power.0));
            _mm256_mul_ps(self.0, _mm256_castsi256_ps(power))
        })
    }

    #[inline(always)]
    fn zero_below(self, x: Self, least: Self) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe { _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x.0, least.0), self.0) })
    }

    #[inline(always)]
    fn within(self, first: usize, from: usize, to: usize) -> Self {
        // SAFETY: whoever has a vector has the instructions.
        Self(unsafe {
            let number = _mm256_add_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(first as i32));
            let early = _mm256_cmpgt_epi32(_mm256_set1_epi32(from as i32), number);
            let inside = _mm256_andnot_si256(early, _mm256_cmpgt_epi32(_mm256_set1_epi32(to as i32), number));
            _mm256_blendv_ps(_mm256_set1_ps(f32::NEG_INFINITY), self.0, _mm256_castsi256_ps(inside))
        })
    }

    #[inline(always)]
    fn first(self) -> f32 {
        // SAFETY: whoever has a vector has the instructions.
        unsafe { _mm256_cvtss_f32(self.0) }
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        // SAFETY: whoever has a vector has the instructions.
        unsafe {
            let four = _mm_max_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn total(self) -> f32 {
        // SAFETY: whoever has a vector has the instructions.
        unsafe {
            let four = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }
}
