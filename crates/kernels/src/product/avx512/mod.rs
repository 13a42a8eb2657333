//! Products with AVX-512 VNNI: vectors of sixteen columns.
//!
//! Blocks of sixteen columns are interleaved, a stretch of 256 elements at a time, and all rows are multiplied with that panel
//! while it lies in the nearest cache.

mod fours;
mod panel;
mod rows;
mod tile;

use std::arch::x86_64::*;
use std::cell::RefCell;

use wick_weights::DType;

use super::Call;
use super::format::{Q4_0, Q4K, Q5K, Q6K, Q8_0};
use fours::Fours;
use panel::{Panel, STRETCH};
use rows::Slice;
use tile::tile;

/// From so many rows on these products are faster than AVX2's.
pub(super) const MANY: usize = 8;

/// Columns computed side by side.
const LANES: usize = 16;

/// Rows of a tile: as many as registers hold sums of.
const TILE: usize = 8;

/// Bytes of rows that are gone through for each panel: about what the second cache has room for.
const ROWS: usize = 512 << 10;

/// A product.
///
/// Safe to call as [`super::product`], where the processor has AVX-512 F, BW, VL and VNNI.
type Product = unsafe fn(&Call<'_>);

/// The product with this type, if there is one here.
pub(super) fn known(dtype: DType) -> Option<Product> {
    match dtype {
        DType::Q4_0 => Some(product::<Q4_0>),
        DType::Q8_0 => Some(product::<Q8_0>),
        DType::Q4_K => Some(product::<Q4K>),
        DType::Q5_K => Some(product::<Q5K>),
        DType::Q6_K => Some(product::<Q6K>),
        _ => None,
    }
}

/// What a thread keeps.
struct Scratch {
    rows: Vec<Slice>,
    /// Sixteen columns of each row.
    y: Vec<__m512>,
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn product<F: Fours>(call: &Call<'_>) {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch { rows: Vec::new(), y: Vec::new() }) };
    }
    let (t, stretches) = (call.x.rows(), call.x.width.div_ceil(STRETCH));
    let most = (ROWS / (stretches * size_of::<Slice>())).next_multiple_of(TILE);
    SCRATCH.with_borrow_mut(|scratch| {
        for from in (0..t).step_by(most) {
            let t = most.min(t - from);
            rows::set::<F>(call.x, from, t, &mut scratch.rows);
            scratch.y.resize(t, _mm512_setzero_ps());
            for first in call.columns.clone().step_by(LANES) {
                scratch.y.fill(_mm512_setzero_ps());
                let count = LANES.min(call.columns.end - first);
                // SAFETY: the caller's promise.
                unsafe {
                    columns::<F>(call, first, count, scratch);
                    let mask = ((1u32 << count) - 1) as __mmask16;
                    for (r, y) in scratch.y.iter().enumerate() {
                        _mm512_mask_storeu_ps(call.y.add((from + r) * call.n + first), mask, *y);
                    }
                }
            }
        }
    });
}

/// Adds the `count` columns from `first` on of all rows in the scratch.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns<F: Fours>(call: &Call<'_>, first: usize, count: usize, scratch: &mut Scratch) {
    let (size, t) = (call.row_bytes(), scratch.y.len());
    // Where fewer columns are left, the last is there more than once.
    let columns: [&[u8]; LANES] = std::array::from_fn(|i| &call.bytes[(first + i.min(count - 1)) * size..][..size]);
    let (groups, each) = (call.groups::<F>(), STRETCH / F::GRID.elements());
    let mut panel = Panel::new();
    for (s, g) in (0..groups).step_by(each).enumerate() {
        let groups = each.min(groups - g);
        let ahead = columns[0].as_ptr().wrapping_add((size + g * F::BYTES) * LANES);
        for line in (0..LANES * groups * F::BYTES).step_by(64) {
            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(line).cast());
        }
        for i in 0..groups {
            let blocks = std::array::from_fn(|c| columns[c][(g + i) * F::BYTES..].as_ptr());
            // SAFETY: blocks of sixteen columns.
            unsafe { F::pack(&blocks, i, &mut panel) };
        }
        for r in (0..t).step_by(TILE) {
            // SAFETY: as many rows as are left, each with a slice of this stretch.
            unsafe {
                let (x, y) = (scratch.rows.as_ptr().add(s * t + r), scratch.y.as_mut_ptr().add(r));
                match t - r {
                    1 => tile::<F, 1>(&panel, groups, x, y),
                    2 => tile::<F, 2>(&panel, groups, x, y),
                    3 => tile::<F, 3>(&panel, groups, x, y),
                    4 => tile::<F, 4>(&panel, groups, x, y),
                    5 => tile::<F, 5>(&panel, groups, x, y),
                    6 => tile::<F, 6>(&panel, groups, x, y),
                    7 => tile::<F, 7>(&panel, groups, x, y),
                    _ => tile::<F, TILE>(&panel, groups, x, y),
                }
            }
        }
    }
}
