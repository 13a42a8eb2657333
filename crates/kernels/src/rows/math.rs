//! The functions that the loops are made of.

/// `a · b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub(super) fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `e^x` for x ≤ 0 to a few units in the last place; 2^-126 or so below -87. Halving and doubling in the exponent's bits, the
/// rest a polynomial (Cephes `expf`).
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
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

/// `tanh(x)` to 1e-7: exact enough where it is multiplied or added to what is larger, not for its own sake near 0.
#[inline(always)]
pub(super) fn tanh<const FMA: bool>(x: f32) -> f32 {
    let e = exp::<FMA>(-2.0 * x.abs());
    ((1.0 - e) / (1.0 + e)).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_exponential() {
        for i in 0..8700 {
            let x = -(i as f32) * 0.01;
            let expected = f64::from(x).exp();
            for found in [exp::<true>(x), exp::<false>(x)] {
                assert!((f64::from(found) / expected - 1.0).abs() < 3e-7, "exp({x}) is not {found}");
            }
        }
        assert!(exp::<true>(-1e30) < 1e-37, "far below is nothing");
    }
}
