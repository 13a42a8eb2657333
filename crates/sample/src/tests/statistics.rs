//! What is drawn has the distribution it should: chi-square (Pearson 1900) over small vocabularies, with fixed seeds.

use wick_spec::{ChainStep, Draw, Dry, LogitBias, Mirostat, Sampling};

use super::mirostat::Slow;
use super::plain::plain;
use super::{draw, off, sampler};

const DRAWS: usize = 20_000;

/// Pearson's statistic as a standard normal deviate (Wilson & Hilferty 1931).
fn deviate(counts: &[usize], probabilities: &[f64]) -> f64 {
    let cells: Vec<(f64, f64)> = counts
        .iter()
        .zip(probabilities)
        .filter(|(_, p)| **p > 0.0)
        .map(|(&count, p)| (count as f64, p * DRAWS as f64))
        .collect();
    assert!(cells.iter().all(|(_, expected)| *expected >= 5.0), "the test needs five expected in each cell");
    let statistic: f64 = cells.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    let freedom = (cells.len() - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    ((statistic / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

#[test]
fn draws_have_the_distribution_that_the_chain_leaves() {
    let steep = [3.0, 2.5, 2.0, 1.0, 0.5, 0.0, -0.5, -1.0, -1.5, -2.0];
    let bias = vec![LogitBias { token: 9, bias: 4.0 }, LogitBias { token: 0, bias: f32::NEG_INFINITY }];
    let backwards = vec![ChainStep::Temperature, ChainStep::MinP, ChainStep::TopP, ChainStep::TopK];
    let cases = [
        ("two tokens", vec![0.0, 1.0], off()),
        ("equal tokens", vec![1.0; 7], off()),
        ("everything", steep.to_vec(), off()),
        ("cold", steep.to_vec(), Sampling { temperature: 0.7, ..off() }),
        ("hot", steep.to_vec(), Sampling { temperature: 3.0, ..off() }),
        ("top-k", steep.to_vec(), Sampling { top_k: 4, ..off() }),
        ("top-p", steep.to_vec(), Sampling { top_p: 0.8, ..off() }),
        ("min-p", steep.to_vec(), Sampling { min_p: 0.1, ..off() }),
        ("typical-p", steep.to_vec(), Sampling { typical_p: 0.5, ..off() }),
        ("top-n-sigma", steep.to_vec(), Sampling { top_n_sigma: 1.0, ..off() }),
        ("dynamic temperature", steep.to_vec(), Sampling { dynamic_temperature_range: 0.6, ..off() }),
        (
            "dynamic temperature with exponent",
            steep.to_vec(),
            Sampling { temperature: 1.2, dynamic_temperature_range: 1.0, dynamic_temperature_exponent: 2.0, ..off() },
        ),
        ("dry", steep.to_vec(), Sampling { dry: Dry { multiplier: 0.8, allowed_length: 1, ..Dry::default() }, ..off() }),
        ("banned", steep.to_vec(), Sampling { banned_tokens: vec![1, 4], ..off() }),
        ("xtc always", steep.to_vec(), Sampling { xtc_probability: 1.0, ..off() }),
        ("gumbel-max", steep.to_vec(), Sampling { draw: Draw::GumbelMax, ..off() }),
        ("gumbel-max, equal tokens", vec![1.0; 7], Sampling { draw: Draw::GumbelMax, ..off() }),
        ("gumbel-max of a list", steep.to_vec(), Sampling { draw: Draw::GumbelMax, top_k: 6, temperature: 1.3, ..off() }),
        ("bias", steep.to_vec(), Sampling { logit_bias: bias, ..off() }),
        (
            "penalties",
            steep.to_vec(),
            Sampling { repetition_penalty: 1.3, frequency_penalty: 0.4, presence_penalty: 0.2, ..off() },
        ),
        ("default", steep.to_vec(), Sampling { top_k: 6, ..Sampling::default() }),
        (
            "backwards",
            steep.to_vec(),
            Sampling { temperature: 1.5, top_k: 6, top_p: 0.9, min_p: 0.05, chain: backwards, ..off() },
        ),
    ];
    for (name, logits, options) in cases {
        let tokens = [0, 0, 0, 1, 2, 0];
        let want = plain(&logits, &options, &tokens).probabilities;
        for seed in [1, 2, 3] {
            let mut sampler = sampler(&Sampling { seed: Some(seed), ..options.clone() }, logits.len(), &tokens);
            let mut counts = vec![0; logits.len()];
            draw(&mut sampler, &logits, DRAWS).iter().for_each(|&id| counts[id as usize] += 1);
            assert!(counts.iter().zip(&want).all(|(count, p)| *p > 0.0 || *count == 0), "{name}: a dropped token was drawn");
            let deviate = deviate(&counts, &want);
            assert!(deviate < 3.5, "{name}, seed {seed}: {deviate} deviations, {counts:?}");
        }
    }
}

/// XTC acts on a share of the tokens: the distribution is a mixture of that with it and that without.
#[test]
fn xtc_acts_as_often_as_it_should() {
    let logits = [2.0, 1.8, 1.5, 1.0, 0.5, 0.0, -0.5];
    for (probability, draw_by) in [(0.3, Draw::Categorical), (0.5, Draw::GumbelMax), (0.9, Draw::Categorical)] {
        let with = |xtc_probability| Sampling { xtc_probability, draw: draw_by, seed: Some(5), ..off() };
        let [never, always] = [0.0, 1.0].map(|p| plain(&logits, &with(p), &[]).probabilities);
        assert_ne!(never, always);
        let share = f64::from(probability);
        let want: Vec<f64> = never.iter().zip(&always).map(|(n, a)| (1.0 - share) * n + share * a).collect();
        let mut counts = vec![0; logits.len()];
        draw(&mut sampler(&with(probability), logits.len(), &[]), &logits, DRAWS)
            .iter()
            .for_each(|&id| counts[id as usize] += 1);
        assert!(deviate(&counts, &want) < 3.5, "{probability}: {counts:?}");
    }
}

/// Mirostat's bound moves with every token, so each draw is the first of a seed of its own, after the same ten tokens.
#[test]
fn mirostat_draws_have_the_distribution_that_its_cut_leaves() {
    let logits: Vec<f32> = (0..30).map(|i| -1.3 * (i as f32 + 1.0).ln()).collect();
    let target = Mirostat { tau: 2.5, eta: 0.2 };
    for options in [Draw::MirostatV1(target), Draw::MirostatV2(target)].map(|draw| Sampling { draw, seed: Some(9), ..off() })
    {
        let mut warmed = sampler(&options, logits.len(), &[]);
        let mut slow = Slow::new(&options);
        for id in draw(&mut warmed, &logits, 10) {
            slow.follow(&logits, id as usize);
        }
        let want = slow.distribution(&logits);
        let dropped = want.iter().filter(|p| **p == 0.0).count();
        assert!((1..29).contains(&dropped), "the cut falls inside: {dropped}");
        let mut counts = vec![0; logits.len()];
        let mut random = crate::random::Random::new(4);
        (0..DRAWS).for_each(|_| {
            counts[warmed.clone().reseeded(random.bits()).sample(&mut logits.clone()).unwrap().id as usize] += 1
        });
        assert!(counts.iter().zip(&want).all(|(count, p)| *p > 0.0 || *count == 0), "a dropped token was drawn");
        assert!(deviate(&counts, &want) < 3.5, "{counts:?}");
    }
}

/// Neighbouring seeds are what people use: their first tokens must not be related.
#[test]
fn the_first_tokens_of_neighbouring_seeds_have_the_distribution_too() {
    let logits = [1.0, 0.5, 0.0, -0.5];
    let want = plain(&logits, &off(), &[]).probabilities;
    let mut counts = vec![0; logits.len()];
    let mut repeats = 0;
    let mut last = None;
    for seed in 0..DRAWS as u64 {
        let id = draw(&mut sampler(&Sampling { seed: Some(seed), ..off() }, logits.len(), &[]), &logits, 1)[0];
        counts[id as usize] += 1;
        repeats += usize::from(last == Some(id));
        last = Some(id);
    }
    assert!(deviate(&counts, &want) < 3.5, "{counts:?}");
    let expected: f64 = want.iter().map(|p| p * p).sum::<f64>() * DRAWS as f64;
    assert!((repeats as f64 - expected).abs() < 4.0 * expected.sqrt(), "{repeats} repeats, {expected} expected");
}

/// The test can fail: it tells a distribution from one with a twentieth of a token's probability moved.
#[test]
fn the_statistic_sees_a_small_error() {
    let logits = [1.0, 0.5, 0.0, -0.5];
    let mut want = plain(&logits, &off(), &[]).probabilities;
    let mut counts = vec![0; logits.len()];
    draw(&mut sampler(&off(), logits.len(), &[]), &logits, DRAWS).iter().for_each(|&id| counts[id as usize] += 1);
    assert!(deviate(&counts, &want) < 3.5);
    let moved = want[0] / 20.0;
    want[0] -= moved;
    want[3] += moved;
    assert!(deviate(&counts, &want) > 3.5);
}
