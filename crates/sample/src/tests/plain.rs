//! The chain as the options' documentation says it, slowly: every stage sorts everything and works in f64 where it can.

use std::collections::HashMap;

use wick_spec::{ChainStep, Sampling};

/// What the plain chain finds.
pub(crate) struct Plain {
    /// The probability of each token (v).
    pub(crate) probabilities: Vec<f64>,
    /// How near any cut was to falling elsewhere, as a share of the probability: below some 1e-5 rounding may decide.
    pub(crate) gap: f64,
}

/// The distribution that `options` make of `logits` (v) after `tokens`.
pub(crate) fn plain(logits: &[f32], options: &Sampling, tokens: &[u32]) -> Plain {
    let mut x = logits.to_vec();
    let mut gap = f64::INFINITY;
    for step in &options.chain {
        match step {
            ChainStep::LogitBias => options.logit_bias.iter().for_each(|b| x[b.token as usize] += b.bias),
            ChainStep::Penalties => penalise(&mut x, options, tokens),
            ChainStep::TopK if options.top_k > 0 => {
                let order = order(&x);
                order.iter().skip(options.top_k as usize).for_each(|&id| x[id] = f32::NEG_INFINITY);
            }
            ChainStep::TopP if options.top_p < 1.0 => top_p(&mut x, f64::from(options.top_p), &mut gap),
            ChainStep::MinP if options.min_p > 0.0 => min_p(&mut x, f64::from(options.min_p), &mut gap),
            ChainStep::Temperature => x.iter_mut().for_each(|x| *x /= options.temperature),
            _ => {}
        }
    }
    Plain { probabilities: softmax(&x), gap }
}

/// Tokens by logit, largest first, the lower id first of equals.
pub(crate) fn order(x: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&a, &b| x[b].partial_cmp(&x[a]).unwrap());
    order
}

/// `e^x / Σ e^x`.
pub(crate) fn softmax(x: &[f32]) -> Vec<f64> {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weights: Vec<f64> = x.iter().map(|&x| (f64::from(x) - f64::from(max)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

fn penalise(x: &mut [f32], options: &Sampling, tokens: &[u32]) {
    let first = tokens.len().saturating_sub(options.penalty_window as usize);
    let mut counts = HashMap::new();
    tokens[first..].iter().for_each(|id| *counts.entry(*id).or_insert(0u32) += 1);
    for (id, count) in counts {
        let Some(x) = x.get_mut(id as usize) else { continue };
        *x = if *x > 0.0 { *x / options.repetition_penalty } else { *x * options.repetition_penalty };
        *x -= options.frequency_penalty * count as f32;
        *x -= options.presence_penalty;
    }
}

fn top_p(x: &mut [f32], p: f64, gap: &mut f64) {
    let probabilities = softmax(x);
    let mut sum = 0.0;
    for id in order(x) {
        if sum >= p {
            x[id] = f32::NEG_INFINITY;
        } else {
            sum += probabilities[id];
            *gap = gap.min((sum - p).abs());
        }
    }
}

fn min_p(x: &mut [f32], p: f64, gap: &mut f64) {
    let probabilities = softmax(x);
    let largest = probabilities.iter().copied().fold(0.0, f64::max);
    for (x, probability) in x.iter_mut().zip(probabilities) {
        *gap = gap.min((probability / largest / p - 1.0).abs());
        if probability < p * largest {
            *x = f32::NEG_INFINITY;
        }
    }
}
