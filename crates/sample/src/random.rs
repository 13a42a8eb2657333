//! The sequence's own random numbers.
//!
//! A seed must give the same answer in every later version of wick, so the generator is written out here rather than taken from
//! a crate whose streams may change: xoshiro256** (Blackman & Vigna 2018), its state filled from the seed by SplitMix64
//! (Steele, Lea & Flood 2014), as its authors recommend, so that seeds 1, 2, 3 start nowhere near one another.

use wick_spec::{Error, Result};

/// A stream of random numbers that the seed alone decides.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let mut counter = seed;
        Self { state: std::array::from_fn(|_| split_mix(&mut counter)) }
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let s = &mut self.state;
        let result = s[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= shifted;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// Uniform in [0, 1): the upper 53 bits, as many as a double holds.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

fn split_mix(counter: &mut u64) -> u64 {
    *counter = counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*counter ^ (*counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform in (0, 1), decided by `key` and `id` alone: the upper 52 bits of SplitMix64's output, and half of the next one.
pub(crate) fn noise(key: u64, id: u32) -> f64 {
    let mut counter = key.wrapping_add(u64::from(id).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    ((split_mix(&mut counter) >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// A seed from the system's entropy, below 2^53, so that JavaScript holds it exactly and can give it back.
pub(crate) fn system_seed() -> Result<u64> {
    let drawn =
        getrandom::u64().map_err(|e| Error::io(format!("The system gave no random seed ({e}). Set the option seed.")))?;
    Ok(drawn >> 11)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_mix_gives_the_published_stream() {
        let mut counter = 1234567;
        let got: [u64; 3] = std::array::from_fn(|_| split_mix(&mut counter));
        assert_eq!(got, [6457827717110365317, 3203168211198807973, 9817491932198370423]);
    }

    #[test]
    fn xoshiro_gives_the_published_stream() {
        let mut random = Random { state: [1, 2, 3, 4] };
        let got: [u64; 6] = std::array::from_fn(|_| random.bits());
        let want = [11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600];
        assert_eq!(got, want);
    }

    /// The stream of a seed is part of the public promise: this test changes only with a major version.
    #[test]
    fn a_seed_gives_its_stream_for_ever() {
        let mut random = Random::new(42);
        let got: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(got, [1546998764402558742, 6990951692964543102, 12544586762248559009]);
    }

    #[test]
    fn the_unit_interval_is_covered_and_its_end_is_not() {
        let mut random = Random::new(7);
        let (mut low, mut high, mut sum) = (1f64, 0f64, 0f64);
        for _ in 0..100_000 {
            let u = random.unit();
            assert!((0.0..1.0).contains(&u));
            (low, high, sum) = (low.min(u), high.max(u), sum + u);
        }
        assert!(low < 1e-3 && high > 1.0 - 1e-3 && (sum / 1e5 - 0.5).abs() < 5e-3);
    }

    #[test]
    fn noise_is_uniform_over_ids_and_over_keys() {
        let mean = |of: &dyn Fn(u64) -> f64| (0..100_000).map(of).sum::<f64>() / 1e5;
        assert!((mean(&|i| noise(7, i as u32)) - 0.5).abs() < 5e-3);
        assert!((mean(&|i| noise(i, 7)) - 0.5).abs() < 5e-3);
        assert!((mean(&|i| noise(7, i as u32) * noise(7, i as u32 + 1)) - 0.25).abs() < 5e-3, "neighbours are not related");
        assert!((0..100_000).all(|i| noise(i, 1) > 0.0 && noise(i, 1) < 1.0));
    }

    #[test]
    fn drawn_seeds_differ_and_fit_a_javascript_number() {
        let (a, b) = (system_seed().unwrap(), system_seed().unwrap());
        assert_ne!(a, b);
        assert!(a < 1 << 53 && b < 1 << 53);
    }
}
