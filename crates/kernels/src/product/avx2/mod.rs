//! Products with AVX2: vectors of eight columns.

mod dots;
mod panel;
mod streams;

use std::arch::x86_64::*;
use std::cell::RefCell;

use super::format::{Format, Mins, Scale};
use super::{COLUMNS, Call};
pub(super) use dots::Dots;
use panel::Panel;
use streams::{AHEAD, Streams};

/// Up to so many rows the file's blocks are read as they are; beyond, unpacking them first pays.
const FEW: usize = 8;

/// # Safety
/// As [`super::product`], and the processor has AVX2, FMA and F16C.
pub(super) unsafe fn product<F: Dots>(call: &Call<'_>) {
    // SAFETY: the caller's promise.
    unsafe { if call.x.rows() <= FEW { few::<F>(call) } else { many::<F>(call) } }
}

/// The columns of `call` by eights: the rows of w they start at, and how many they are. Where fewer than eight are left, the
/// last is there more than once.
fn octets<'a>(call: &'a Call<'_>) -> impl Iterator<Item = ([*const u8; COLUMNS], usize, usize)> + 'a {
    let size = call.row_bytes();
    call.columns.clone().step_by(COLUMNS).map(move |first| {
        let count = COLUMNS.min(call.columns.end - first);
        (std::array::from_fn(|i| call.bytes[(first + i.min(count - 1)) * size..].as_ptr()), first, count)
    })
}

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn few<F: Dots>(call: &Call<'_>) {
    let size = call.row_bytes();
    for places in Streams::new(call.columns.clone(), size) {
        let columns = places.map(|column| call.bytes[column * size..].as_ptr());
        let mut r = 0;
        while r < call.x.rows() {
            // SAFETY: as many rows as are left, and the caller's promise.
            unsafe {
                match call.x.rows() - r {
                    1 => few_rows::<F, 1>(call, columns, r, places),
                    2 => few_rows::<F, 2>(call, columns, r, places),
                    3 => few_rows::<F, 3>(call, columns, r, places),
                    _ => few_rows::<F, 4>(call, columns, r, places),
                }
            }
            r += 4;
        }
    }
}

/// Rows `r .. r + M` of x with the columns in eight places.
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn few_rows<F: Dots, const M: usize>(call: &Call<'_>, columns: [*const u8; 8], r: usize, places: [usize; 8]) {
    let (size, groups, x) = (F::GRID.elements(), call.groups::<F>(), call.x);
    let mut y = [_mm256_setzero_ps(); M];
    let mut products = [[_mm256_setzero_si256(); 8]; M];
    let mut mins = [[_mm_setzero_si128(); 8]; M];
    for g in 0..groups {
        let at: [usize; M] = std::array::from_fn(|i| (r + i) * groups + g);
        // SAFETY: group g of each row and column.
        unsafe {
            let x: [Row; M] = std::array::from_fn(|i| Row {
                q: x.q.as_ptr().add(at[i] * size),
                sums: x.sums.as_ptr().add(at[i] * size / 16),
                pairs: x.pairs.as_ptr().add(at[i] * size / 32),
            });
            for c in 0..8 {
                for line in (0..F::BYTES).step_by(64) {
                    _mm_prefetch::<_MM_HINT_T0>(columns[c].wrapping_add(g * F::BYTES + AHEAD + line).cast());
                }
                let (p, m) = F::dot::<M>(columns[c].add(g * F::BYTES), x);
                for i in 0..M {
                    products[i][c] = p[i];
                    mins[i][c] = m[i];
                }
            }
            let (d, dmin) = scales::<F>(columns, g);
            for i in 0..M {
                let dx = _mm256_set1_ps(*call.x.d.get_unchecked(at[i]));
                let sum = _mm256_cvtepi32_ps(sums_of(&products[i]));
                y[i] = _mm256_fmadd_ps(_mm256_mul_ps(d, dx), sum, y[i]);
                if F::MINS == Mins::Own {
                    let sum = _mm256_cvtepi32_ps(sums_of_halves(&mins[i]));
                    y[i] = _mm256_fmadd_ps(_mm256_mul_ps(dmin, dx), sum, y[i]);
                }
            }
        }
    }
    for (i, y) in y.into_iter().enumerate() {
        let mut values = [0.0f32; COLUMNS];
        // SAFETY: room for eight, and the caller's promise.
        unsafe {
            _mm256_storeu_ps(values.as_mut_ptr(), y);
            for (value, column) in values.into_iter().zip(places) {
                *call.y.add((r + i) * call.n + column) = value;
            }
        }
    }
}

