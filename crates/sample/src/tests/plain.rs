//! The chain as the options' documentation says it, slowly: every stage sorts everything and works in f64 where it can.

use std::collections::HashMap;

use wick_spec::{ChainStep, Dry, Sampling};

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
    options.banned_tokens.iter().for_each(|id| x[*id as usize] = f32::NEG_INFINITY);
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
            ChainStep::Dry if options.dry.multiplier > 0.0 => dry(&mut x, &options.dry, tokens),
            ChainStep::TopNSigma if options.top_n_sigma > 0.0 => top_n_sigma(&mut x, options.top_n_sigma.into(), &mut gap),
            ChainStep::TypicalP if options.typical_p < 1.0 => typical_p(&mut x, options.typical_p.into(), &mut gap),
            // Random; here it acts or does not.
            ChainStep::Xtc if options.xtc_probability == 1.0 => xtc(&mut x, options.xtc_threshold.into(), &mut gap),
            ChainStep::Temperature => {
                let temperature = dynamic_temperature(&x, options) as f32;
                x.iter_mut().for_each(|x| *x /= temperature);
            }
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

/// As p-e-w's proposal says it (text-generation-webui 5677, 2024): every earlier occurrence of the last token is followed
/// backwards as far as it equals the end and no breaker comes.
fn dry(x: &mut [f32], options: &Dry, tokens: &[u32]) {
    let said = &tokens[tokens.len().saturating_sub(options.window as usize)..];
    let breaks = |id: u32| options.breakers.iter().any(|text| text.parse() == Ok(id));
    let Some(&last) = said.last().filter(|last| !breaks(**last)) else { return };
    let mut lengths = HashMap::new();
    for i in (0..said.len() - 1).filter(|i| said[*i] == last && !breaks(said[*i + 1])) {
        let mut length = 1;
        while length <= i && said[i - length] == said[said.len() - 1 - length] && !breaks(said[i - length]) {
            length += 1;
        }
        let longest = lengths.entry(said[i + 1]).or_insert(0);
        *longest = length.max(*longest);
    }
    for (id, length) in lengths {
        if length >= options.allowed_length as usize
            && let Some(x) = x.get_mut(id as usize)
        {
            let over = (length - options.allowed_length as usize) as f64;
            *x = (f64::from(*x) - f64::from(options.multiplier) * f64::from(options.base).powf(over)) as f32;
        }
    }
}

/// Tang et al. 2024, equation 4: `l ≥ M - n σ` with σ the standard deviation of the logits.
fn top_n_sigma(x: &mut [f32], n: f64, gap: &mut f64) {
    let left: Vec<f64> = x.iter().filter(|x| x.is_finite()).map(|x| f64::from(*x)).collect();
    let mean = left.iter().sum::<f64>() / left.len() as f64;
    let variance = left.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / left.len() as f64;
    let mark = left.iter().copied().fold(f64::NEG_INFINITY, f64::max) - n * variance.sqrt();
    for x in x.iter_mut().filter(|x| x.is_finite()) {
        *gap = gap.min((f64::from(*x) - mark).abs() / (1.0 + mark.abs()));
        if f64::from(*x) < mark {
            *x = f32::NEG_INFINITY;
        }
    }
}

/// Meister et al. 2022, equation 11: the smallest set of mass p by `|H(p) + log p|`.
fn typical_p(x: &mut [f32], p: f64, gap: &mut f64) {
    let probabilities = softmax(x);
    let entropy: f64 = probabilities.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let ln_total = x.iter().map(|x| (f64::from(*x) - f64::from(max)).exp()).sum::<f64>().ln() + f64::from(max);
    let distance = |x: f32| (entropy + f64::from(x) - ln_total).abs();
    let mut order = order(x);
    order.retain(|&id| x[id].is_finite());
    order.sort_by(|&a, &b| distance(x[a]).partial_cmp(&distance(x[b])).unwrap());
    let (mut sum, mut kept) = (0.0, 0);
    while kept < order.len() && sum < p {
        sum += probabilities[order[kept]];
        *gap = gap.min((sum - p).abs());
        kept += 1;
    }
    if let Some(&next) = order.get(kept)
        && x[next] != x[order[kept - 1]]
    {
        let (inner, outer) = (distance(x[order[kept - 1]]), distance(x[next]));
        *gap = gap.min((outer - inner) / (1.0 + f64::from(max.abs())));
    }
    order[kept..].iter().for_each(|&id| x[id] = f32::NEG_INFINITY);
}

/// As p-e-w's proposal says it (text-generation-webui 6335, 2024): of the tokens that reach the threshold all but the last go.
fn xtc(x: &mut [f32], threshold: f64, gap: &mut f64) {
    let probabilities = softmax(x);
    probabilities.iter().for_each(|p| *gap = gap.min((p / threshold - 1.0).abs()));
    let mut choices = order(x);
    choices.retain(|&id| probabilities[id] >= threshold);
    choices.pop();
    choices.iter().for_each(|&id| x[id] = f32::NEG_INFINITY);
}

/// The temperature that the options make of a distribution (Kalomaze 2023): between `t - range` and `t + range` by the entropy,
/// as a share of that of as many tokens alike.
fn dynamic_temperature(x: &[f32], options: &Sampling) -> f64 {
    let (t, range) = (f64::from(options.temperature), f64::from(options.dynamic_temperature_range));
    let left = x.iter().filter(|x| x.is_finite()).count();
    if range == 0.0 {
        return t;
    }
    if left < 2 {
        return 1.0;
    }
    let entropy: f64 = softmax(x).iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
    let share = (entropy / (left as f64).ln()).min(1.0);
    let low = (t - range).max(0.0);
    (low + (t + range - low) * share.powf(options.dynamic_temperature_exponent.into())).max(1e-5)
}
