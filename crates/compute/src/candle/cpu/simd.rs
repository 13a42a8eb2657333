//! The innermost loops, compiled twice on x86-64: for any processor, and for AVX2 with FMA where there is one.
//!
//! Written as plain loops over fixed-width lanes that the compiler turns into vectors; no intrinsics.

/// Defines `fn name(…)` as a dispatch to its body with `FMA` true or false, a constant the body may hand to [`madd`].
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub(super) fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has what `wide` is compiled for.
                    return unsafe { wide($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(super) use vectorised;

/// `a · b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub(super) fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Elements a loop takes at once: four vectors of AVX2.
pub(super) const LANES: usize = 32;

/// The sum, in pairs.
#[inline(always)]
pub(super) fn sum_of(sums: &[f32; LANES]) -> f32 {
    let mut eight = [0.0f32; 8];
    for i in 0..8 {
        eight[i] = (sums[i] + sums[i + 8]) + (sums[i + 16] + sums[i + 24]);
    }
    ((eight[0] + eight[4]) + (eight[1] + eight[5])) + ((eight[2] + eight[6]) + (eight[3] + eight[7]))
}

/// `e^x` for x ≤ 0 to a few units in the last place; 2^-126 or so below -87. Halving and doubling in the exponent's bits, the
/// rest a polynomial (Cephes `expf`).
#[inline(always)]
fn exp<const FMA: bool>(x: f32) -> f32 {
    // Adding it leaves a whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > -87.0 { x } else { -87.0 };
    let shifted = madd::<FMA>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = madd::<FMA>(n, 2.121_944_4e-4, madd::<FMA>(n, -0.693_359_4, x));
    let mut p = 1.987_569_1e-4f32;
    for c in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = madd::<FMA>(p, r, c);
    }
    let p = madd::<FMA>(p, r * r, r) + 1.0;
    // p times 2^n: n is in the bits of `shifted`, whose others the shift drops.
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

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

vectorised! {
    /// `gate = gate · sigmoid(gate) · up`.
    fn silu_times(gate: &mut [f32], up: &[f32]) {
        for (x, up) in gate.iter_mut().zip(up) {
            // Of -|x|, so that the exponential cannot overflow: sigmoid(-x) = 1 - sigmoid(x).
            let e = exp::<FMA>(-x.abs());
            let over = if *x < 0.0 { e } else { 1.0 };
            *x = *x * up * (over / (1.0 + e));
        }
    }
}

/// `tanh(x)` to 1e-7: exact enough where it is multiplied or added to what is larger, not for its own sake near 0.
#[inline(always)]
fn tanh<const FMA: bool>(x: f32) -> f32 {
    let e = exp::<FMA>(-2.0 * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

vectorised! {
    /// `gate = gelu(gate) · up` by tanh: `gate/2 · (1 + tanh(√(2/π) · (gate + 0.044715 gate³))) · up`.
    fn gelu_times(gate: &mut [f32], up: &[f32]) {
        for (x, up) in gate.iter_mut().zip(up) {
            let inner = 0.797_884_6 * madd::<FMA>(0.044_715 * *x * *x, *x, *x);
            *x = 0.5 * *x * (1.0 + tanh::<FMA>(inner)) * up;
        }
    }
}

vectorised! {
    /// `x = cap · tanh(x / cap)`.
    fn softcap(x: &mut [f32], cap: f32) {
        let inverse = cap.recip();
        for x in x {
            *x = cap * tanh::<FMA>(*x * inverse);
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
    /// `y = x · scale · w`, all of one length.
    fn scaled(x: &[f32], scale: f32, w: &[f32], y: &mut [f32]) {
        for ((y, x), w) in y.iter_mut().zip(x).zip(w) {
            *y = x * scale * w;
        }
    }
}

vectorised! {
    /// `x · y`.
    fn dot(x: &[f32], y: &[f32]) -> f32 {
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let (ys, y_rest) = y.as_chunks::<LANES>();
        let mut sums = [0.0f32; LANES];
        for (x, y) in xs.iter().zip(ys) {
            for i in 0..LANES {
                sums[i] = madd::<FMA>(x[i], y[i], sums[i]);
            }
        }
        let (xs, x_rest) = x_rest.as_chunks::<8>();
        let (ys, y_rest) = y_rest.as_chunks::<8>();
        for (x, y) in xs.iter().zip(ys) {
            for i in 0..8 {
                sums[i] = madd::<FMA>(x[i], y[i], sums[i]);
            }
        }
        x_rest.iter().zip(y_rest).fold(sum_of(&sums), |sum, (x, y)| madd::<FMA>(*x, *y, sum))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_testkit::{Random, assert_close};

    #[test]
    fn dots_at_odd_lengths() {
        let mut random = Random::new(1);
        for n in [0, 1, 7, 8, 31, 32, 33, 64, 100] {
            let (x, y) = (random.values(n, 1.0), random.values(n, 1.0));
            let expected: f32 = x.iter().zip(&y).map(|(x, y)| x * y).sum();
            assert_close(&[dot(&x, &y)], &[expected], 1e-5, "dot");
        }
    }

    #[test]
    fn the_exponential_is_the_exponential() {
        let mut x: Vec<f32> = (0..9000).map(|i| -(i as f32) * 0.01).collect();
        let expected: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
        let sum = exp_sum(&mut x, 0.0);
        for (x, e) in x.iter().zip(&expected).take(8700) {
            assert!((f64::from(*x) / e - 1.0).abs() < 3e-7, "{x} is {e}");
        }
        assert!((f64::from(sum) / expected.iter().sum::<f64>() - 1.0).abs() < 1e-6);
        assert!(x[8999] < 1e-37, "far below the largest is nothing");
    }

    #[test]
    fn the_gate_has_no_overflow() {
        let mut gate = vec![-1000.0, -3.0, 0.0, 2.0, 1000.0];
        silu_times(&mut gate, &[2.0; 5]);
        let silu = |x: f32| 2.0 * x / (1.0 + (-x).exp());
        assert_close(&gate, &[0.0, silu(-3.0), 0.0, silu(2.0), 2000.0], 1e-6, "silu");
    }

    #[test]
    fn gelu_is_gelu_and_has_no_overflow() {
        let gelu = |x: f64| x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        let x: Vec<f32> = (-400..400).map(|i| i as f32 * 0.02).collect();
        let mut gate = x.clone();
        gelu_times(&mut gate, &vec![1.0; x.len()]);
        for (x, y) in x.iter().zip(&gate) {
            assert!((f64::from(*y) - gelu(f64::from(*x))).abs() < 1e-6, "gelu({x}) is not {y}");
        }
        let mut far = [f32::MAX, f32::MIN, 1e6, -1e6];
        gelu_times(&mut far, &[1.0; 4]);
        assert_eq!(far, [f32::MAX, 0.0, 1e6, 0.0]);
    }

    #[test]
    fn the_cap_is_never_exceeded() {
        let mut x: Vec<f32> = (-300..300).map(|i| i as f32).chain([f32::MAX, f32::NEG_INFINITY]).collect();
        let expected: Vec<f32> = x.iter().map(|x| (50.0 * (f64::from(*x) / 50.0).tanh()) as f32).collect();
        softcap(&mut x, 50.0);
        assert!(x.iter().all(|x| x.abs() <= 50.0));
        assert_close(&x, &expected, 2e-7, "capped");
    }

    #[test]
    fn the_largest_of_any_number() {
        for n in 0..20 {
            let x: Vec<f32> = (0..n).map(|i| -((i as f32 - 9.0).abs())).collect();
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
