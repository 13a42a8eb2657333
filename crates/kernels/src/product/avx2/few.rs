//! Few rows of x with the file's own blocks.
//!
//! Eight columns run side by side, because the sums of eight then take one reduction and the floats one chain, and because they
//! are the eight [`Streams`] that weights are read as: each column's blocks are read once, one after another, for all rows.

use std::arch::x86_64::*;

use super::super::format::{Format, Mins};
use super::super::{COLUMNS, Call};
use super::dots::Dots;
use super::streams::{AHEAD, Streams};
use super::turn::{self, Turned};
use super::{scales, store};

/// A type whose blocks are multiplied as they are, of eight columns at a time.
pub(in super::super) trait Octets: Format + Sized {
    /// Up to so many rows the blocks are multiplied as they are; beyond, unpacking and turning them first pays.
    const FEW: usize = 8;

    /// What the blocks at byte `at` of eight columns give with a group of each row.
    ///
    /// # Safety
    /// There are blocks and groups, and the processor has AVX2, FMA and F16C.
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M>;

    /// Unpacks the blocks at byte `at` of eight columns for many rows; d and -dmin are given back.
    ///
    /// # Safety
    /// As [`turn::plainly`].
    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { turn::plainly::<Self>(columns, at, to) }
    }
}

/// A block of each of eight columns with a group of each of M rows; a column a lane.
pub(in super::super) struct Octet<const M: usize> {
    /// The whole numbers of the products, less an offset's part.
    pub(super) products: [__m256i; M],
    /// The whole numbers of the minimums, of types that have them.
    pub(super) mins: [__m256i; M],
    /// What the first are multiplied by.
    pub(super) d: __m256,
    /// What the second are multiplied by: -dmin.
    pub(super) dmin: __m256,
}

/// Activations of one group of one row.
#[derive(Clone, Copy)]
pub(in super::super) struct Row {
    pub(super) q: *const i8,
    pub(super) sums: *const i16,
    pub(super) pairs: *const i16,
}

/// # Safety
/// As [`super::product`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn product<F: Octets>(call: &Call<'_>) {
    let size = call.row_bytes();
    for places in Streams::new(call.columns.clone(), size) {
        let columns = places.map(|column| call.bytes[column * size..].as_ptr());
        let mut r = 0;
        while r < call.x.rows() {
            // SAFETY: as many rows as are left, and the caller's promise.
            unsafe {
                match call.x.rows() - r {
                    1 => rows::<F, 1>(call, &columns, r, places),
                    2 => rows::<F, 2>(call, &columns, r, places),
                    3 => rows::<F, 3>(call, &columns, r, places),
                    _ => rows::<F, 4>(call, &columns, r, places),
                }
            }
            r += 4;
        }
    }
}

/// Rows `r .. r + M` of x with the columns in eight places.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn rows<F: Octets, const M: usize>(call: &Call<'_>, columns: &[*const u8; 8], r: usize, places: [usize; 8]) {
    let (size, groups, x) = (F::GRID.elements(), call.groups::<F>(), call.x);
    let mut y = [_mm256_setzero_ps(); M];
    for g in 0..groups {
        let at: [usize; M] = std::array::from_fn(|i| (r + i) * groups + g);
        // SAFETY: group g of each row and column.
        unsafe {
            let group: [Row; M] = std::array::from_fn(|i| Row {
                q: x.q.as_ptr().add(at[i] * size),
                sums: x.sums.as_ptr().add(at[i] * size / 16),
                pairs: x.pairs.as_ptr().add(at[i] * size / 32),
            });
            let octet = F::octet::<M>(columns, g * F::BYTES, &group);
            for i in 0..M {
                let dx = _mm256_set1_ps(*x.d.get_unchecked(at[i]));
                y[i] = _mm256_fmadd_ps(_mm256_mul_ps(octet.d, dx), _mm256_cvtepi32_ps(octet.products[i]), y[i]);
                if F::MINS == Mins::Own {
                    y[i] = _mm256_fmadd_ps(_mm256_mul_ps(octet.dmin, dx), _mm256_cvtepi32_ps(octet.mins[i]), y[i]);
                }
            }
        }
    }
    for (i, y) in y.into_iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { store(call, r + i, places, y) };
    }
}

impl<F: Dots> Octets for F {
    const FEW: usize = <F as Dots>::FEW;

    #[inline(always)]
    unsafe fn octet<const M: usize>(columns: &[*const u8; COLUMNS], at: usize, x: &[Row; M]) -> Octet<M> {
        // SAFETY: the caller's promise.
        unsafe {
            let mut products = [[_mm256_setzero_si256(); COLUMNS]; M];
            let mut mins = [[_mm_setzero_si128(); COLUMNS]; M];
            for c in 0..COLUMNS {
                ask::<F>(columns[c], at);
                let (p, m) = F::dot::<M>(columns[c].add(at), *x);
                for i in 0..M {
                    products[i][c] = p[i];
                    mins[i][c] = m[i];
                }
            }
            let (d, dmin) = scales::<F>(columns.map(|column| column.add(at)));
            let mut octet = Octet { products: [_mm256_setzero_si256(); M], mins: [_mm256_setzero_si256(); M], d, dmin };
            for i in 0..M {
                octet.products[i] = sums_of(&products[i]);
                if F::MINS == Mins::Own {
                    octet.mins[i] = sums_of_halves(&mins[i]);
                }
            }
            octet
        }
    }

    #[inline(always)]
    unsafe fn turn(columns: &[*const u8; COLUMNS], at: usize, to: Turned<'_>) -> (__m256, __m256) {
        // SAFETY: the caller's promise.
        unsafe { <F as Dots>::turn(columns, at, to) }
    }
}

/// Asks memory for what comes [`AHEAD`] of the block at byte `at` of a column; of blocks of less than a line, once a line.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn ask<F: Format>(column: *const u8, at: usize) {
    if at.wrapping_neg() % 64 >= F::BYTES {
        return;
    }
    for line in (0..F::BYTES).step_by(64) {
        _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(at + AHEAD + line).cast());
    }
}

/// The sum of each of eight vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn sums_of(v: &[__m256i; 8]) -> __m256i {
    halves_added(fours([v[0], v[1], v[2], v[3]]), fours([v[4], v[5], v[6], v[7]]))
}

/// The sums of the first vector's halves, then those of the second's.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn halves_added(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b))
}

/// The sum of each half of four vectors, those of low halves in the low half. By unpacking, which costs a third of horizontal
/// additions.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn fours(v: [__m256i; 4]) -> __m256i {
    let two = |a: __m256i, b: __m256i| _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    let (ab, cd) = (two(v[0], v[1]), two(v[2], v[3]));
    _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd))
}

/// The sum of each of eight half vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of_halves(v: &[__m128i; 8]) -> __m256i {
    let both = |i: usize| _mm256_set_m128i(v[i + 4], v[i]);
    fours([both(0), both(1), both(2), both(3)])
}
