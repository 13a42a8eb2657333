//! Products with types that are widened to f32 in registers.
//!
//! A tile is some rows of x and some columns, a vector of sums for each pair, so that what is loaded is used several times; a pair's
//! sums are one chain of additions whatever the tile. The rows' elements are gone through in stretches, for which the columns
//! and the rows of a tile lie in the nearest cache, and sums rest in the thread's scratch between them.

use std::arch::x86_64::*;
use std::cell::RefCell;
use std::ops::Range;

use super::super::Call;
use super::super::exact::{BF16, E4M3, Exact, F16, F32, LANES, NVFP4};
use super::super::format::E2M1;
use super::COLUMNS;
use super::streams::{AHEAD, Streams};

/// A type that is widened in registers.
pub(in super::super) trait Widen: Exact {
    /// Elements `8 i ..` of a row, eight of them.
    ///
    /// # Safety
    /// They are there, and the processor has AVX2, FMA and F16C.
    unsafe fn widen(row: *const u8, i: usize) -> __m256;
}

impl Widen for F32 {
    #[inline(always)]
    unsafe fn widen(row: *const u8, i: usize) -> __m256 {
        // SAFETY: eight elements.
        unsafe { _mm256_loadu_ps(row.add(Self::BYTES * i).cast()) }
    }
}

impl Widen for F16 {
    #[inline(always)]
    unsafe fn widen(row: *const u8, i: usize) -> __m256 {
        // SAFETY: eight elements.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(row.add(Self::BYTES * i).cast())) }
    }
}

impl Widen for BF16 {
    #[inline(always)]
    unsafe fn widen(row: *const u8, i: usize) -> __m256 {
        // SAFETY: eight elements.
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(row.add(Self::BYTES * i).cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
}

impl Widen for NVFP4 {
    #[inline(always)]
    unsafe fn widen(row: *const u8, i: usize) -> __m256 {
        // SAFETY: eight elements of a block.
        unsafe {
            let (block, run) = (row.add(i / 8 * Self::BLOCK), i % 8 / 2);
            let scale = _mm256_set1_ps(E4M3[usize::from(*block.add(run))]);
            let both = _mm_loadl_epi64(block.add(4 + 8 * run).cast());
            let codes = if i.is_multiple_of(2) { both } else { _mm_srli_epi16::<4>(both) };
            let codes = _mm_and_si128(codes, _mm_set1_epi8(15));
            let values = _mm_shuffle_epi8(_mm_loadu_si128(E2M1.as_ptr().cast()), codes);
            _mm256_mul_ps(scale, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(values)))
        }
    }
}

/// Up to so many rows columns are read as streams, once; beyond, they are neighbours, and read from the cache by each tile.
const FEW: usize = 8;

/// Rows of the largest tile.
const TILE: usize = 6;

/// Eights of elements in a stretch.
const STRETCH: usize = 128;

/// Eights of elements in a stretch of streams, which are all to go on at the same pace.
const STEP: usize = 16;

/// Sums of each row with eight columns.
type Sums = [__m256; COLUMNS];

/// # Safety
/// As [`super::super::product`], and the processor has AVX2, FMA and F16C.
#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) unsafe fn product<F: Widen>(call: &Call<'_>) {
    thread_local! {
        static SUMS: RefCell<Vec<Sums>> = const { RefCell::new(Vec::new()) };
    }
    SUMS.with_borrow_mut(|sums| {
        if call.x.rows() <= FEW {
            for places in Streams::new(call.columns.clone(), call.row_bytes()) {
                // SAFETY: the caller's promise.
                unsafe { columns::<F, true>(call, &[places], sums) };
            }
        } else {
            let last = call.columns.end.saturating_sub(1);
            let octet = |first: usize| -> [usize; COLUMNS] { std::array::from_fn(|i| (first + i).min(last)) };
            for first in call.columns.clone().step_by(2 * COLUMNS) {
                // SAFETY: the caller's promise.
                unsafe { columns::<F, false>(call, &[octet(first), octet(first + COLUMNS)], sums) };
            }
        }
    });
}

/// All rows with the columns in some eights of places, which may be there more than once.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn columns<F: Widen, const STREAMS: bool>(call: &Call<'_>, places: &[[usize; COLUMNS]], sums: &mut Vec<Sums>) {
    let (t, k, size) = (call.x.rows(), call.x.width, call.row_bytes());
    sums.clear();
    sums.resize(t * places.len(), [_mm256_setzero_ps(); COLUMNS]);
    let (whole, stretch) = (k / LANES, if STREAMS { STEP } else { STRETCH });
    for from in (0..whole).step_by(stretch) {
        let octets = from..whole.min(from + stretch);
        let mut r = 0;
        while r < t {
            let rows = TILE.min(t - r);
            for (places, sums) in places.iter().zip(sums.chunks_exact_mut(t)) {
                let w = places.map(|column| call.bytes[column * size..].as_ptr());
                // SAFETY: rows that are there; whole eights of each column.
                unsafe {
                    tiles::<F, STREAMS>(call.x.exact.as_ptr().add(r * k), k, w, octets.clone(), &mut sums[r..r + rows])
                };
            }
            r += rows;
        }
    }
    for (places, sums) in places.iter().zip(sums.chunks_exact_mut(t)) {
        if k > LANES * whole {
            let rest = places.map(|column| &call.bytes[column * size..][..size][whole * F::BYTES..]);
            // SAFETY: the processor has what this function needs.
            unsafe { add_rest::<F>(call, rest, sums) };
        }
        for (r, sums) in sums.iter().enumerate() {
            let mut values = [0.0f32; COLUMNS];
            // SAFETY: room for eight, and the caller's promise.
            unsafe {
                _mm256_storeu_ps(values.as_mut_ptr(), added(sums));
                for (value, column) in values.into_iter().zip(places) {
                    *call.y.add(r * call.n + column) = value;
                }
            }
        }
    }
}

