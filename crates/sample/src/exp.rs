//! e^x for many x, the same bits on every platform.

/// e^x for x ≤ 0, within 2 ulp; 0 below -87, where the result would leave the normal range.
///
/// `x = n ln 2 + r` with |r| ≤ ln 2 / 2, so `e^x = 2^n e^r`, and e^r is its Taylor polynomial of degree 7, whose remainder is
/// below 6e-9. ln 2 is taken in two parts, the first with so few bits that its product with n is exact (Cody & Waite 1980).
/// Additions, products and bits only, so the compiler makes vectors of it and no platform rounds it differently.
pub(crate) fn exp(x: f32) -> f32 {
    // Adding 1.5 · 2^23 leaves no bits below one: the sum's low bits are the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bounded = if x < -87.0 { -87.0 } else { x };
    let sum = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = sum - ROUND;
    let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut y = 1.0 / 5040.0;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        y = y * r + coefficient;
    }
    let power = f32::from_bits(sum.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23);
    if x < -87.0 { 0.0 } else { y * power }
}

/// `Σ e^(x - max)` over `logits` (v), `max` being the largest. The order of the additions depends on the length alone.
pub(crate) fn sum_exp(logits: &[f32], max: f32) -> f64 {
    const BLOCK: usize = 64;
    let mut weights = [0f32; BLOCK];
    let mut total = 0.0;
    for block in logits.chunks(BLOCK) {
        for (weight, x) in weights.iter_mut().zip(block) {
            *weight = exp(x - max);
        }
        total += sum(&weights[..block.len()]);
    }
    total
}

/// The sum of `weights` (n), in f64. The order of the additions depends on the length alone.
pub(crate) fn sum(weights: &[f32]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0f64; LANES];
    let (blocks, rest) = weights.as_chunks::<LANES>();
    for block in blocks {
        for (lane, weight) in lanes.iter_mut().zip(block) {
            *lane += f64::from(*weight);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|weight| f64::from(*weight)).sum::<f64>()
}

/// The largest of `logits` (v), or `-inf` for none. No NaN may be among them.
pub(crate) fn max(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (blocks, rest) = logits.as_chunks::<LANES>();
    for block in blocks {
        for (lane, x) in lanes.iter_mut().zip(block) {
            *lane = larger(*lane, *x);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_ulp_of_the_double() {
        for i in 0..=870_000 {
            let x = -(i as f32) * 1e-4;
            let (got, want) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((got - want).abs() <= want * 2.4e-7, "exp({x}) is {got}, not {want}");
        }
    }

    #[test]
    fn exp_is_exact_at_its_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(-87.1), 0.0);
        assert_eq!(exp(f32::MIN), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn exp_never_falls_as_x_rises() {
        let mut last = 0.0;
        for i in (0..=870_000).rev() {
            let y = exp(-(i as f32) * 1e-4);
            assert!(y >= last);
            last = y;
        }
    }

    #[test]
    fn sums_and_maxima_take_every_element_at_odd_lengths() {
        for len in 0..70usize {
            let x: Vec<f32> = (0..len).map(|i| ((i * 37) % 71) as f32 * -0.1).collect();
            let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&x), largest);
            if len > 0 {
                let want: f64 = x.iter().map(|x| f64::from(x - largest).exp()).sum();
                assert!((sum_exp(&x, largest) - want).abs() <= want * 3e-7);
            }
        }
    }
}
