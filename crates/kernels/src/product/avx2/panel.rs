//! Eight columns' blocks, unpacked and interleaved.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::Call;
use super::super::format::{Format, Mins, Unpacked};
use super::store;
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
}

impl Panel {
    pub(super) const fn new() -> Self {
        Self { q: Vec::new(), scales: Vec::new(), mins: Vec::new(), d: Vec::new(), offset: 0 }
    }

    /// # Safety
    /// Each column has as many blocks, and the processor has AVX2, FMA and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn pack<F: Format>(&mut self, columns: [*const u8; 8], groups: usize) {
        self.q.clear();
        self.scales.clear();
        self.mins.clear();
        self.d.clear();
        self.q.reserve(groups * F::GRID.elements() / 4);
        let zero = _mm256_setzero_si256();
        let mut blocks: [Unpacked; 8] = std::array::from_fn(|_| Unpacked::default());
        for g in 0..groups {
            for (block, column) in blocks.iter_mut().zip(columns) {
                // SAFETY: the caller's promise.
                F::unpack(unsafe { std::slice::from_raw_parts(column.add(g * F::BYTES), F::BYTES) }, block);
            }
            for i in 0..F::GRID.elements() / 32 {
                // SAFETY: 32 bytes of 256.
                let rows = std::array::from_fn(|c| unsafe { _mm256_loadu_si256(blocks[c].q[32 * i..].as_ptr().cast()) });
                // Elements of such types are signed bytes.
                let sign = _mm256_set1_epi8(if F::SIGNED { i8::MIN } else { 0 });
                self.q.extend(turned(rows).map(|v| _mm256_xor_si256(v, sign)));
            }
            if F::GRID == Grid::Long {
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
                self.scales.extend(turned(low));
                self.scales.extend(turned(high));
                self.mins.extend(turned(mins));
            } else {
                self.offset = i32::from(blocks[0].mins[0]);
            }
            // SAFETY: the caller's promise.
            self.d.push(unsafe { super::scales::<F>(columns.map(|column| column.add(g * F::BYTES))) });
        }
    }

    /// Rows `r .. r + M` of x with these columns.
    ///
    /// # Safety
    /// As [`super::super::product`], for a panel of `F` with the call's groups.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn tile<F: Format, const M: usize>(&self, call: &Call<'_>, r: usize, first: usize, count: usize) {
        let (size, groups, x) = (F::GRID.elements(), call.groups::<F>(), call.x);
        let mut y = [_mm256_setzero_ps(); M];
        for g in 0..groups {
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
            unsafe { store(call, r + i, first, count, y) };
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

/// Rows of eight 32-bit values to columns.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn turned(rows: [__m256i; 8]) -> [__m256i; 8] {
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
