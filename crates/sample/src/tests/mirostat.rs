//! Mirostat held to a slow transcription of the paper, and to what it is for.

use wick_spec::{Draw, Mirostat, Sampling};

use super::plain::{order, softmax};
use super::{off, sampler};
use crate::random::Random;

/// Basu et al. 2020, algorithm 1 (version 1) and the authors' second version, in f64 over sorted probabilities.
pub(crate) struct Slow {
    zipf: bool,
    target: Mirostat,
    bound: f64,
}

impl Slow {
    pub(crate) fn new(options: &Sampling) -> Self {
        let (zipf, target) = match options.draw {
            Draw::MirostatV1(target) => (true, target),
            Draw::MirostatV2(target) => (false, target),
            Draw::Categorical | Draw::GumbelMax => panic!("no mirostat"),
        };
        Self { zipf, target, bound: 2.0 * f64::from(target.tau) }
    }

    /// The probabilities of the next token (v).
    pub(crate) fn distribution(&self, logits: &[f32]) -> Vec<f64> {
        let probabilities = softmax(logits);
        let ranked: Vec<usize> = order(logits);
        let kept = if self.zipf {
            let p: Vec<f64> = ranked.iter().take(100).map(|&id| probabilities[id]).collect();
            let (mut product, mut square) = (0.0, 0.0);
            for i in 0..p.len() - 1 {
                let t = ((i + 2) as f64 / (i + 1) as f64).ln();
                product += t * (p[i] / p[i + 1]).ln();
                square += t * t;
            }
            let s = product / square;
            let (n, epsilon) = (logits.len() as f64, s - 1.0);
            let k = (epsilon * 2f64.powf(self.bound) / (1.0 - n.powf(-epsilon))).powf(1.0 / s);
            k.round().clamp(1.0, n) as usize
        } else {
            ranked.iter().take_while(|&&id| -probabilities[id].log2() <= self.bound).count().max(1)
        };
        let mut cut = vec![f32::NEG_INFINITY; logits.len()];
        ranked.iter().take(kept).for_each(|&id| cut[id] = logits[id]);
        softmax(&cut)
    }

    /// The bound after token `id` was drawn.
    pub(crate) fn follow(&mut self, logits: &[f32], id: usize) {
        let surprise = -softmax(logits)[id].log2();
        self.bound -= f64::from(self.target.eta) * (surprise - f64::from(self.target.tau));
    }
}

/// Logits of another step each time, of a few hundred tokens.
fn step(random: &mut Random) -> Vec<f32> {
    let slope = 0.6 + 1.5 * random.unit();
    (0..400).map(|i| (-slope * f64::from(i + 1).ln() + random.unit()) as f32).collect()
}

fn versions(target: Mirostat) -> [Sampling; 2] {
    [Draw::MirostatV1(target), Draw::MirostatV2(target)].map(|draw| Sampling { draw, ..off() })
}

#[test]
fn every_token_and_the_bound_are_those_of_the_paper() {
    for options in versions(Mirostat { tau: 3.0, eta: 0.1 }) {
        let (mut slow, mut fast) = (Slow::new(&options), sampler(&options, 400, &[]));
        let mut random = Random::new(11);
        for n in 0..300 {
            let logits = step(&mut random);
            let want = slow.distribution(&logits);
            let id = fast.sample(&mut logits.clone()).unwrap().id as usize;
            assert!(want[id] > 0.0, "token {n}: {id} is cut off");
            slow.follow(&logits, id);
            assert!((fast.bound().unwrap() - slow.bound).abs() < 1e-4, "token {n}");
        }
    }
}

#[test]
fn the_mean_surprise_comes_to_the_target() {
    for tau in [2.5, 3.5, 4.5] {
        for options in versions(Mirostat { tau, eta: 0.1 }) {
            let mut fast = sampler(&options, 400, &[]);
            let mut random = Random::new(2);
            let mut surprise = 0.0;
            for n in 0..1100 {
                let logits = step(&mut random);
                let id = fast.sample(&mut logits.clone()).unwrap().id as usize;
                surprise += if n < 100 { 0.0 } else { -softmax(&logits)[id].log2() };
            }
            assert!((surprise / 1000.0 - f64::from(tau)).abs() < 0.1, "{:?}: {}", options.draw, surprise / 1000.0);
        }
    }
}

#[test]
fn one_token_and_tokens_alike_are_no_trouble() {
    for options in versions(Mirostat { tau: 0.01, eta: 1.0 }) {
        for vocab in [1, 2, 300] {
            let mut fast = sampler(&options, vocab, &[]);
            for _ in 0..50 {
                assert!((fast.sample(&mut vec![0.5; vocab]).unwrap().id as usize) < vocab);
                assert!(fast.bound().unwrap().is_finite());
            }
        }
    }
}
