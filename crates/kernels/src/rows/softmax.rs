//! The parts of a softmax.

use super::math::exp;
use super::vectorised;

vectorised! {
    /// `x = e^(x - max)`; gives the sum. All x ≤ max.
    fn exp_sum(x: &mut [f32], max: f32) -> f32 {
        let mut sums = [0.0f32; 8];
        let (chunks, rest) = x.as_chunks_mut::<8>();
        for chunk in chunks {
            for i in 0..8 {
                chunk[i] = exp::<FMA>(chunk[i] - max);
                sums[i] += chunk[i];
            }
        }
        let mut sum = sums.iter().sum();
        for x in rest {
            *x = exp::<FMA>(*x - max);
            sum += *x;
        }
        sum
    }
}

vectorised! {
    /// The largest element; -∞ of none.
    fn max(x: &[f32]) -> f32 {
        let mut largest = [f32::NEG_INFINITY; 8];
        let (chunks, rest) = x.as_chunks::<8>();
        for chunk in chunks {
            for i in 0..8 {
                largest[i] = if chunk[i] > largest[i] { chunk[i] } else { largest[i] };
            }
        }
        largest.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn the_exponential_is_the_exponential() {
        for isa in Isa::all() {
            let mut x: Vec<f32> = (0..9000).map(|i| -(i as f32) * 0.01).collect();
            let expected: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
            let sum = exp_sum(isa, &mut x, 0.0);
            for (x, e) in x.iter().zip(&expected).take(8700) {
                assert!((f64::from(*x) / e - 1.0).abs() < 3e-7, "{x} is {e}");
            }
            assert!((f64::from(sum) / expected.iter().sum::<f64>() - 1.0).abs() < 1e-6);
            assert!(x[8999] < 1e-37, "far below the largest is nothing");
        }
    }

    #[test]
    fn the_largest_of_any_number() {
        for isa in Isa::all() {
            for n in 0..20 {
                let x: Vec<f32> = (0..n).map(|i| -((i as f32 - 9.0).abs())).collect();
                assert_eq!(max(isa, &x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            }
        }
    }
}
