//! Frequencies of the rotation, with the scalings that are fixed when a model loads.

use wick_compute::{LongRope, QueryGrowth, Rope, RopeLayout};
use wick_spec::{Error, Result};

/// What a file says of its rotation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    /// θ: pair i of n turns by θ^(-i/n) radians a position (Su et al. 2021).
    pub(crate) base: f32,
    /// Elements of a head that turn, an even number.
    pub(crate) elements: usize,
    /// What frequencies are divided by, all of them, or with [`Rotation::yarn`] the slow ones; 1 is off (linear scaling, Chen et
    /// al. 2023).
    pub(crate) linear: f32,
    /// What each frequency is divided by beside (llama3, longrope); one for each pair.
    pub(crate) divisors: Option<Vec<f32>>,
    /// Which frequencies are slow.
    pub(crate) yarn: Option<Yarn>,
    /// The divisors of sequences beyond an original context.
    pub(crate) long: Option<Long>,
    /// What cosines and sines are multiplied by; 1 is off.
    pub(crate) magnitude: f32,
}

/// Longrope's divisors for sequences of more than `original` tokens; those for shorter ones are [`Rotation::divisors`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Long {
    pub(crate) divisors: Vec<f32>,
    pub(crate) original: usize,
}

/// The rotations of a model's layers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotations {
    /// Of most layers.
    pub(crate) all: Rotation,
    /// Of layers with a window, where it is another.
    pub(crate) windowed: Option<Rotation>,
    /// Whether each layer stays as it is; empty: none does.
    pub(crate) unturned: Vec<bool>,
    /// How queries grow with their position.
    pub(crate) growth: Option<QueryGrowth>,
}

impl Rotation {
    /// Unscaled.
    pub(crate) fn plain(base: f32, elements: usize) -> Self {
        Self { base, elements, linear: 1.0, divisors: None, yarn: None, long: None, magnitude: 1.0 }
    }

    /// As a plan has it. `model-invalid` for divisors that are not one for each pair, or not above 0.
    pub(crate) fn rope(&self, layout: RopeLayout) -> Result<Rope> {
        let long = self
            .long
            .as_ref()
            .map(|long| Ok(LongRope { inv_freq: self.angles(Some(&long.divisors))?, original: long.original }));
        let inv_freq = self.angles(self.divisors.as_deref())?;
        Ok(Rope { layout, inv_freq, magnitude: self.magnitude, long: long.transpose()? })
    }

    /// Angles a position, in radians, for each pair.
    fn angles(&self, divisors: Option<&[f32]>) -> Result<Vec<f32>> {
        let mut angles = frequencies(self.base, self.elements);
        if let Some(divisors) = divisors {
            check(divisors, angles.len())?;
            angles.iter_mut().zip(divisors).for_each(|(angle, divisor)| *angle /= divisor);
        }
        let slow = self.yarn.map(|yarn| yarn.slow(self.base, self.elements));
        for (pair, angle) in angles.iter_mut().enumerate() {
            let slow = slow.as_ref().map_or(1.0, |slow| slow[pair]);
            *angle = *angle / self.linear * slow + *angle * (1.0 - slow);
        }
        Ok(angles)
    }
}

fn check(divisors: &[f32], pairs: usize) -> Result<()> {
    if divisors.len() != pairs {
        let have = divisors.len();
        return Err(Error::model_invalid(format!(
            "There are {have} divisors of the rotation's frequencies; {pairs} pairs turn."
        )));
    }
    match divisors.iter().find(|divisor| !divisor.is_finite() || **divisor <= 0.0) {
        Some(bad) => {
            Err(Error::model_invalid(format!("A divisor of the rotation's frequencies is {bad}; it must be above 0.")))
        }
        None => Ok(()),
    }
}

/// `base^(-2i/n)` for i in 0..n/2.
pub(crate) fn frequencies(base: f32, elements: usize) -> Vec<f32> {
    (0..elements / 2).map(|i| f64::from(base).powf(-2.0 * i as f64 / elements as f64) as f32).collect()
}

/// The figures of the `llama3` scaling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Llama3 {
    /// What slow pairs are divided by.
    pub(crate) factor: f32,
    /// Pairs that turn fewer times than this over the original context are slow.
    pub(crate) low: f32,
    /// Pairs that turn more often than this are left alone.
    pub(crate) high: f32,
    /// The context before scaling, in tokens.
    pub(crate) context: f32,
}

impl Llama3 {
    /// What to divide each frequency by. Between fast and slow the frequency, not the divisor, is blended linearly in the
    /// number of turns (Grattafiori et al. 2024, as transformers computes it).
    pub(crate) fn divisors(&self, frequencies: &[f32]) -> Vec<f32> {
        let divisor = |frequency: &f32| {
            let turns = self.context * frequency / std::f32::consts::TAU;
            if turns < self.low {
                self.factor
            } else if turns > self.high {
                1.0
            } else {
                let fast = (turns - self.low) / (self.high - self.low);
                ((1.0 - fast) / self.factor + fast).recip()
            }
        };
        frequencies.iter().map(divisor).collect()
    }
}

/// Which pairs YaRN slows down (Peng et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Yarn {
    /// The context before scaling, in tokens.
    pub(crate) original: f32,
    /// Pairs that turn more often than this over the original context are left alone.
    pub(crate) fast: f32,
    /// Pairs that turn fewer times than this are slowed down in full.
    pub(crate) slow: f32,
    /// Whether the borders are moved outwards to whole pairs.
    pub(crate) whole: bool,
}

