//! Some rows of x with a panel.

use std::arch::x86_64::*;

use super::super::format::Mins;
use super::LANES;
use super::fours::Fours;
use super::panel::Panel;
use super::rows::Slice;
use crate::Grid;

/// What is asked for while a tile is computed: so many bytes in each of these places.
pub(super) struct Ahead {
    pub(super) pieces: [*const u8; LANES],
    pub(super) bytes: usize,
}

impl Ahead {
    /// Asks for part `i` of eight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    fn part(&self, i: usize) {
        for piece in &self.pieces[2 * i..2 * i + 2] {
            for line in (0..self.bytes).step_by(64) {
                _mm_prefetch::<_MM_HINT_T0>(piece.wrapping_add(line).cast());
            }
        }
    }
}

/// Adds a stretch of M rows with sixteen columns to `y`.
///
/// # Safety
/// M slices, room for M vectors, a panel of F with `groups` groups, and the processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn tile<F: Fours, const M: usize>(
    panel: &Panel,
    groups: usize,
    x: *const Slice,
    ahead: &Ahead,
    y: *mut __m512,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match F::GRID {
            Grid::Long => long::<F, M>(panel, x, ahead, y),
            _ => short::<M>(panel, groups, x, ahead, y),
        }
    }
}

/// The value at `at` in every lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn four<T>(at: *const T) -> __m512i {
    // SAFETY: the caller has four bytes there.
    unsafe { _mm512_set1_epi32(at.cast::<i32>().read_unaligned()) }
}

/// Adds the products of `4 · steps` elements.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn add<const M: usize>(sums: &mut [__m512i; M], steps: usize, w: *const __m512i, x: *const Slice, at: usize) {
    for step in 0..steps {
        // SAFETY: the caller has so many steps.
        unsafe {
            let w = *w.add(step);
            for (r, sum) in sums.iter_mut().enumerate() {
                let q = (*x.add(r)).q.as_ptr().add(at + 4 * step);
                *sum = _mm512_dpbusd_epi32(*sum, w, four(q));
            }
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn long<F: Fours, const M: usize>(panel: &Panel, x: *const Slice, ahead: &Ahead, y: *mut __m512) {
    let zero = _mm512_setzero_si512();
    let mut products = [zero; M];
    // SAFETY: M slices and vectors.
    unsafe {
        for j in 0..256 / F::SHARED {
            if (j * F::SHARED).is_multiple_of(32) {
                ahead.part(j * F::SHARED / 32);
            }
            let mut sums = [zero; M];
            if F::MINS == Mins::Offset {
                for (r, sum) in sums.iter_mut().enumerate() {
                    *sum = four((*x.add(r)).sums.as_ptr().add(j));
                }
            }
            add(&mut sums, F::SHARED / 4, panel.q.as_ptr().add(j * F::SHARED / 4), x, j * F::SHARED);
            let scale = *panel.scales.get_unchecked(j);
            for (product, sum) in products.iter_mut().zip(sums) {
                *product = _mm512_add_epi32(*product, _mm512_mullo_epi32(sum, scale));
            }
        }
        for (r, product) in products.into_iter().enumerate() {
            let dx = _mm512_set1_ps((*x.add(r)).d[0]);
            let mut sum = *y.add(r);
            sum = _mm512_fmadd_ps(_mm512_mul_ps(panel.d[0], dx), _mm512_cvtepi32_ps(product), sum);
            if F::MINS == Mins::Own {
                let mut mins = zero;
                for (i, min) in panel.mins.into_iter().enumerate() {
                    mins = _mm512_dpwssd_epi32(mins, min, four((*x.add(r)).sums.as_ptr().add(i)));
                }
                sum = _mm512_fmadd_ps(_mm512_mul_ps(panel.dmin, dx), _mm512_cvtepi32_ps(mins), sum);
            }
            *y.add(r) = sum;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn short<const M: usize>(panel: &Panel, groups: usize, x: *const Slice, ahead: &Ahead, y: *mut __m512) {
    // SAFETY: M slices and vectors.
    unsafe {
        let mut total: [__m512; M] = std::array::from_fn(|r| *y.add(r));
        for g in 0..groups {
            ahead.part(g);
            let mut sums: [__m512i; M] = std::array::from_fn(|r| four((*x.add(r)).sums.as_ptr().add(g)));
            add(&mut sums, 8, panel.q.as_ptr().add(8 * g), x, 32 * g);
            let d = *panel.d.get_unchecked(g);
            for (r, (total, sum)) in total.iter_mut().zip(sums).enumerate() {
                let dx = _mm512_set1_ps(*(*x.add(r)).d.get_unchecked(g));
                *total = _mm512_fmadd_ps(_mm512_mul_ps(d, dx), _mm512_cvtepi32_ps(sum), *total);
            }
        }
        for (r, total) in total.into_iter().enumerate() {
            *y.add(r) = total;
        }
    }
}
