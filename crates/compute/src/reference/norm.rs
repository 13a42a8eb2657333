//! Norms.

use super::linear::dot;

/// Root-mean-square norm of each row, in place: `x = x / sqrt(mean(x²) + eps) * (w + offset)` (Zhang & Sennrich 2019).
///
/// `x`: (t, n), `w`: (n). `eps` is added to the mean, not to the root. Rows are independent.
pub(crate) fn rms_norm(x: &mut [f32], w: &[f32], eps: f32, offset: f32) {
    let n = w.len();
    debug_assert_eq!(x.len() % n, 0, "x is (t, n)");
    for x in x.chunks_exact_mut(n) {
        let scale = (dot(x, x) / n as f32 + eps).sqrt().recip();
        for (x, w) in x.iter_mut().zip(w) {
            *x = *x * scale * (w + offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_by_hand() {
        // mean(3², 4²) = 12.5; with eps = 12.5 the root is 5. The second row has mean 0 and root sqrt(12.5).
        let mut x = [3.0, 4.0, 0.0, 0.0];
        rms_norm(&mut x, &[1.0, 10.0], 12.5, 0.0);
        assert_eq!(x, [0.6, 8.0, 0.0, 0.0]);
        let mut x = [3.0, 4.0];
        rms_norm(&mut x, &[0.0, 9.0], 12.5, 1.0);
        assert_eq!(x, [0.6, 8.0], "weights are stored less one");
    }

    #[test]
    fn the_mean_square_becomes_one_whatever_the_scale() {
        for factor in [1e-3, 1.0, 1e3] {
            let mut x: Vec<f32> = (0..19).map(|i| (i as f32 - 7.5) * factor).collect();
            rms_norm(&mut x, &[1.0; 19], 0.0, 0.0);
            let mean = dot(&x, &x) / 19.0;
            assert!((mean - 1.0).abs() < 1e-5, "{mean} at factor {factor}");
        }
    }

    #[test]
    fn a_row_of_zeros_stays_zero_when_eps_is_positive() {
        let mut x = [0.0; 4];
        rms_norm(&mut x, &[1.0; 4], 1e-6, 0.0);
        assert_eq!(x, [0.0; 4]);
    }
}
