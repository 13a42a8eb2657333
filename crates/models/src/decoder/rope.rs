//! Frequencies of the rotation, with the scalings that are fixed when a model loads.

use wick_spec::{Error, Result};

/// What a file says of its rotation.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    /// θ: pair i of n turns by θ^(-i/n) radians a position (Su et al. 2021).
    pub(crate) base: f32,
    /// Elements of a head that turn, an even number.
    pub(crate) elements: usize,
    /// What all frequencies are divided by; 1 is off (linear scaling, Chen et al. 2023).
    pub(crate) linear: f32,
    /// What each frequency is divided by (llama3); one for each pair.
    pub(crate) divisors: Option<Vec<f32>>,
}

impl Rotation {
    /// Angles a position, in radians, for each pair.
    pub(crate) fn inv_freq(&self) -> Result<Vec<f32>> {
        let mut angles = frequencies(self.base, self.elements);
        if let Some(divisors) = &self.divisors {
            if divisors.len() != angles.len() {
                let (have, need) = (divisors.len(), angles.len());
                return Err(Error::model_invalid(format!(
                    "There are {have} divisors of the rotation's frequencies; {need} pairs turn."
                )));
            }
            if let Some(bad) = divisors.iter().find(|divisor| !divisor.is_finite() || **divisor <= 0.0) {
                return Err(Error::model_invalid(format!(
                    "A divisor of the rotation's frequencies is {bad}; it must be above 0."
                )));
            }
            angles.iter_mut().zip(divisors).for_each(|(angle, divisor)| *angle /= divisor);
        }
        angles.iter_mut().for_each(|angle| *angle /= self.linear);
        Ok(angles)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_fall_by_a_constant_ratio_from_one() {
        assert_eq!(frequencies(10_000.0, 8), [1.0, 0.1, 0.01, 0.001]);
    }

    #[test]
    fn linear_scaling_and_divisors_divide() {
        let rotation = Rotation { base: 100.0, elements: 4, linear: 2.0, divisors: Some(vec![1.0, 5.0]) };
        assert_eq!(rotation.inv_freq().expect("two of two"), [0.5, 0.01]);
        for divisors in [vec![1.0], vec![1.0, 0.0], vec![f32::NAN, 1.0]] {
            let bad = Rotation { divisors: Some(divisors), ..rotation.clone() };
            assert_eq!(bad.inv_freq().expect_err("wrong").code(), wick_spec::Code::ModelInvalid);
        }
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
}
