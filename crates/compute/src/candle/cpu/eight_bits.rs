//! Activations as products with quantised blocks see them.
//!
//! Integer dot products round x to eight bits a number, with a scale a block, and llama.cpp does so in every product. Where the
//! weight is decoded instead, x could stay exact; but then a prompt would be computed with other values than an answer, and be
//! further from the peer. So x is rounded there too: to the same grid, in f32.

use wick_weights::DType;

/// `x`, whose rows are whole blocks of the weight's type, rounded to what integer products with that type are computed with.
pub(super) fn rounded(weight: DType, x: &[f32]) -> Vec<f32> {
    // How many elements share a scale, and whether that scale is kept in half precision.
    let (block, half) = match weight {
        DType::Q2_K | DType::Q3_K | DType::Q4_K | DType::Q5_K | DType::Q6_K | DType::IQ4_XS => (256, false),
        _ => (32, true),
    };
    let mut y = vec![0.0; x.len()];
    for (x, y) in x.chunks_exact(block).zip(y.chunks_exact_mut(block)) {
        let step = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs())) / 127.0;
        if step == 0.0 {
            continue;
        }
        let inverse = step.recip();
        let scale = if half { half::f16::from_f32(step).to_f32() } else { step };
        for (x, y) in x.iter().zip(y) {
            *y = (x * inverse).round_ties_even() * scale;
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_testkit::Random;

    #[test]
    fn nothing_moves_by_more_than_half_a_step() {
        let mut x = Random::new(1).values(512, 3.0);
        x[..256].fill(0.0);
        for (weight, block) in [(DType::Q4_0, 32), (DType::Q8_0, 32), (DType::Q6_K, 256)] {
            let y = rounded(weight, &x);
            for (x, y) in x.chunks(block).zip(y.chunks(block)) {
                let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                // Half a step, and what half precision makes of 127 of them.
                let bound = largest / 254.0 + largest / 2048.0;
                assert!(x.iter().zip(y).all(|(x, y)| (x - y).abs() <= bound));
                assert!(largest == 0.0 || x != y);
            }
        }
    }
}
