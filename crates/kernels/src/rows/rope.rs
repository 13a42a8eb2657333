//! Rotary position embedding (Su et al. 2021).

use super::vectorised;

vectorised! {
    /// Rotates the heads of one row: pair (i, i + n) of each by the angle whose cosine and sine these are, n of each; x: (heads, d),
    /// 2n ≤ d. The rest of a head stays.
    fn rotate_neox(x: &mut [f32], d: usize, cos: &[f32], sin: &[f32]) {
        let n = cos.len();
        for head in x.chunks_exact_mut(d) {
            let (a, b) = head[..2 * n].split_at_mut(n);
            for (((a, b), cos), sin) in a.iter_mut().zip(b).zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}

vectorised! {
    /// As [`rotate_neox`], with pairs (2i, 2i + 1).
    fn rotate_interleaved(x: &mut [f32], d: usize, cos: &[f32], sin: &[f32]) {
        for head in x.chunks_exact_mut(d) {
            let (pairs, _) = head.as_chunks_mut::<2>();
            for (([a, b], cos), sin) in pairs.iter_mut().zip(cos).zip(sin) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use wick_testkit::assert_close;

    use super::*;
    use crate::Isa;

    #[test]
    fn pairs_turn_and_the_rest_of_a_head_stays() {
        // Quarter and half turns, of two heads of five.
        let (cos, sin) = ([0.0, -1.0], [1.0, 0.0]);
        for isa in Isa::all() {
            let mut x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
            rotate_neox(isa, &mut x, 5, &cos, &sin);
            assert_close(&x, &[-3.0, -2.0, 1.0, -4.0, 5.0, -8.0, -7.0, 6.0, -9.0, 10.0], 1e-7, isa.name());
            let mut x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
            rotate_interleaved(isa, &mut x, 5, &cos, &sin);
            assert_close(&x, &[-2.0, 1.0, -3.0, -4.0, 5.0, -7.0, 6.0, -8.0, -9.0, 10.0], 1e-7, isa.name());
        }
    }
}
