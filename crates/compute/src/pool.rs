//! The pool that the processor's backends compute on. What is left of candle's own loops uses candle's, whose threads sleep
//! meanwhile; `CANDLE_NUM_THREADS` says how many these are.

use std::ops::Range;

use wick_kernels::{Pool, SMALL};

/// How many threads this thread computes with, its own included: those of [`Pool::of_thread`].
pub fn threads() -> usize {
    Pool::of_thread().threads()
}

/// Calls `f` for ranges that together cover `0 .. items` once, on all threads when there is enough to do: `work` is the
/// multiply-adds of all items. Within `f` this computes on one thread.
pub(crate) fn each(items: usize, work: usize, f: impl Fn(Range<usize>) + Sync) {
    if items <= 1 || work <= SMALL {
        f(0..items);
    } else {
        Pool::of_thread().each(items, &f);
    }
}

/// Calls `f(i, chunk)` for the chunks of `width` elements of `y`, in parallel when there is enough to do.
pub(crate) fn each_chunk(y: &mut [f32], width: usize, work: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    let (items, shared) = (y.len() / width.max(1), Shared(y.as_mut_ptr()));
    each(items, work, |range| {
        for i in range {
            // SAFETY: `each` gives every item to one call; chunk i is inside `y` and overlaps no other.
            let chunk = unsafe { std::slice::from_raw_parts_mut(shared.get().add(i * width), width) };
            f(i, chunk);
        }
    });
}

/// A pointer that threads share to write to places of their own.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) *mut f32);

// SAFETY: whoever dereferences it says why no two threads write the same place.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn get(self) -> *mut f32 {
        self.0
    }

    /// n elements from `at` on.
    ///
    /// # Safety
    /// They are there, and nobody else touches them while the slice lives.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn part<'a>(&self, at: usize, n: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(at), n) }
    }

    /// Row r of rows of n elements.
    ///
    /// # Safety
    /// As [`Shared::part`].
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn row<'a>(&self, r: usize, n: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise.
        unsafe { self.part(r * n, n) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_met_once() {
        for (items, work) in [(0, 0), (1, SMALL + 1), (7, 0), (1000, SMALL + 1)] {
            let mut y = vec![0.0; items * 3];
            each_chunk(&mut y, 3, work, |i, chunk| chunk.iter_mut().for_each(|y| *y += 1.0 + i as f32));
            assert!(y.chunks(3).enumerate().all(|(i, chunk)| chunk == [1.0 + i as f32; 3]), "{items} items");
        }
    }
}
