//! Products with AVX-512 VNNI: vectors of sixteen columns.
//!
//! Blocks of sixteen columns are interleaved, a stretch of 256 elements at a time, and all rows are multiplied with that panel
//! while it lies in the nearest cache. Meanwhile the next stretch is asked for: a tile of rows takes so long that the processor
//! does not see what it will have to read after it.

mod fours;
mod panel;
mod rows;
mod tile;

use std::arch::x86_64::*;
use std::cell::RefCell;

use wick_weights::DType;

use super::Call;
use super::format::{Q4_0, Q4K, Q5K, Q6K, Q8_0};
use super::streams::Streams;
use fours::Fours;
use panel::{Panel, STRETCH};
use rows::Slice;
use tile::{Ahead, tile};

/// Columns computed side by side.
const LANES: usize = 16;

/// Up to so many rows what counts is how fast memory is read, and columns are read as streams.
const FEW: usize = 32;

/// Rows of a tile: as many as registers hold sums of.
const TILE: usize = 8;

/// Sixteens of columns whose sums are kept until they are stored, a row of them after another.
const TOGETHER: usize = 4;

/// Bytes of rows that are gone through for each panel: about what the second cache has room for.
const ROWS: usize = 512 << 10;

/// A product: safe to call as [`super::product`], where the processor has AVX-512 F, BW, VL and VNNI.
type Product = unsafe fn(&Call<'_>);

/// The product of t rows with this type, if there is one here, and it is faster than AVX2's.
pub(super) fn known(dtype: DType, t: usize) -> Option<Product> {
    fn of<F: Fours>(t: usize) -> Option<Product> {
        (t >= F::FROM).then_some(product::<F>)
    }
    match dtype {
        DType::Q4_0 => of::<Q4_0>(t),
        DType::Q8_0 => of::<Q8_0>(t),
        DType::Q4_K => of::<Q4K>(t),
        DType::Q5_K => of::<Q5K>(t),
        DType::Q6_K => of::<Q6K>(t),
        _ => None,
    }
}

/// What a thread keeps.
struct Scratch {
    rows: Vec<Slice>,
    /// For each sixteen columns those of each row.
    y: Vec<__m512>,
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn product<F: Fours>(call: &Call<'_>) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { rows: Vec::new(), y: Vec::new() }) };
    }
    let (t, stretches) = (call.x.rows(), call.x.width.div_ceil(STRETCH));
    let most = (ROWS / (stretches * size_of::<Slice>())).max(1).next_multiple_of(TILE);
    SCRATCH.with_borrow_mut(|scratch| {
        for from in (0..t).step_by(most) {
            let t = most.min(t - from);
            rows::set::<F>(call.x, from, t, &mut scratch.rows);
            scratch.y.resize(t * TOGETHER, _mm512_setzero_ps());
            // SAFETY: the caller's promise.
            unsafe { if t <= FEW { apart::<F>(call, from, t, scratch) } else { side_by_side::<F>(call, from, t, scratch) } }
        }
    });
}

/// Columns that lie far apart, each the next of its stream.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn apart<F: Fours>(call: &Call<'_>, from: usize, t: usize, scratch: &mut Scratch) {
    let y = &mut scratch.y[..t];
    for places in Streams::new(call.columns.clone(), call.row_bytes()) {
        let offsets = places.map(|column| (column - places[0]) as i32);
        // SAFETY: the caller's promise.
        unsafe {
            // What comes next of a column; after its end the next column of its stream comes.
            columns::<F>(call, places, &scratch.rows, y, |columns, next, bytes| Ahead {
                pieces: columns.map(|at| at.wrapping_add(next)),
                bytes,
            });
            let offsets = _mm512_loadu_si512(offsets.as_ptr().cast());
            for (r, y) in y.iter().enumerate() {
                _mm512_i32scatter_ps::<4>(call.y.add((from + r) * call.n + places[0]), offsets, *y);
            }
        }
    }
}

/// Neighbouring columns.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn side_by_side<F: Fours>(call: &Call<'_>, from: usize, t: usize, scratch: &mut Scratch) {
    let (size, end) = (call.row_bytes(), call.columns.end);
    for first in call.columns.clone().step_by(LANES * TOGETHER) {
        let firsts = (first..end).step_by(LANES).take(TOGETHER);
        for (first, y) in firsts.clone().zip(scratch.y.chunks_exact_mut(t)) {
            let places = std::array::from_fn(|i| (first + i).min(end - 1));
            // SAFETY: the caller's promise.
            unsafe {
                // As much of the next sixteen columns, from the first byte to the last.
                columns::<F>(call, places, &scratch.rows, y, |columns, next, bytes| {
                    let from = columns[0].wrapping_add(LANES * (size + next - bytes));
                    Ahead { pieces: std::array::from_fn(|i| from.wrapping_add(i * bytes)), bytes }
                });
            }
        }
        for r in 0..t {
            for (i, first) in firsts.clone().enumerate() {
                let mask = ((1u32 << LANES.min(end - first)) - 1) as __mmask16;
                // SAFETY: the caller's promise.
                unsafe { _mm512_mask_storeu_ps(call.y.add((from + r) * call.n + first), mask, scratch.y[i * t + r]) };
            }
        }
    }
}

/// Multiplies the columns in these places with `rows`, to `y`. While a stretch of each column is multiplied, what `ahead` tells is
/// asked for: it is given the columns, the byte at which their stretch ends and how many bytes it has.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns<F: Fours>(
    call: &Call<'_>,
    places: [usize; LANES],
    rows: &[Slice],
    y: &mut [__m512],
    ahead: impl Fn(&[*const u8; LANES], usize, usize) -> Ahead,
) {
    let (size, t) = (call.row_bytes(), y.len());
    let columns = places.map(|column| call.bytes[column * size..][..size].as_ptr());
    let (groups, each) = (call.groups::<F>(), STRETCH / F::GRID.elements());
    let mut panel = Panel::new();
    y.fill(_mm512_setzero_ps());
    for (s, g) in (0..groups).step_by(each).enumerate() {
        let groups = each.min(groups - g);
        for i in 0..groups {
            // SAFETY: blocks of sixteen columns.
            unsafe { F::pack(&columns.map(|column| column.add((g + i) * F::BYTES)), i, &mut panel) };
        }
        let mut ahead = ahead(&columns, (g + groups) * F::BYTES, groups * F::BYTES);
        for r in (0..t).step_by(TILE) {
            // SAFETY: as many rows as are left, each with a slice of this stretch.
            unsafe {
                let (x, y) = (rows.as_ptr().add(s * t + r), y.as_mut_ptr().add(r));
                match t - r {
                    1 => tile::<F, 1>(&panel, groups, x, &ahead, y),
                    2 => tile::<F, 2>(&panel, groups, x, &ahead, y),
                    3 => tile::<F, 3>(&panel, groups, x, &ahead, y),
                    4 => tile::<F, 4>(&panel, groups, x, &ahead, y),
                    5 => tile::<F, 5>(&panel, groups, x, &ahead, y),
                    6 => tile::<F, 6>(&panel, groups, x, &ahead, y),
                    7 => tile::<F, 7>(&panel, groups, x, &ahead, y),
                    _ => tile::<F, TILE>(&panel, groups, x, &ahead, y),
                }
            }
            ahead.bytes = 0;
        }
    }
}
