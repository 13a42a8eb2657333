//! The matrix product of a layer.

/// Partial sums a dot product keeps, so that the compiler can use vector registers.
const LANES: usize = 16;

/// `y = x · Wᵀ + b`.
///
/// `x`: (t, n), `w`: (m, n), `bias`: (m), `y`: (t, m). One row of W is read for all t rows of x; each element of y is one dot
/// product whose order depends on n alone.
pub(crate) fn linear(x: &[f32], w: &[f32], bias: Option<&[f32]>, n: usize, y: &mut [f32]) {
    let m = w.len() / n;
    debug_assert_eq!(x.len() / n * m, y.len(), "x is (t, n), w (m, n), y (t, m)");
    for (j, w) in w.chunks_exact(n).enumerate() {
        let b = bias.map_or(0.0, |bias| bias[j]);
        for (x, y) in x.chunks_exact(n).zip(y.chunks_exact_mut(m)) {
            y[j] = dot(x, w) + b;
        }
    }
}

/// `Σ a·b`: element i goes to partial sum i mod 16, the partial sums are added from first to last, then what is left over.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_by_three_outputs() {
        let x = [1.0, 2.0, -1.0, 0.5];
        let w = [1.0, 0.0, 0.0, 1.0, 2.0, 3.0];
        let mut y = [0.0; 6];
        linear(&x, &w, Some(&[0.0, 10.0, -1.0]), 2, &mut y);
        assert_eq!(y, [1.0, 12.0, 7.0, -1.0, 10.5, -1.5]);
    }

    #[test]
    fn dot_is_the_plain_sum_at_every_length() {
        for n in 0..70 {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..n).map(|i| (i % 5) as f32 + 1.0).collect();
            // Whole numbers this small add up exactly in any order.
            let plain: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert_eq!(dot(&a, &b), plain, "n = {n}");
        }
    }

    #[test]
    fn a_row_does_not_depend_on_its_neighbours() {
        let n = 37;
        let values = |count: usize, seed: f32| (0..count).map(|i| (i as f32 * seed).sin()).collect::<Vec<f32>>();
        let (x, w) = (values(5 * n, 0.37), values(11 * n, 0.71));
        let mut together = vec![0.0; 5 * 11];
        linear(&x, &w, None, n, &mut together);
        for (x, expected) in x.chunks_exact(n).zip(together.chunks_exact(11)) {
            let mut alone = vec![0.0; 11];
            linear(x, &w, None, n, &mut alone);
            assert_eq!(alone, expected);
        }
    }
}
