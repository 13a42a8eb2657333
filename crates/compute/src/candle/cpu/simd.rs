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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_largest_of_any_number() {
        for n in 0..20 {
            let x: Vec<f32> = (0..n).map(|i| -((i as f32 - 9.0).abs())).collect();
            assert_eq!(max(&x), x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
