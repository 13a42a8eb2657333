//! What is known of rows after some of their positions, and how the parts of a row become one.

use super::vector::{Vector, exp};

/// For each row the largest score so far, the sum of `e^(score - largest)`, and the values mixed with these weights.
#[derive(Clone, Copy)]
pub(super) struct Part {
    /// (rows): minus infinity where a row has seen nothing.
    pub(super) max: *mut f32,
    /// (rows)
    pub(super) sum: *mut f32,
    /// (rows, width)
    pub(super) out: *mut f32,
    pub(super) width: usize,
}

impl Part {
    /// Floats that so many rows take, a multiple of 16.
    pub(super) fn floats(rows: usize, width: usize) -> usize {
        2 * rows.next_multiple_of(16) + rows * width
    }

    /// A part in that many floats.
    ///
    /// # Safety
    /// They are there.
    pub(super) unsafe fn new(floats: *mut f32, rows: usize, width: usize) -> Self {
        let padded = rows.next_multiple_of(16);
        // SAFETY: the caller's promise.
        unsafe { Self { max: floats, sum: floats.add(padded), out: floats.add(2 * padded), width } }
    }

    /// Nothing seen by any row.
    ///
    /// # Safety
    /// The rows are there, and nobody else's.
    pub(super) unsafe fn clear(self, rows: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            std::slice::from_raw_parts_mut(self.max, rows).fill(f32::NEG_INFINITY);
            self.sum.write_bytes(0, rows);
            self.out.write_bytes(0, rows * self.width);
        }
    }

    /// Takes in a later part.
    ///
    /// # Safety
    /// Both have the rows, and the processor has the instructions.
    #[inline(always)]
    pub(super) unsafe fn merge<V: Vector>(self, later: Part, rows: usize) {
        for row in 0..rows {
            // SAFETY: the caller's promise.
            unsafe {
                let (max, sum) = (self.max.add(row), self.sum.add(row));
                let (new, new_sum) = (*later.max.add(row), *later.sum.add(row));
                let (to, from) = (self.out.add(row * self.width), later.out.add(row * self.width));
                if new_sum == 0.0 {
                    continue;
                }
                if *sum == 0.0 {
                    (*max, *sum) = (new, new_sum);
                    to.copy_from_nonoverlapping(from, self.width);
                    continue;
                }
                let most = if new > *max { new } else { *max };
                let (old, new) = (power::<V>(*max, most), power::<V>(new, most));
                (*max, *sum) = (most, *sum * old + new_sum * new);
                let (old, new) = (V::splat(old), V::splat(new));
                for c in (0..self.width).step_by(V::LANES) {
                    let later = V::load(from.add(c)).mul(new);
                    V::load(to.add(c)).madd(old, later).store(to.add(c));
                }
            }
        }
    }
}

/// `e^(x - most)` for x ≤ most; 1 where they are equal, infinite ones too.
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
pub(super) unsafe fn power<V: Vector>(x: f32, most: f32) -> f32 {
    // SAFETY: the caller's promise.
    if x == most { 1.0 } else { unsafe { exp(V::splat(x - most)).first() } }
}