/// `sums[r][c] += x[r] · w[c]` over some eights, for up to [`TILE`] rows of k from `x` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tiles<F: Widen, const STREAMS: bool>(
    x: *const f32,
    k: usize,
    w: [*const u8; 8],
    octets: Range<usize>,
    sums: &mut [Sums],
) {
    // Twelve sums are enough to keep both multipliers at work, and with what is multiplied all that registers hold.
    // SAFETY: the caller's promise.
    unsafe {
        match sums.len() {
            1 => tile::<F, 1, 8, STREAMS>(x, k, w, octets, sums),
            2 => tile::<F, 2, 4, STREAMS>(x, k, w, octets, sums),
            3 => tile::<F, 3, 4, STREAMS>(x, k, w, octets, sums),
            4 => tile::<F, 4, 2, STREAMS>(x, k, w, octets, sums),
            5 => tile::<F, 5, 2, STREAMS>(x, k, w, octets, sums),
            _ => tile::<F, TILE, 2, STREAMS>(x, k, w, octets, sums),
        }
    }
}

/// The same for R rows, C columns after C.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn tile<F: Widen, const R: usize, const C: usize, const STREAMS: bool>(
    x: *const f32,
    k: usize,
    w: [*const u8; COLUMNS],
    octets: Range<usize>,
    sums: &mut [Sums],
) {
    for c in (0..COLUMNS).step_by(C) {
        let mut y: [[__m256; C]; R] = std::array::from_fn(|r| std::array::from_fn(|i| sums[r][c + i]));
        for o in octets.clone() {
            // SAFETY: the caller's promise.
            unsafe {
                let x = |r: usize| _mm256_loadu_ps(x.add(r * k + LANES * o));
                let w = |i: usize| {
                    if STREAMS && (o * F::BYTES) % 64 < F::BYTES {
                        _mm_prefetch::<_MM_HINT_T0>(w[c + i].wrapping_add(o * F::BYTES + AHEAD).cast());
                    }
                    F::widen(w[c + i], o)
                };
                // Registers hold all of the fewer, and one by one the others.
                if C < R {
                    let w: [__m256; C] = std::array::from_fn(w);
                    for (r, y) in y.iter_mut().enumerate() {
                        let x = x(r);
                        for (y, w) in y.iter_mut().zip(w) {
                            *y = _mm256_fmadd_ps(w, x, *y);
                        }
                    }
                } else {
                    let x: [__m256; R] = std::array::from_fn(x);
                    for i in 0..C {
                        let w = w(i);
                        for (y, x) in y.iter_mut().zip(x) {
                            y[i] = _mm256_fmadd_ps(w, x, y[i]);
                        }
                    }
                }
            }
        }
        for r in 0..R {
            for i in 0..C {
                sums[r][c + i] = y[r][i];
            }
        }
    }
}

/// What is left of rows that are no whole eights, `rest` of each column, with zeros after it.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn add_rest<F: Widen>(call: &Call<'_>, rest: [&[u8]; COLUMNS], sums: &mut [Sums]) {
    let k = call.x.width;
    let w = rest.map(|rest| {
        let mut bytes = [0u8; LANES * size_of::<f32>()];
        bytes[..rest.len()].copy_from_slice(rest);
        bytes
    });
    for (x, sums) in call.x.exact.chunks_exact(k).zip(sums) {
        let mut eight = [0.0f32; LANES];
        eight[..k % LANES].copy_from_slice(&x[k - k % LANES..]);
        for (w, sum) in w.iter().zip(sums) {
            // SAFETY: eight of each.
            *sum = unsafe { _mm256_fmadd_ps(F::widen(w.as_ptr(), 0), _mm256_loadu_ps(eight.as_ptr()), *sum) };
        }
    }
}

/// The sum of each of eight vectors: of values four apart, then two apart, then of the last two.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn added(v: &Sums) -> __m256 {
    let four = |i: usize| {
        let (low, high) = (_mm256_permute2f128_ps::<0x20>(v[i], v[i + 1]), _mm256_permute2f128_ps::<0x31>(v[i], v[i + 1]));
        _mm256_castps_pd(_mm256_add_ps(low, high))
    };
    let two = |i: usize| {
        let (a, b) = (four(i), four(i + 2));
        _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b)))
    };
    let (a, b) = (two(0), two(4));
    let one = _mm256_add_ps(_mm256_shuffle_ps::<0b10_00_10_00>(a, b), _mm256_shuffle_ps::<0b11_01_11_01>(a, b));
    // Columns 0, 2, 4, 6 and then 1, 3, 5, 7.
    _mm256_permutevar8x32_ps(one, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))
}
