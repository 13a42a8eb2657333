//! The gate of a feed-forward.

use std::f32::consts::PI;

use crate::Activation;

/// `gate = act(gate) * up`, element by element.
///
/// `gate`, `up`: (t, f). SiLU is `x · sigmoid(x)` (Elfwing et al. 2017), GELU by tanh that of Hendrycks & Gimpel (2016).
pub(crate) fn gated(gate: &mut [f32], up: &[f32], activation: Activation) {
    for (gate, up) in gate.iter_mut().zip(up) {
        *gate = apply(activation, *gate) * up;
    }
}

fn apply(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::GeluTanh => x / 2.0 * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silu_by_hand() {
        let mut gate = [0.0, 1.0, -1.0, 2.0];
        gated(&mut gate, &[5.0, 1.0, 1.0, -2.0], Activation::Silu);
        let expected = [0.0, 0.731_058_6, -0.268_941_4, -3.523_188_3];
        assert!(gate.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{gate:?}");
    }

    #[test]
    fn gelu_as_torch_has_it() {
        let mut gate = [0.0, 1.0, -1.0, 2.0, 0.5, -3.0];
        gated(&mut gate, &[1.0, 1.0, 1.0, -2.0, 1.0, 1.0], Activation::GeluTanh);
        let expected = [0.0, 0.841_191_97, -0.158_808_02, -3.909_195_4, 0.345_714_02, -3.637_392e-3];
        assert!(gate.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{gate:?}");
    }

    #[test]
    fn far_from_zero_it_is_the_identity_or_zero_and_never_nan() {
        for activation in [Activation::Silu, Activation::GeluTanh] {
            let mut gate = [1e4, -1e4, f32::MAX, f32::MIN];
            gated(&mut gate, &[1.0; 4], activation);
            assert_eq!(gate, [1e4, 0.0, f32::MAX, 0.0]);
        }
    }
}