impl Yarn {
    /// What the papers choose.
    pub(crate) const FAST: f32 = 32.0;
    pub(crate) const SLOW: f32 = 1.0;

    /// How much of each pair is slowed down, from 0 to 1, growing linearly in the pair's number between the borders.
    fn slow(&self, base: f32, elements: usize) -> Vec<f32> {
        // The pair, a fraction, that turns so many times over the original context.
        let pair = |turns: f32| {
            let ratio = f64::from(self.original) / (f64::from(turns) * std::f64::consts::TAU);
            (elements as f64 * ratio.ln() / (2.0 * f64::from(base).ln())) as f32
        };
        let (low, high) = (pair(self.fast), pair(self.slow));
        let (low, high) = if self.whole { (low.floor(), high.ceil()) } else { (low, high) };
        let (low, high) = (low.max(0.0), high.min(elements as f32 - 1.0));
        let width = if low == high { 0.001 } else { high - low };
        (0..elements / 2).map(|i| ((i as f32 - low) / width).clamp(0.0, 1.0)).collect()
    }

    /// How much sharper attention gets when positions are stretched by `factor`: `0.1 · weight · ln(factor) + 1`, and 1 where
    /// they are not stretched.
    pub(crate) fn sharpness(factor: f32, weight: f32) -> f32 {
        if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
    }
}

/// The magnitude of longrope where the file does not say: `sqrt(1 + ln(factor) / ln(original))` (Ding et al. 2024).
pub(crate) fn long_magnitude(factor: f32, original: f32) -> f32 {
    if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original.ln()).sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inv_freq(rotation: &Rotation) -> Result<Vec<f32>> {
        rotation.rope(RopeLayout::Neox).map(|rope| rope.inv_freq)
    }

    #[test]
    fn frequencies_fall_by_a_constant_ratio_from_one() {
        assert_eq!(frequencies(10_000.0, 8), [1.0, 0.1, 0.01, 0.001]);
    }

    #[test]
    fn linear_scaling_and_divisors_divide() {
        let rotation = Rotation { linear: 2.0, divisors: Some(vec![1.0, 5.0]), ..Rotation::plain(100.0, 4) };
        assert_eq!(inv_freq(&rotation).expect("two of two"), [0.5, 0.01]);
        for divisors in [vec![1.0], vec![1.0, 0.0], vec![f32::NAN, 1.0]] {
            let long = Some(Long { divisors: divisors.clone(), original: 8 });
            let bad = [Rotation { divisors: Some(divisors), ..rotation.clone() }, Rotation { long, ..rotation.clone() }];
            for bad in bad {
                assert_eq!(inv_freq(&bad).expect_err("wrong").code(), wick_spec::Code::ModelInvalid);
            }
        }
    }

    #[test]
    fn long_sequences_have_their_own_frequencies() {
        let long = Some(Long { divisors: vec![4.0, 10.0], original: 8 });
        let rotation = Rotation { divisors: Some(vec![1.0, 5.0]), long, ..Rotation::plain(100.0, 4) };
        let rope = rotation.rope(RopeLayout::Neox).expect("two of two");
        assert_eq!(rope.inv_freq, [1.0, 0.02]);
        assert_eq!(rope.long, Some(LongRope { inv_freq: vec![0.25, 0.01], original: 8 }));
    }

    #[test]
    fn llama3_leaves_fast_pairs_stretches_slow_ones_and_blends_between() {
        let tau = std::f32::consts::TAU;
        let scaling = Llama3 { factor: 8.0, low: 1.0, high: 4.0, context: tau };
        // With this context a pair of frequency n turns n times.
        let divisors = scaling.divisors(&[5.0, 0.5, 2.5, 4.0, 1.0]);
        let expected = [1.0, 8.0, 1.0 / (0.5 / 8.0 + 0.5), 1.0, 8.0];
        assert!(divisors.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{divisors:?}");
    }

    #[test]
    fn yarn_leaves_fast_pairs_slows_the_others_and_blends_between() {
        // Pair i of this base turns 10^(3-i) times over the original context: the borders are pairs 1 and 3.
        let yarn = Yarn { original: 1e3 * std::f32::consts::TAU, fast: 100.0, slow: 1.0, whole: false };
        let rotation = Rotation { linear: 4.0, yarn: Some(yarn), ..Rotation::plain(1e5, 10) };
        let expected = [1.0, 0.1, 0.01 * (0.5 + 0.5 / 4.0), 0.001 / 4.0, 0.0001 / 4.0];
        let actual = inv_freq(&rotation).expect("no divisors");
        assert!(actual.iter().zip(expected).all(|(x, y)| (x / y - 1.0).abs() < 1e-4), "{actual:?}");
        // From pair 1.3 to 2.7: whole pairs are 1 and 3 again.
        let yarn = Yarn { fast: 50.0, slow: 2.0, whole: true, ..yarn };
        let whole = inv_freq(&Rotation { yarn: Some(yarn), ..rotation }).expect("no divisors");
        assert!(actual.iter().zip(&whole).all(|(x, y)| (x / y - 1.0).abs() < 1e-4), "{whole:?}");
    }

    #[test]
    fn magnitudes_grow_with_the_logarithm_of_the_factor_and_never_fall_below_one() {
        assert!((Yarn::sharpness(std::f32::consts::E, 2.0) - 1.2).abs() < 1e-6);
        assert!((long_magnitude(32.0, 1024.0) - 1.5f32.sqrt()).abs() < 1e-6);
        assert_eq!((Yarn::sharpness(0.5, 1.0), long_magnitude(1.0, 1024.0)), (1.0, 1.0));
    }
}
