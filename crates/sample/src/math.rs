//! Logarithm and exponential in f64, the same bits on every platform.
//!
//! The system's differ in their last bit, and a token must not depend on that. Few are taken a token, so these need not be
//! vectors.

/// Natural logarithm of a normal x > 0, within 1e-15 of it relatively or absolutely.
///
/// `x = 2^n m` with m in [√½, √2), and `ln m = 2 artanh z` with z = (m - 1) / (m + 1), whose series in z² ≤ 0.0295 is taken
/// to its tenth term.
pub(crate) fn ln(x: f64) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let (mut n, mut m) = ((bits >> 52) as i64 - 1023, f64::from_bits(bits & MANTISSA | 1023 << 52));
    if m > std::f64::consts::SQRT_2 {
        (n, m) = (n + 1, m / 2.0);
    }
    let z = (m - 1.0) / (m + 1.0);
    let series = (0..10).rev().fold(0.0, |sum, k| sum * z * z + 1.0 / f64::from(2 * k + 1));
    n as f64 * std::f64::consts::LN_2 + 2.0 * z * series
}

/// e^x within 1e-14 of it relatively; 0 below -700 and e^700 above.
///
/// `x = n ln 2 + r` with |r| ≤ ln 2 / 2, and e^r is its Taylor polynomial of degree 13.
pub(crate) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let x = x.min(700.0);
    let n = (x * std::f64::consts::LOG2_E).round();
    let r = x - n * std::f64::consts::LN_2;
    let series = (1..=13).rev().fold(1.0, |sum, k| 1.0 + sum * r / f64::from(k));
    series * f64::from_bits(((n as i64 + 1023) as u64) << 52)
}

/// `base^exponent` for base > 0.
pub(crate) fn pow(base: f64, exponent: f64) -> f64 {
    exp(exponent * ln(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_the_logarithm_and_the_exponential() {
        for i in -6990..=6990 {
            let x = f64::from(i) * 0.1;
            assert!((exp(x) / x.exp() - 1.0).abs() < 2e-13, "e^{x}");
            let y = x.exp();
            assert!((ln(y) - y.ln()).abs() <= 1e-15 * x.abs().max(1.0), "ln {y}");
        }
        assert_eq!((ln(1.0), exp(0.0), exp(-701.0)), (0.0, 1.0, 0.0));
        assert!((pow(0.3, 1.7) / 0.3f64.powf(1.7) - 1.0).abs() < 1e-14);
    }
}
