//! Eight columns' blocks, unpacked and interleaved.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::format::{Format, Mins, Unpacked};
use super::super::{COLUMNS, Call};
use super::few::Octets;
use super::store;
use super::turn::Turned;
use crate::Grid;

/// Eight columns, group by group.
pub(super) struct Panel {
    /// For each four elements of the group the 4 bytes of each column.
    q: Vec<__m256i>,
    /// For each sub-block of 16 the scale of each column, twice. Of short groups none: they are 1.
    scales: Vec<__m256i>,
    /// For each two sub-blocks of 16 the minimums of each column. Of short groups none: they are one number.
    mins: Vec<__m256i>,
    /// d and -dmin of each column.
    d: Vec<(__m256, __m256)>,
    /// The minimum of short groups' elements.
    offset: i32,
    /// Scratch.
    blocks: [Unpacked; COLUMNS],
}

impl Panel {
    pub(super) fn new() -> Self {
        let blocks = std::array::from_fn(|_| Unpacked::default());
        Self { q: Vec::new(), scales: Vec::new(), mins: Vec::new(), d: Vec::new(), offset: 0, blocks }
    }

    /// # Safety
    /// Each column has as many blocks, and the processor has AVX2, FMA and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn pack<F: Octets>(&mut self, columns: &[*const u8; 8], groups: usize) {
        let (fours, scales, zero) =
            (F::GRID.elements() / 4, if F::GRID == Grid::Long { 16 } else { 0 }, _mm256_setzero_si256());
        self.q.resize(groups * fours, zero);
        self.scales.resize(groups * scales, zero);
        self.mins.resize(groups * scales / 2, zero);
        self.d.clear();
        for g in 0..groups {
            let to = Turned {
                q: &mut self.q[g * fours..][..fours],
                scales: &mut self.scales[g * scales..][..scales],
                mins: &mut self.mins[g * scales / 2..][..scales / 2],
                offset: &mut self.offset,
                blocks: &mut self.blocks,
            };
            // SAFETY: the caller's promise.
            self.d.push(unsafe { F::turn(columns, g * F::BYTES, to) });
        }
    }

    /// Rows `r .. r + M` of x with these columns. Meanwhile what is `ahead` is asked for.
    ///
    /// # Safety
    /// As [`super::super::product`], for a panel of `F` with the call's groups.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn tile<F: Format, const M: usize>(
        &self,
        call: &Call<'_>,
        r: usize,
        places: [usize; COLUMNS],
        ahead: &Ahead,
    ) {
        let (size, groups, x) = (F::GRID.elements(), call.groups::<F>(), call.x);
        let mut y = [_mm256_setzero_ps(); M];
        for g in 0..groups {
            if asks::<F>() {
                ahead.group(g);
            }
            let at: [usize; M] = std::array::from_fn(|i| (r + i) * groups + g);
            // SAFETY: group g of rows that are there.
            unsafe {
                let q: [*const i8; M] = std::array::from_fn(|i| x.q.as_ptr().add(at[i] * size));
                let w = self.q.as_ptr().add(g * size / 4);
                let (d, dmin) = *self.d.get_unchecked(g);
                let mut products = scaled::<F, M>(w, self.scales.as_ptr().wrapping_add(16 * g), q);
                let mut mins = [_mm256_setzero_si256(); M];
                for i in 0..M {
                    match F::GRID {
                        // Elements are the values themselves.
                        _ if F::SIGNED => {}
                        Grid::Long => {
                            let sums = x.sums.as_ptr().add(16 * at[i]).cast::<i32>();
                            for j in 0..8 {
                                let sums = _mm256_set1_epi32(sums.add(j).read_unaligned());
                                let min = *self.mins.get_unchecked(8 * g + j);
                                mins[i] = _mm256_add_epi32(mins[i], _mm256_madd_epi16(min, sums));
                            }
                        }
                        _ => mins[i] = _mm256_set1_epi32(self.offset * i32::from(*x.pairs.get_unchecked(at[i]))),
                    }
                    if F::MINS == Mins::Offset {
                        products[i] = _mm256_sub_epi32(products[i], mins[i]);
                    }
                    let dx = _mm256_set1_ps(*x.d.get_unchecked(at[i]));
                    y[i] = _mm256_fmadd_ps(_mm256_mul_ps(d, dx), _mm256_cvtepi32_ps(products[i]), y[i]);
                    if F::MINS == Mins::Own {
                        y[i] = _mm256_fmadd_ps(_mm256_mul_ps(dmin, dx), _mm256_cvtepi32_ps(mins[i]), y[i]);
                    }
                }
            }
        }
        for (i, y) in y.into_iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { store(call, r + i, places, y) };
        }
    }
}

/// Whether reading a panel of this type takes longer than making it: of more than six bits an element. For others each instruction
/// that asks is one too many.
const fn asks<F: Format>() -> bool {
    F::BYTES * 8 > 6 * F::GRID.elements()
}

/// What is asked for while a tile is computed: a part of the next eight columns, so that they are there when they are unpacked.
/// While a panel is multiplied, the processor sees nothing of what it has to read next.
pub(super) struct Ahead {
    pub(super) columns: [*const u8; COLUMNS],
    /// The first byte of each.
    pub(super) from: usize,
    /// Bytes of each during a group.
    pub(super) bytes: usize,
}

impl Ahead {
    /// Asks for the lines that begin in group g's bytes.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn group(&self, g: usize) {
        let from = self.from + g * self.bytes;
        for line in (from.next_multiple_of(64)..from + self.bytes).step_by(64) {
            for column in self.columns {
                _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(line).cast());
            }
        }
    }
}

/// Four activations, in every lane.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn four(q: *const i8) -> __m256i {
    // SAFETY: the caller has four.
    unsafe { _mm256_set1_epi32(q.cast::<i32>().read_unaligned()) }
}

/// `pairs += q x` for the fours of `steps`, in 16 bits.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_pairs<F: Format, const M: usize>(
    pairs: &mut [__m256i; M],
    w: *const __m256i,
    x: &[*const i8; M],
    steps: Range<usize>,
) {
    for step in steps {
        // SAFETY: the caller has these fours.
        unsafe {
            let w = *w.add(step);
            let size = if F::SIGNED { _mm256_abs_epi8(w) } else { w };
            for r in 0..M {
                let x = four(x[r].add(4 * step));
                let x = if F::SIGNED { _mm256_sign_epi8(x, w) } else { x };
                pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(size, x));
            }
        }
    }
}

/// Σ s[j] Σ q x over 256 elements, or over 32 whose scales are 1.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scaled<F: Format, const M: usize>(w: *const __m256i, scales: *const __m256i, x: [*const i8; M]) -> [__m256i; M] {
    let mut sums = [_mm256_setzero_si256(); M];
    for i in 0..F::GRID.elements() / 4 / F::STEPS {
        let mut pairs = [_mm256_setzero_si256(); M];
        // SAFETY: the group's fours, and a scale for each 16 elements of a long one.
        unsafe {
            add_pairs::<F, M>(&mut pairs, w, &x, i * F::STEPS..(i + 1) * F::STEPS);
            let scale = match F::GRID {
                Grid::Long => *scales.add(i * F::STEPS / 4),
                _ => _mm256_set1_epi16(1),
            };
            for r in 0..M {
                sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(pairs[r], scale));
            }
        }
    }
    sums
}
