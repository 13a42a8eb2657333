//! Norms of rows, and rows added.

use super::math::madd;
use super::vectorised;

/// Elements a sum takes at once: four vectors of AVX2.
const LANES: usize = 32;

/// The sum, in pairs.
#[inline(always)]
fn sum_of(sums: &[f32; LANES]) -> f32 {
    let mut eight = [0.0f32; 8];
    for i in 0..8 {
        eight[i] = (sums[i] + sums[i + 8]) + (sums[i + 16] + sums[i + 24]);
    }
    ((eight[0] + eight[4]) + (eight[1] + eight[5])) + ((eight[2] + eight[6]) + (eight[3] + eight[7]))
}

/// `Σ x²`
#[inline(always)]
fn squares<const FMA: bool>(x: &[f32]) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for x in chunks {
        for i in 0..LANES {
            sums[i] = madd::<FMA>(x[i], x[i], sums[i]);
        }
    }
    rest.iter().fold(sum_of(&sums), |sum, x| madd::<FMA>(*x, *x, sum))
}

vectorised! {
    /// Root-mean-square norm of a row: `y = x / sqrt(mean(x²) + eps) · w` (Zhang & Sennrich 2019); x, w, y: (n).
    fn rms_norm(x: &[f32], w: &[f32], eps: f32, y: &mut [f32]) {
        let scale = (squares::<FMA>(x) / x.len() as f32 + eps).sqrt().recip();
        for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
            *y = x * scale * w;
        }
    }
}

vectorised! {
    /// As [`rms_norm`], in place of x.
    fn rms_norm_in_place(x: &mut [f32], w: &[f32], eps: f32) {
        let scale = (squares::<FMA>(x) / x.len() as f32 + eps).sqrt().recip();
        for (x, w) in x.iter_mut().zip(w) {
            *x = *x * scale * w;
        }
    }
}

vectorised! {
    /// `x = x + factor · y`, of one length.
    fn add(x: &mut [f32], y: &[f32], factor: f32) {
        for (x, y) in x.iter_mut().zip(y) {
            *x = madd::<FMA>(*y, factor, *x);
        }
    }
}

vectorised! {
    /// `x = factor · x`.
    fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use wick_testkit::{Random, assert_close};

    use super::*;
    use crate::Isa;

    #[test]
    fn the_norm_is_its_definition_at_odd_lengths() {
        let mut random = Random::new(1);
        for n in [1, 2, 7, 31, 32, 33, 100, 2048] {
            let (x, w) = (random.values(n, 3.0), random.values(n, 1.0));
            let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / n as f64;
            let expected: Vec<f32> =
                x.iter().zip(&w).map(|(x, w)| (f64::from(x * w) / (mean + 1e-5).sqrt()) as f32).collect();
            for isa in Isa::all() {
                let mut y = vec![f32::NAN; n];
                rms_norm(isa, &x, &w, 1e-5, &mut y);
                assert_close(&y, &expected, 1e-6, &format!("{n} on {}", isa.name()));
                let mut x = x.clone();
                rms_norm_in_place(isa, &mut x, &w, 1e-5);
                assert_eq!(x, y);
            }
        }
    }

    #[test]
    fn sums_and_factors() {
        for isa in Isa::all() {
            let mut x = [1.0, -2.0, 0.5];
            add(isa, &mut x, &[2.0, 4.0, -1.0], 0.5);
            assert_eq!(x, [2.0, 0.0, 0.0]);
            scale(isa, &mut x, -3.0);
            assert_eq!(x, [-6.0, 0.0, 0.0]);
        }
    }
}
