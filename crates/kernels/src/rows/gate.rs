//! Gates and caps, element by element.

use super::math::{exp, madd, tanh};
use super::vectorised;

vectorised! {
    /// `gate = gate · sigmoid(gate) · up`, of one length.
    fn silu_times(gate: &mut [f32], up: &[f32]) {
        for (x, up) in gate.iter_mut().zip(up) {
            // Of -|x|, so that the exponential cannot overflow: sigmoid(-x) = 1 - sigmoid(x).
            let e = exp::<FMA>(-x.abs());
            let over = if *x < 0.0 { e } else { 1.0 };
            *x = *x * up * (over / (1.0 + e));
        }
    }
}

vectorised! {
    /// `gate = gelu(gate) · up` by tanh: `gate/2 · (1 + tanh(√(2/π) · (gate + 0.044715 gate³))) · up` (Hendrycks & Gimpel 2016),
    /// of one length.
    fn gelu_times(gate: &mut [f32], up: &[f32]) {
        for (x, up) in gate.iter_mut().zip(up) {
            let inner = 0.797_884_6 * madd::<FMA>(0.044_715 * *x * *x, *x, *x);
            *x = 0.5 * *x * (1.0 + tanh::<FMA>(inner)) * up;
        }
    }
}

vectorised! {
    /// `x = cap · tanh(x / cap)`.
    fn softcap(x: &mut [f32], cap: f32) {
        let inverse = cap.recip();
        for x in x {
            *x = cap * tanh::<FMA>(*x * inverse);
        }
    }
}

#[cfg(test)]
mod tests {
    use wick_testkit::assert_close;

    use super::*;
    use crate::Isa;

    #[test]
    fn silu_is_silu_and_has_no_overflow() {
        for isa in Isa::all() {
            let mut gate = vec![-1000.0, -3.0, 0.0, 2.0, 1000.0];
            silu_times(isa, &mut gate, &[2.0; 5]);
            let silu = |x: f32| 2.0 * x / (1.0 + (-x).exp());
            assert_close(&gate, &[0.0, silu(-3.0), 0.0, silu(2.0), 2000.0], 1e-6, isa.name());
        }
    }

    #[test]
    fn gelu_is_gelu_and_has_no_overflow() {
        let gelu = |x: f64| x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh());
        let x: Vec<f32> = (-400..400).map(|i| i as f32 * 0.02).collect();
        for isa in Isa::all() {
            let mut gate = x.clone();
            gelu_times(isa, &mut gate, &vec![1.0; x.len()]);
            for (x, y) in x.iter().zip(&gate) {
                assert!((f64::from(*y) - gelu(f64::from(*x))).abs() < 1e-6, "gelu({x}) is not {y}");
            }
            let mut far = [f32::MAX, f32::MIN, 1e6, -1e6];
            gelu_times(isa, &mut far, &[1.0; 4]);
            assert_eq!(far, [f32::MAX, 0.0, 1e6, 0.0]);
        }
    }

    #[test]
    fn the_cap_is_never_exceeded() {
        for isa in Isa::all() {
            let mut x: Vec<f32> = (-300..300).map(|i| i as f32).chain([f32::MAX, f32::NEG_INFINITY]).collect();
            let expected: Vec<f32> = x.iter().map(|x| (50.0 * (f64::from(*x) / 50.0).tanh()) as f32).collect();
            softcap(isa, &mut x, 50.0);
            assert!(x.iter().all(|x| x.abs() <= 50.0));
            assert_close(&x, &expected, 2e-7, isa.name());
        }
    }
}
