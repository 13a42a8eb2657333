//! Rows in the form that products read, made once for all the weights they are multiplied with.

use std::marker::PhantomData;

use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;

/// What products with a weight type read of x: `d · q` with q in -127 ..= 127 and a scale d a group of elements, or x itself.
/// The groups are llama.cpp's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grid {
    /// Groups of 256: k-quants.
    #[default]
    Long,
    /// Groups of 32, whose scale is rounded to half precision: the other quantised types.
    Short,
    /// Not rounded: types that are not quantised.
    Exact,
}

impl Grid {
    /// Elements of a group; 1 where there are no groups.
    pub const fn elements(self) -> usize {
        match self {
            Self::Long => 256,
            Self::Short => 32,
            Self::Exact => 1,
        }
    }
}

/// Rows x (t, k) in the form of a [`Grid`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activations {
    grid: Grid,
    /// (t, k): x, of [`Grid::Exact`].
    pub(crate) exact: Vec<f32>,
    /// (t, k)
    pub(crate) q: Vec<i8>,
    /// (t, k / group)
    pub(crate) d: Vec<f32>,
    /// (t, k / 16): sums of q.
    pub(crate) sums: Vec<i16>,
    /// (t, k / 32): sums of q.
    pub(crate) pairs: Vec<i16>,
    /// k.
    pub(crate) width: usize,
    /// t.
    rows: usize,
}

impl Activations {
    /// As many rows of k elements as `x`, (t, k), has, in the form of `grid`; what was here before is gone.
    ///
    /// # Panics
    /// When k is no whole number of the grid's groups.
    pub fn set(&mut self, isa: Isa, grid: Grid, x: &[f32], k: usize) {
        assert!(k > 0 && x.len().is_multiple_of(k), "rows of k");
        let rows = self.reset(grid, x.len() / k, k);
        for (r, x) in x.chunks_exact(k).enumerate() {
            // SAFETY: row r is there, and this thread's.
            unsafe { rows.set(isa, r, x) };
        }
    }

    /// Room for t rows of k elements in the form of `grid`, which are then set one by one, by any thread. Unset rows are
    /// whatever was there before.
    ///
    /// # Panics
    /// When k is no whole number of the grid's groups.
    pub fn reset(&mut self, grid: Grid, t: usize, k: usize) -> RowsToSet<'_> {
        let size = grid.elements();
        assert!(k > 0 && k.is_multiple_of(size), "rows of whole groups");
        (self.grid, self.width, self.rows) = (grid, k, t);
        let n = t * k;
        if grid == Grid::Exact {
            self.exact.resize(n, 0.0);
        } else {
            self.q.resize(n, 0);
            self.d.resize(n / size, 0.0);
            self.sums.resize(n / 16, 0);
            self.pairs.resize(n / 32, 0);
        }
        RowsToSet {
            grid,
            width: k,
            rows: t,
            exact: self.exact.as_mut_ptr(),
            q: self.q.as_mut_ptr(),
            d: self.d.as_mut_ptr(),
            sums: self.sums.as_mut_ptr(),
            pairs: self.pairs.as_mut_ptr(),
            of: PhantomData,
        }
    }

    /// The form they are in.
    pub(crate) fn grid(&self) -> Grid {
        self.grid
    }

    /// t.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// Rows of [`Activations`] that are to be set, once each.
#[derive(Clone, Copy)]
pub struct RowsToSet<'a> {
    grid: Grid,
    width: usize,
    rows: usize,
    exact: *mut f32,
    q: *mut i8,
    d: *mut f32,
    sums: *mut i16,
    pairs: *mut i16,
    of: PhantomData<&'a mut Activations>,
}

// SAFETY: it writes to places of its rows only, and whoever sets a row says that nobody else does.
unsafe impl Send for RowsToSet<'_> {}
// SAFETY: as above.
unsafe impl Sync for RowsToSet<'_> {}

impl RowsToSet<'_> {
    /// Sets row r to `x`, (k).
    ///
    /// # Safety
    /// No other thread sets the same row.
    ///
    /// # Panics
    /// When there is no such row, or x is not k elements.
    pub unsafe fn set(&self, isa: Isa, r: usize, x: &[f32]) {
        let k = self.width;
        assert!(r < self.rows && x.len() == k, "a row that is there");
        let groups = k / self.grid.elements();
        // SAFETY: `reset` made room for this row, which is the caller's alone.
        let to = unsafe {
            if self.grid == Grid::Exact {
                return std::slice::from_raw_parts_mut(self.exact.add(r * k), k).copy_from_slice(x);
            }
            Groups {
                q: std::slice::from_raw_parts_mut(self.q.add(r * k), k),
                d: std::slice::from_raw_parts_mut(self.d.add(r * groups), groups),
                sums: std::slice::from_raw_parts_mut(self.sums.add(r * k / 16), k / 16),
                pairs: std::slice::from_raw_parts_mut(self.pairs.add(r * k / 32), k / 32),
            }
        };
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the processor has what an `Isa` names.
            Kind::Avx2 | Kind::Avx512 => unsafe { wide::round(self.grid, x, to) },
            _ => round(self.grid, x, to),
        }
    }
}