/// Activations of one group of one row.
#[derive(Clone, Copy)]
pub(super) struct Row {
    q: *const i8,
    sums: *const i16,
    pairs: *const i16,
}

/// The value of each of `count` columns to its place in row r of y.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn store(call: &Call<'_>, r: usize, first: usize, count: usize, y: __m256) {
    // SAFETY: the caller's promise.
    unsafe {
        let to = call.y.add(r * call.n + first);
        if count == COLUMNS {
            _mm256_storeu_ps(to, y);
        } else {
            let mut values = [0.0f32; COLUMNS];
            _mm256_storeu_ps(values.as_mut_ptr(), y);
            to.copy_from_nonoverlapping(values.as_ptr(), count);
        }
    }
}

/// d and -dmin of block g of each column.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn scales<F: Format>(columns: [*const u8; 8], g: usize) -> (__m256, __m256) {
    let halves = |at: usize| {
        // SAFETY: the caller gives blocks.
        let bits = |c: usize| unsafe { columns[c].add(g * F::BYTES + at).cast::<i16>().read_unaligned() };
        _mm256_cvtph_ps(_mm_setr_epi16(bits(0), bits(1), bits(2), bits(3), bits(4), bits(5), bits(6), bits(7)))
    };
    let d = match F::SCALE {
        Scale::Half => halves(F::D),
        // SAFETY: the caller gives blocks.
        Scale::HalfPower => half_powers(std::array::from_fn(|c| unsafe { *columns[c].add(g * F::BYTES + F::D) })),
    };
    match F::MINS {
        Mins::Own => (d, _mm256_xor_ps(halves(F::DMIN), _mm256_set1_ps(-0.0))),
        Mins::Offset => (d, _mm256_setzero_ps()),
    }
}

/// Eight E8M0 scales, halved, as [`Scale::read`] does one.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn half_powers(x: [u8; 8]) -> __m256 {
    let x = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(i64::from_le_bytes(x)));
    let normal = _mm256_slli_epi32::<23>(_mm256_sub_epi32(x, _mm256_set1_epi32(1)));
    let subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x20_0000), x);
    let least = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), x);
    _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, least))
}

/// The sum of each of eight vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of(v: &[__m256i; 8]) -> __m256i {
    let pair = |i: usize| _mm256_hadd_epi32(v[2 * i], v[2 * i + 1]);
    let (a, b) = (_mm256_hadd_epi32(pair(0), pair(1)), _mm256_hadd_epi32(pair(2), pair(3)));
    _mm256_add_epi32(_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b))
}

/// The sum of each of eight half vectors.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn sums_of_halves(v: &[__m128i; 8]) -> __m256i {
    let four = |i: usize| _mm_hadd_epi32(_mm_hadd_epi32(v[i], v[i + 1]), _mm_hadd_epi32(v[i + 2], v[i + 3]));
    _mm256_set_m128i(four(4), four(0))
}

/// Rows of a tile.
const TILE: usize = 4;

#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn many<F: Dots>(call: &Call<'_>) {
    thread_local! {
        static PANEL: RefCell<Panel> = const { RefCell::new(Panel::new()) };
    }
    PANEL.with_borrow_mut(|panel| {
        for (columns, first, count) in octets(call) {
            // SAFETY: the caller's promise.
            unsafe {
                panel.pack::<F>(columns, call.groups::<F>());
                let (t, mut r) = (call.x.rows(), 0);
                while r < t {
                    match t - r {
                        1 => panel.tile::<F, 1>(call, r, first, count),
                        2 => panel.tile::<F, 2>(call, r, first, count),
                        3 => panel.tile::<F, 3>(call, r, first, count),
                        _ => panel.tile::<F, TILE>(call, r, first, count),
                    }
                    r += TILE;
                }
            }
        }
    });
}
