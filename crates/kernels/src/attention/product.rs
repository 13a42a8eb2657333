//! Products of a few rows with what lies in rows of vectors: the scores of a block's positions, and the mix of their values.

use std::ops::Range;

use super::vector::Vector;

/// `c = factor · c + a · b` for rows of a, (rows, steps), and b, (steps, columns).
pub(super) struct Product {
    /// Rows of a, and floats from one to the next.
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    /// Rows of b.
    pub(super) b: *const f32,
    pub(super) b_row: usize,
    /// Rows of c.
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Of each row of c; null: c is not looked at, as if all were 0.
    pub(super) factors: *const f32,
}

impl Product {
    /// Rows `rows` and columns `0 .. columns`, a multiple of 16, over `steps` in their order: each element of c has one chain of
    /// additions, whatever it is computed beside. Tiles are of M rows and N vectors.
    ///
    /// # Safety
    /// What is named is there, c is nobody else's, and the processor has the instructions.
    #[inline(always)]
    pub(super) unsafe fn run<V: Vector, const M: usize, const N: usize>(
        &self,
        rows: Range<usize>,
        columns: usize,
        steps: Range<usize>,
    ) {
        let mut c = 0;
        // SAFETY: the caller's promise; tiles are within rows and columns.
        unsafe {
            while c + N * V::LANES <= columns {
                self.rows::<V, M, N>(rows.clone(), c, steps.clone());
                c += N * V::LANES;
            }
            while c < columns {
                self.rows::<V, M, 1>(rows.clone(), c, steps.clone());
                c += V::LANES;
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<V: Vector, const M: usize, const N: usize>(&self, rows: Range<usize>, c: usize, steps: Range<usize>) {
        let mut r = rows.start;
        // SAFETY: the caller's promise.
        unsafe {
            while r + M <= rows.end {
                self.tile::<V, M, N>(r, c, steps.clone());
                r += M;
            }
            while M > 4 && r + 4 <= rows.end {
                self.tile::<V, 4, N>(r, c, steps.clone());
                r += 4;
            }
            while M > 2 && r + 2 <= rows.end {
                self.tile::<V, 2, N>(r, c, steps.clone());
                r += 2;
            }
            while r < rows.end {
                self.tile::<V, 1, N>(r, c, steps.clone());
                r += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const N: usize>(&self, r: usize, column: usize, steps: Range<usize>) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; M];
            let c = self.c.add(r * self.c_row + column);
            if !self.factors.is_null() {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*self.factors.add(r + i));
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(c.add(i * self.c_row + j * V::LANES)).mul(factor);
                    }
                }
            }
            let mut a = self.a.add(r * self.a_row + steps.start);
            let mut b = self.b.add(steps.start * self.b_row + column);
            for _ in steps {
                let mut x = [V::splat(0.0); M];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = V::splat(*a.add(i * self.a_row));
                }
                for j in 0..N {
                    let b = V::load(b.add(j * V::LANES));
                    for (sums, x) in sums.iter_mut().zip(x) {
                        sums[j] = x.madd(b, sums[j]);
                    }
                }
                a = a.add(1);
                b = b.add(self.b_row);
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    sum.store(c.add(i * self.c_row + j * V::LANES));
                }
            }
        }
    }
}
