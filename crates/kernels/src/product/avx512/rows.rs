//! Rows of x as tiles read them: whatever a stretch needs lies together, one row after another.

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

/// Makes `to` stretch `s` of the rows `from .. from + t` of x.
pub(super) fn set<F: Fours>(x: &Activations, from: usize, t: usize, to: &mut Vec<Slice>) {
    let k = x.width;
    let stretches = k.div_ceil(STRETCH);
    to.resize(t * stretches, EMPTY);
    for r in 0..t {
        let at = (from + r) * k;
        for (s, q) in x.q[at..at + k].chunks(STRETCH).enumerate() {
            let slice = &mut to[s * t + r];
            let at = at + s * STRETCH;
            slice.q[..q.len()].copy_from_slice(q);
            let d = &x.d[at / F::GRID.elements()..][..q.len() / F::GRID.elements()];
            slice.d[..d.len()].copy_from_slice(d);
            let (sums, pairs) = (&x.sums[at / 16..][..q.len() / 16], &x.pairs[at / 32..][..q.len() / 32]);
            match F::GRID {
                _ if F::OFFSET == 0 => {
                    for (to, pair) in slice.sums.iter_mut().zip(pairs.as_chunks::<2>().0) {
                        *to = i32::from(pair[0] as u16) | i32::from(pair[1]) << 16;
                    }
                }
                Grid::Long => {
                    for (to, &sum) in slice.sums.iter_mut().zip(sums) {
                        *to = -F::OFFSET * i32::from(sum);
                    }
                }
                _ => {
                    for (to, &sum) in slice.sums.iter_mut().zip(pairs) {
                        *to = -F::OFFSET * i32::from(sum);
                    }
                }
            }
        }
    }
}
