//! Products of f32 matrices, on the calling thread: the `gemm` crate, which candle multiplies with too.

/// A matrix in a slice: element (i, j) at `i * row + j * column`.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl View<'_> {
    /// Rows as columns.
    pub(super) fn turned(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// `c += a · b`, or `c = a · b` without `add`; c: (m, n) with `c_row` elements from row to row, a: (m, k), b: (k, n).
pub(super) fn product((m, n, k): (usize, usize, usize), c: &mut [f32], c_row: usize, a: View<'_>, b: View<'_>, add: bool) {
    assert!(reach(m, n, c_row, 1) <= c.len());
    // SAFETY: c is a unique reference and holds what is written by the assertion.
    unsafe { product_to((m, n, k), c.as_mut_ptr(), c_row, a, b, add) }
}

/// [`product`] to a pointer.
///
/// # Safety
/// m rows of n elements, `c_row` apart, may be written at `c`, and by nobody else meanwhile.
pub(super) unsafe fn product_to(
    (m, n, k): (usize, usize, usize),
    c: *mut f32,
    c_row: usize,
    a: View<'_>,
    b: View<'_>,
    add: bool,
) {
    assert!(reach(m, k, a.row, a.column) <= a.values.len() && reach(k, n, b.row, b.column) <= b.values.len());
    let (a_row, a_column, b_row, b_column) = (a.row as isize, a.column as isize, b.row as isize, b.column as isize);
    let (a, b, one_thread) = (a.values.as_ptr(), b.values.as_ptr(), gemm::Parallelism::None);
    // SAFETY: a and b hold what is read by the assertion, c what is written by the caller's promise.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c,
            1,
            c_row as isize,
            add,
            a,
            a_column,
            a_row,
            b,
            b_column,
            b_row,
            1.0,
            1.0,
            false,
            false,
            false,
            one_thread,
        );
    }
}

/// Elements from the first to the last of a matrix, both included.
fn reach(rows: usize, columns: usize, row: usize, column: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * row + (columns - 1) * column + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_testkit::{Random, assert_close};

    #[test]
    fn any_distances_and_sums() {
        let mut random = Random::new(2);
        for (m, n, k) in [(1, 1, 1), (1, 7, 33), (5, 1, 9), (13, 17, 6), (40, 33, 50)] {
            let (a, b) = (random.values(m * (k + 3), 1.0), random.values(n * (k + 2), 1.0));
            let mut c = random.values(m * (n + 1), 1.0);
            let mut expected = c.clone();
            for i in 0..m {
                for j in 0..n {
                    expected[i * (n + 1) + j] += (0..k).map(|p| a[i * (k + 3) + p] * b[j * (k + 2) + p]).sum::<f32>();
                }
            }
            let (a, b) = (View { values: &a, row: k + 3, column: 1 }, View { values: &b, row: 1, column: k + 2 });
            product((m, n, k), &mut c, n + 1, a, b, true);
            assert_close(&c, &expected, 1e-5, &format!("{m} {n} {k}"));
        }
    }
}
