//! Sweeps over the logits of a vocabulary, the same bits on every platform and instruction set.
//!
//! One sweep finds the largest logit of every block of 64 and whether any logit is broken; most of what the chain needs can be
//! answered from those, and only blocks that matter are looked at again.

use crate::vectorised::vectorised;

/// Logits whose largest is kept: a comparison passes over a block that has nothing above a mark.
pub(crate) const BLOCK: usize = 64;

/// e^x for x ≤ 0, within 2 ulp; 0 below -87, where the result would leave the normal range.
///
/// `x = n ln 2 + r` with |r| ≤ ln 2 / 2, so `e^x = 2^n e^r`, and e^r is its Taylor polynomial of degree 7, whose remainder is
/// below 6e-9. ln 2 is taken in two parts, the first with so few bits that its product with n is exact (Cody & Waite 1980).
/// Additions, products and bits only, so the compiler makes vectors of it and no platform rounds it differently.
#[inline(always)]
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

/// The larger, `a` where `b` is NaN.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// The largest of `logits` (any number), or `-inf` for none. NaN is passed over.
#[inline(always)]
pub(crate) fn max(logits: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (rows, rest) = logits.as_chunks::<LANES>();
    for row in rows {
        for (lane, x) in lanes.iter_mut().zip(row) {
            *lane = larger(*lane, *x);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger)
}

vectorised! {
    /// Writes the largest of each block of `logits` (v) to `maxima` (⌈v / 64⌉); true if a logit is NaN or `+inf`.
    fn survey(logits: &[f32], maxima: &mut [f32]) -> bool {
        const LANES: usize = 16;
        let mut broken = [0u32; LANES];
        let (blocks, rest) = logits.as_chunks::<BLOCK>();
        for (block, most) in blocks.iter().zip(maxima.iter_mut()) {
            let mut lanes = [f32::NEG_INFINITY; LANES];
            for row in block.as_chunks::<LANES>().0 {
                for i in 0..LANES {
                    lanes[i] = larger(lanes[i], row[i]);
                    broken[i] |= u32::from(row[i].is_nan()) | u32::from(row[i] == f32::INFINITY);
                }
            }
            // In halves, so that it takes four steps and not sixteen.
            for half in [8, 4, 2, 1] {
                for i in 0..half {
                    lanes[i] = larger(lanes[i], lanes[i + half]);
                }
            }
            *most = lanes[0];
        }
        if let Some(most) = maxima.get_mut(blocks.len()) {
            *most = max(rest);
        }
        broken.iter().any(|&lane| lane != 0) || rest.iter().any(|x| x.is_nan() || *x == f32::INFINITY)
    }
}

vectorised! {
    /// `Σ e^(x - max)` over `logits` (v), `max` being the largest. The order of the additions depends on the length alone.
    fn sum_exp(logits: &[f32], max: f32) -> f64 {
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
}

vectorised! {
    /// `x = e^(x - max)` for every x of `logits` (v), `max` being the largest.
    fn weigh(logits: &mut [f32], max: f32) {
        for x in logits {
            *x = exp(*x - max);
        }
    }
}

vectorised! {
    /// Divides every x of `logits` (v) by `divisor` > 0; a result beyond f32 is its largest value, `-inf` stays.
    fn divide(logits: &mut [f32], divisor: f32) {
        for x in logits {
            let divided = (*x / divisor).clamp(f32::MIN, f32::MAX);
            *x = if *x == f32::NEG_INFINITY { *x } else { divided };
        }
    }
}

vectorised! {
    /// `Σ e^d` and `Σ d e^d` with d = x - `max`, the largest; `-inf` counts as nothing.
    fn moments(logits: &[f32], max: f32) -> (f64, f64) {
        const LANES: usize = 8;
        let (mut mass, mut first) = ([0f64; LANES], [0f64; LANES]);
        let (rows, rest) = logits.as_chunks::<LANES>();
        for row in rows {
            for i in 0..LANES {
                let (weight, product) = weighted(row[i] - max);
                mass[i] += weight;
                first[i] += product;
            }
        }
        let mut sums = (mass.iter().sum::<f64>(), first.iter().sum::<f64>());
        for x in rest {
            let (weight, product) = weighted(x - max);
            sums = (sums.0 + weight, sums.1 + product);
        }
        sums
    }
}

/// `e^d` and `d e^d` for d ≤ 0.
#[inline(always)]
fn weighted(d: f32) -> (f64, f64) {
    let weight = f64::from(exp(d));
    // Where e^d is 0 so is the product, though d may be -inf.
    (weight, weight * f64::from(if d < -88.0 { -88.0 } else { d }))
}

vectorised! {
    /// How many of `logits` (v) are not `-inf`, and `Σ d` and `Σ d²` of these, with d = x - `max`, the largest.
    fn spread(logits: &[f32], max: f32) -> (f64, f64, f64) {
        const LANES: usize = 8;
        let (mut count, mut first, mut second) = ([0f64; LANES], [0f64; LANES], [0f64; LANES]);
        let mut take = |i: usize, x: f32| {
            let inside = x > f32::NEG_INFINITY;
            let d = if inside { f64::from(x) - f64::from(max) } else { 0.0 };
            count[i] += if inside { 1.0 } else { 0.0 };
            first[i] += d;
            second[i] += d * d;
        };
        let (rows, rest) = logits.as_chunks::<LANES>();
        for row in rows {
            for (i, x) in row.iter().enumerate() {
                take(i, *x);
            }
        }
        rest.iter().enumerate().for_each(|(i, x)| take(i, *x));
        (count.iter().sum(), first.iter().sum(), second.iter().sum())
    }
}

/// The sum of `weights` (n), in f64. The order of the additions depends on the length alone.
#[inline(always)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use wick_kernels::Isa;

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

    /// Logits with what a model and a chain put among them, at lengths around the lanes and blocks.
    fn samples() -> impl Iterator<Item = Vec<f32>> {
        (0..70).chain([127, 128, 129, 1000, 4099]).map(|len: usize| {
            let logit =
                |i: usize| if i % 11 == 3 { f32::NEG_INFINITY } else { ((i * 37) % 71) as f32 * -0.1 + 0.013 * i as f32 };
            (0..len).map(logit).collect()
        })
    }

    #[test]
    fn sweeps_take_every_element_at_odd_lengths() {
        for x in samples() {
            let largest = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(max(&x), largest);
            let mut maxima = vec![0.0; x.len().div_ceil(BLOCK)];
            assert!(!survey(Isa::SCALAR, &x, &mut maxima));
            let want: Vec<f32> = x.chunks(BLOCK).map(max).collect();
            assert_eq!(maxima, want);
            if largest > f32::NEG_INFINITY {
                let d: Vec<f64> = x.iter().filter(|x| x.is_finite()).map(|x| f64::from(x - largest)).collect();
                let near =
                    |got: f64, want: f64| assert!((got - want).abs() <= want.abs() * 5e-7 + 1e-9, "{got}, not {want}");
                near(sum_exp(Isa::SCALAR, &x, largest), d.iter().map(|d| d.exp()).sum());
                let (mass, first) = moments(Isa::SCALAR, &x, largest);
                near(mass, d.iter().map(|d| d.exp()).sum());
                near(first, d.iter().map(|d| d * d.exp()).sum());
                let (count, first, second) = spread(Isa::SCALAR, &x, largest);
                near(count, d.len() as f64);
                near(first, d.iter().sum());
                near(second, d.iter().map(|d| d * d).sum());
            }
        }
    }

    #[test]
    fn a_broken_logit_is_seen_wherever_it_is() {
        for isa in [Some(Isa::SCALAR), Isa::avx2()].into_iter().flatten() {
            for at in [0, 1, 15, 16, 63, 64, 127, 128, 190] {
                for broken in [f32::NAN, f32::INFINITY, -f32::NAN] {
                    let mut x = vec![f32::NEG_INFINITY; 191];
                    x[at] = broken;
                    assert!(survey(isa, &x, &mut [0.0; 3]), "{broken} at {at} on {}", isa.name());
                }
            }
        }
    }

    /// The tolerance is none: the same bits.
    #[test]
    fn avx2_gives_the_bits_of_the_scalar_sweeps() {
        let Some(avx2) = Isa::avx2() else { return };
        for x in samples() {
            let largest = max(&x);
            let on = |isa| {
                let mut maxima = vec![0.0; x.len().div_ceil(BLOCK)];
                survey(isa, &x, &mut maxima);
                let mut weights = x.clone();
                weigh(isa, &mut weights, largest);
                divide(isa, &mut weights, 0.7);
                let sums = (sum_exp(isa, &x, largest), moments(isa, &x, largest), spread(isa, &x, largest));
                let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                (bits(&maxima), bits(&weights), format!("{sums:?}"))
            };
            assert_eq!(on(avx2), on(Isa::SCALAR), "{} logits", x.len());
        }
    }
}