/// Where groups go.
struct Groups<'a> {
    q: &'a mut [i8],
    d: &'a mut [f32],
    sums: &'a mut [i16],
    pairs: &'a mut [i16],
}

/// What a group is divided by, and its scale, for the largest of its magnitudes.
#[inline(always)]
fn scales(grid: Grid, largest: f32) -> (f32, f32) {
    if largest == 0.0 {
        return (0.0, 0.0);
    }
    match grid {
        Grid::Long | Grid::Exact => {
            let inverse = 127.0 / largest;
            (inverse, inverse.recip())
        }
        Grid::Short => {
            let step = largest / 127.0;
            (step.recip(), step)
        }
    }
}

fn round(grid: Grid, x: &[f32], to: Groups<'_>) {
    let size = grid.elements();
    for ((x, q), d) in x.chunks_exact(size).zip(to.q.chunks_exact_mut(size)).zip(to.d) {
        let largest = x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let (inverse, step) = scales(grid, largest);
        for (q, x) in q.iter_mut().zip(x) {
            *q = (inverse * x).round_ties_even() as i8;
        }
        *d = if grid == Grid::Short { half::f16::from_f32(step).to_f32() } else { step };
    }
    for (q, sum) in to.q.chunks_exact(16).zip(&mut *to.sums) {
        *sum = q.iter().map(|&q| i16::from(q)).sum();
    }
    for (halves, sum) in to.sums.chunks_exact(2).zip(to.pairs) {
        *sum = halves[0] + halves[1];
    }
}

/// The same with AVX2.
#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::*;

    use super::{Grid, Groups, scales};

    /// # Safety
    /// The processor has AVX2, FMA and F16C.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) unsafe fn round(grid: Grid, x: &[f32], to: Groups<'_>) {
        let size = grid.elements();
        for (g, (x, d)) in x.chunks_exact(size).zip(to.d).enumerate() {
            let sign = _mm256_set1_ps(-0.0);
            let mut most = _mm256_setzero_ps();
            for x in x.as_chunks::<8>().0 {
                // SAFETY: eight floats.
                most = _mm256_max_ps(most, _mm256_andnot_ps(sign, unsafe { _mm256_loadu_ps(x.as_ptr()) }));
            }
            let (inverse, step) = scales(grid, largest(most));
            *d = if grid == Grid::Short { half(step) } else { step };
            let inverse = _mm256_set1_ps(inverse);
            for (i, x) in x.as_chunks::<32>().0.iter().enumerate() {
                let at = g * size + 32 * i;
                // SAFETY: 32 floats; 32 bytes, two sums and one of both from `at` on.
                unsafe {
                    let rounded =
                        |i: usize| _mm256_cvtps_epi32(_mm256_mul_ps(inverse, _mm256_loadu_ps(x.as_ptr().add(8 * i))));
                    let words = (_mm256_packs_epi32(rounded(0), rounded(1)), _mm256_packs_epi32(rounded(2), rounded(3)));
                    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                    let q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words.0, words.1), order);
                    _mm256_storeu_si256(to.q.as_mut_ptr().add(at).cast(), q);
                    // Eights: bytes with 128 added, summed four by four halves of 64 bits.
                    let eights = _mm256_sad_epu8(_mm256_xor_si256(q, _mm256_set1_epi8(i8::MIN)), _mm256_setzero_si256());
                    let sum = |low: i64, high: i64| (low + high) as i16 - 16 * 128;
                    let first = sum(_mm256_extract_epi64::<0>(eights), _mm256_extract_epi64::<1>(eights));
                    let second = sum(_mm256_extract_epi64::<2>(eights), _mm256_extract_epi64::<3>(eights));
                    *to.sums.get_unchecked_mut(at / 16) = first;
                    *to.sums.get_unchecked_mut(at / 16 + 1) = second;
                    *to.pairs.get_unchecked_mut(at / 32) = first + second;
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn largest(v: __m256) -> f32 {
        let four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn half(x: f32) -> f32 {
        _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(_mm_set_ss(x))))
    }
}
