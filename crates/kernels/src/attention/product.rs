//! Products of a few rows with what lies in rows of vectors: the scores of a block's positions, and the mix of their values.

use std::ops::Range;

use super::vector::{Kernel, Vector};

/// A matrix, kept in one way or another. Vectors are of one panel.
///
/// # Safety
/// Of all functions: the rows and columns are there, and the processor has the instructions.
pub(super) trait Rows<V: Vector>: Copy {
    /// Rows that share what [`Rows::shared`] gives: each so many, from row 0 on.
    const SHARING: usize = usize::MAX;

    /// What N vectors from a column on have in common with those of the rows around `row`.
    unsafe fn shared<const N: usize>(self, _row: usize, _column: usize) -> [V; N] {
        // SAFETY: the caller's promise.
        [unsafe { V::splat(0.0) }; N]
    }

    /// N vectors of a row.
    unsafe fn load<const N: usize>(self, row: usize, column: usize, shared: [V; N]) -> [V; N];
}

/// Columns that lie together: of a matrix there are first these of all rows, then the next.
pub(super) const PANEL: usize = 32;

/// Where an element of a matrix of 32 rows is, or of any number if there is only one panel.
#[inline(always)]
pub(super) fn place(row: usize, column: usize, columns: usize) -> usize {
    let panel = column / PANEL * PANEL;
    panel * 32 + row * PANEL.min(columns - panel) + column - panel
}

/// A matrix of floats. Reading one asks for the memory that is decoded to the like of it next.
#[derive(Clone, Copy)]
pub(super) struct Floats<const NEAR: bool> {
    pub(super) from: *const f32,
    pub(super) columns: usize,
    pub(super) next: *const u8,
    /// Bytes of an element there.
    pub(super) size: usize,
}

impl<V: Vector, const NEAR: bool> Rows<V> for Floats<NEAR> {
    #[inline(always)]
    unsafe fn load<const N: usize>(self, row: usize, column: usize, _: [V; N]) -> [V; N] {
        let at = place(row, column, self.columns);
        V::prefetch::<NEAR>(self.next.wrapping_add(at * self.size));
        let from = self.from.wrapping_add(at);
        // SAFETY: the caller's promise.
        vectors(|j| unsafe { V::load(from.wrapping_add(j * V::LANES)) })
    }
}

/// N vectors, the j-th as `f` gives it.
#[inline(always)]
pub(super) fn vectors<V: Vector, const N: usize>(f: impl Fn(usize) -> V) -> [V; N] {
    let mut all = [f(0); N];
    for (j, v) in all.iter_mut().enumerate().skip(1) {
        *v = f(j);
    }
    all
}

/// `c = factor · c + a · b` for rows of a, (rows, steps), and b, (steps, columns).
pub(super) struct Product<R> {
    /// Rows of a, and floats from one to the next.
    pub(super) a: *const f32,
    pub(super) a_row: usize,
    /// Rows of b.
    pub(super) b: R,
    /// Rows of c.
    pub(super) c: *mut f32,
    pub(super) c_row: usize,
    /// Of each row of c; null: c is not looked at, as if all were 0.
    pub(super) factors: *const f32,
}

impl<R> Product<R> {
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
    ) where
        R: Rows<V>,
    {
        let mut column = 0;
        // SAFETY: the caller's promise; panels are within the columns.
        unsafe {
            while column + N * V::LANES <= columns {
                V::call(&Panel::<R, M, N> { product: self, rows: rows.clone(), column, steps: steps.clone() });
                column += N * V::LANES;
            }
            while column < columns {
                V::call(&Panel::<R, M, 1> { product: self, rows: rows.clone(), column, steps: steps.clone() });
                column += V::LANES;
            }
        }
    }
}

/// N vectors of columns.
struct Panel<'a, R, const M: usize, const N: usize> {
    product: &'a Product<R>,
    rows: Range<usize>,
    column: usize,
    steps: Range<usize>,
}

