//! Rows of x as tiles read them: whatever a stretch needs lies together, one row after another.

use super::super::format::Mins;
use super::fours::Fours;
use super::panel::STRETCH;
use crate::{Activations, Grid};

/// A stretch of a row.
#[repr(C, align(32))]
#[derive(Clone)]
pub(super) struct Slice {
    /// q
    pub(super) q: [i8; STRETCH],
    /// Where there are minimums: two sums of 32 elements each (i16). Otherwise what sums of products start at, a sub-block each:
    /// the sum of the elements, times the weights' offset, negated.
    pub(super) sums: [i32; STRETCH / 16],
    /// d of each group.
    pub(super) d: [f32; STRETCH / 32],
}

const EMPTY: Slice = Slice { q: [0; STRETCH], sums: [0; STRETCH / 16], d: [0.0; STRETCH / 32] };

/// Makes `to` the rows `from .. from + t` of x: of each stretch all rows, one stretch after another.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) fn set<F: Fours>(x: &Activations, from: usize, t: usize, to: &mut Vec<Slice>) {
    let (k, size) = (x.width, F::GRID.elements());
    to.resize(t * k.div_ceil(STRETCH), EMPTY);
    for r in 0..t {
        let at = (from + r) * k;
        for (s, q) in x.q[at..at + k].chunks(STRETCH).enumerate() {
            let (at, slice) = (at + s * STRETCH, &mut to[s * t + r]);
            slice.q[..q.len()].copy_from_slice(q);
            slice.d[..q.len() / size].copy_from_slice(&x.d[at / size..][..q.len() / size]);
            let pairs = &x.pairs[at / 32..][..q.len() / 32];
            if F::MINS == Mins::Own {
                for (to, pair) in slice.sums.iter_mut().zip(pairs.as_chunks::<2>().0) {
                    *to = i32::from(pair[0] as u16) | i32::from(pair[1]) << 16;
                }
                continue;
            }
            let sums = if F::GRID == Grid::Long { &x.sums[at / 16..][..q.len() / 16] } else { pairs };
            for (to, &sum) in slice.sums.iter_mut().zip(sums) {
                *to = -F::OFFSET * i32::from(sum);
            }
        }
    }
}
