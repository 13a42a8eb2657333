//! Soft caps.

/// `x = cap · tanh(x / cap)`, element by element: near 0 x itself, never beyond `cap` (Bello et al. 2016; gemma2).
pub(crate) fn softcap(x: &mut [f32], cap: f32) {
    x.iter_mut().for_each(|x| *x = cap * (*x / cap).tanh());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_values_stay_and_large_ones_stop_at_the_cap() {
        let mut x = [0.0, 10.0, -50.0, 100.0, 1e9, f32::NEG_INFINITY];
        softcap(&mut x, 50.0);
        let expected = [0.0, 9.868_766, -38.079_71, 48.201_378, 50.0, -50.0];
        assert!(x.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-5), "{x:?}");
    }
}