impl<V: Vector, R: Rows<V>, const M: usize, const N: usize> Kernel<V> for Panel<'_, R, M, N> {
    #[inline(always)]
    unsafe fn run(&self) {
        let (mut r, end) = (self.rows.start, self.rows.end);
        // SAFETY: the caller's promise.
        unsafe {
            while r + M <= end {
                self.tile::<V, M>(r);
                r += M;
            }
            while M > 4 && r + 4 <= end {
                self.tile::<V, 4>(r);
                r += 4;
            }
            while M > 2 && r + 2 <= end {
                self.tile::<V, 2>(r);
                r += 2;
            }
            while r < end {
                self.tile::<V, 1>(r);
                r += 1;
            }
        }
    }
}

impl<R, const M: usize, const N: usize> Panel<'_, R, M, N> {
    /// Rows `r .. r + T`.
    #[inline(always)]
    unsafe fn tile<V: Vector, const T: usize>(&self, r: usize)
    where
        R: Rows<V>,
    {
        let Product { a, a_row, b, c, c_row, factors } = *self.product;
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[V::splat(0.0); N]; T];
            let c = c.add(r * c_row + self.column);
            if !factors.is_null() {
                for (i, sums) in sums.iter_mut().enumerate() {
                    let factor = V::splat(*factors.add(r + i));
                    for (j, sum) in sums.iter_mut().enumerate() {
                        *sum = V::load(c.add(i * c_row + j * V::LANES)).mul(factor);
                    }
                }
            }
            let a = a.add(r * a_row);
            let mut step = self.steps.start;
            while step < self.steps.end {
                let shared = b.shared::<N>(step, self.column);
                let until = self.steps.end.min((step / R::SHARING + 1) * R::SHARING);
                while step < until {
                    let mut x = [V::splat(0.0); T];
                    for (i, x) in x.iter_mut().enumerate() {
                        *x = V::splat(*a.add(i * a_row + step));
                    }
                    let b = b.load(step, self.column, shared);
                    for j in 0..N {
                        for (sums, x) in sums.iter_mut().zip(x) {
                            sums[j] = x.madd(b[j], sums[j]);
                        }
                    }
                    step += 1;
                }
            }
            for (i, sums) in sums.into_iter().enumerate() {
                for (j, sum) in sums.into_iter().enumerate() {
                    sum.store(c.add(i * c_row + j * V::LANES));
                }
            }
        }
    }
}

/// Rows `some` of `from` as floats, at their places in a matrix of so many columns, a multiple of 16.
///
/// # Safety
/// They are there, and room for them; and the processor has the instructions.
#[inline(always)]
pub(super) unsafe fn decode<V: Vector, R: Rows<V>, const N: usize>(
    from: R,
    some: Range<usize>,
    columns: usize,
    to: *mut f32,
) {
    let mut column = 0;
    // SAFETY: the caller's promise.
    unsafe {
        while column + N * V::LANES <= columns {
            V::call(&Decode::<R, N> { from, some: some.clone(), column, columns, to });
            column += N * V::LANES;
        }
        while column < columns {
            V::call(&Decode::<R, 1> { from, some: some.clone(), column, columns, to });
            column += V::LANES;
        }
    }
}

/// N vectors of columns.
struct Decode<R, const N: usize> {
    from: R,
    some: Range<usize>,
    column: usize,
    columns: usize,
    to: *mut f32,
}

impl<V: Vector, R: Rows<V>, const N: usize> Kernel<V> for Decode<R, N> {
    #[inline(always)]
    unsafe fn run(&self) {
        let mut row = self.some.start;
        while row < self.some.end {
            // SAFETY: the caller's promise.
            unsafe {
                let shared = self.from.shared::<N>(row, self.column);
                let until = self.some.end.min((row / R::SHARING + 1) * R::SHARING);
                while row < until {
                    let to = self.to.add(place(row, self.column, self.columns));
                    for (j, v) in self.from.load::<N>(row, self.column, shared).into_iter().enumerate() {
                        v.store(to.add(j * V::LANES));
                    }
                    row += 1;
                }
            }
        }
    }
}
