//! Rotary position embedding.

use crate::{Rope, RopeLayout};

/// Rotates each head of one row by its position, in place: pair i by `position * inv_freq[i]` radians (Su et al. 2021), and
/// makes it `magnitude` times as long (Peng et al. 2023).
///
/// `x`: (heads, d). With r frequencies the first 2·r elements of a head are rotated, paired as the layout says; the others stay.
/// `long`: whether the row's sequence is a long one.
pub(crate) fn rotate(x: &mut [f32], d: usize, rope: &Rope, position: u32, long: bool) {
    let inv_freq = rope.inv_freq_of(position, long);
    let r = inv_freq.len();
    debug_assert!(2 * r <= d && x.len().is_multiple_of(d), "x is (heads, d), at most d / 2 frequencies");
    for (i, inv_freq) in inv_freq.iter().enumerate() {
        let (sin, cos) = (position as f32 * inv_freq).sin_cos();
        let (sin, cos) = (sin * rope.magnitude, cos * rope.magnitude);
        let (first, second) = match rope.layout {
            RopeLayout::Interleaved => (2 * i, 2 * i + 1),
            RopeLayout::Neox => (i, i + r),
        };
        for head in x.chunks_exact_mut(d) {
            let (a, b) = (head[first], head[second]);
            head[first] = a * cos - b * sin;
            head[second] = a * sin + b * cos;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_2;

    use super::*;
    use crate::LongRope;

    fn close(x: &[f32], y: &[f32]) {
        assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-5), "{x:?} is not {y:?}");
    }

    /// Pair 0 turns a quarter a position, pair 1 half.
    fn rope(layout: RopeLayout) -> Rope {
        Rope { layout, inv_freq: vec![FRAC_PI_2, 2.0 * FRAC_PI_2], magnitude: 1.0, long: None }
    }

    #[test]
    fn quarter_and_half_turns_in_both_layouts() {
        let mut x = [1.0, 2.0, 3.0, 4.0];
        rotate(&mut x, 4, &rope(RopeLayout::Interleaved), 1, false);
        close(&x, &[-2.0, 1.0, -3.0, -4.0]);
        let mut x = [1.0, 2.0, 3.0, 4.0];
        rotate(&mut x, 4, &rope(RopeLayout::Neox), 1, false);
        close(&x, &[-3.0, -2.0, 1.0, -4.0]);
    }

    #[test]
    fn position_zero_changes_nothing_and_the_tail_never_turns() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for layout in [RopeLayout::Interleaved, RopeLayout::Neox] {
            let mut x = values;
            rotate(&mut x, 6, &rope(layout), 0, false);
            assert_eq!(x, values);
            rotate(&mut x, 6, &rope(layout), 7, false);
            assert_eq!(x[4..], values[4..]);
        }
    }

    #[test]
    fn the_product_of_two_rows_depends_on_their_distance_alone() {
        let rope = Rope { layout: RopeLayout::Neox, inv_freq: vec![1.0, 0.3, 0.05], magnitude: 1.0, long: None };
        let product = |p: u32, q: u32| {
            let (mut x, mut y) = ([0.3, -1.0, 2.0, 0.7, 0.1, -0.4], [1.5, 0.2, -0.6, 0.9, -1.1, 0.8]);
            rotate(&mut x, 6, &rope, p, false);
            rotate(&mut y, 6, &rope, q, false);
            x.iter().zip(&y).map(|(x, y)| x * y).sum::<f32>()
        };
        assert!((product(5, 2) - product(103, 100)).abs() < 1e-4);
        assert!((product(5, 2) - product(5, 3)).abs() > 1e-3);
    }

    #[test]
    fn the_magnitude_stretches_what_turns_and_nothing_else() {
        let mut x = [1.0, 2.0, 3.0, 4.0, 5.0];
        rotate(&mut x, 5, &Rope { magnitude: 2.0, ..rope(RopeLayout::Neox) }, 1, false);
        close(&x, &[-6.0, -4.0, 2.0, -8.0, 5.0]);
    }

    #[test]
    fn long_sequences_and_late_rows_turn_by_their_own_frequencies() {
        let long = LongRope { inv_freq: vec![FRAC_PI_2 / 3.0, 0.0], original: 3 };
        let rope = Rope { long: Some(long), ..rope(RopeLayout::Neox) };
        let turned = |position, long| {
            let mut x = [1.0, 2.0, 3.0, 4.0];
            rotate(&mut x, 4, &rope, position, long);
            x
        };
        close(&turned(2, false), &[-1.0, 2.0, -3.0, 4.0]);
        close(&turned(3, false), &[-3.0, 2.0, 1.0, 4.0]);
        close(&turned(3, true), &[-3.0, 2.0, 1.0, 4.0]);
        close(&turned(0, true), &[1.0, 2.0, 3.0, 4.0]);
        let half = 3.0f32.sqrt() / 2.0;
        close(&turned(1, true), &[half - 1.5, 2.0, 0.5 + 3.0 * half, 4.0]);
    }

    #[test]
    fn every_head_turns_alike() {
        let mut x = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0];
        rotate(&mut x, 4, &rope(RopeLayout::Interleaved), 3, false);
        assert_eq!(x[..4], x[4..]);
    }
}
