//! What the sampler promises, each stage held to a slow one that sorts everything.

mod plain;
mod promises;
mod stages;
mod statistics;

use wick_spec::{ChainStep, Sampling};

use crate::Sampler;

/// Options whose every stage is off, with the default chain and a seed.
fn off() -> Sampling {
    Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(1), ..Sampling::default() }
}

/// Every stage in the order of the default chain.
const STEPS: [ChainStep; 6] =
    [ChainStep::LogitBias, ChainStep::Penalties, ChainStep::TopK, ChainStep::TopP, ChainStep::MinP, ChainStep::Temperature];

/// A sampler that has seen `tokens`.
fn sampler(options: &Sampling, vocab: usize, tokens: &[u32]) -> Sampler {
    let mut sampler = Sampler::new(options, vocab).unwrap();
    tokens.iter().for_each(|&id| sampler.accept(id));
    sampler
}

/// The next `n` tokens over the same logits.
fn draw(sampler: &mut Sampler, logits: &[f32], n: usize) -> Vec<u32> {
    (0..n).map(|_| sampler.sample(&mut logits.to_vec()).unwrap().id).collect()
}
