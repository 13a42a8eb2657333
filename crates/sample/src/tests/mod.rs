//! What the sampler promises, each stage held to a slow one that sorts everything.

mod mirostat;
mod plain;
mod promises;
mod stages;
mod statistics;

use std::sync::Arc;

use wick_spec::{ChainStep, Sampling};

use crate::{Breakers, Sampler, Spelling, Texts};

/// Options whose every stage is off, with the default chain and a seed.
fn off() -> Sampling {
    Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, seed: Some(1), ..Sampling::default() }
}

/// Every stage in the order of the default chain.
const STEPS: [ChainStep; 10] = {
    let mut steps = [ChainStep::LogitBias; 10];
    let mut i = 0;
    while i < steps.len() {
        steps[i] = ChainStep::ALL[i].1;
        i += 1;
    }
    steps
};

/// Tokens that are spelled `<7>`.
#[derive(Debug)]
pub(crate) struct Bracketed(Vec<String>);

impl Default for Bracketed {
    fn default() -> Self {
        Self((0..400).map(|id| format!("<{id}>")).collect())
    }
}

impl Spelling for Bracketed {
    fn bytes(&self, id: u32) -> &[u8] {
        self.0.get(id as usize).map_or(&[], |text| text.as_bytes())
    }
}

/// A sampler that has seen `tokens`. Breakers are written as token ids.
fn sampler(options: &Sampling, vocab: usize, tokens: &[u32]) -> Sampler {
    let breakers: Vec<String> = options.dry.breakers.iter().map(|id| format!("<{id}>")).collect();
    let breakers = Some(Breakers::new(&breakers, Arc::new(Bracketed::default())));
    let mut sampler = Sampler::with_texts(options, vocab, Texts { breakers, ..Texts::default() }).unwrap();
    tokens.iter().for_each(|&id| sampler.accept(id));
    sampler
}

/// The next `n` tokens over the same logits.
fn draw(sampler: &mut Sampler, logits: &[f32], n: usize) -> Vec<u32> {
    (0..n).map(|_| sampler.sample(&mut logits.to_vec()).unwrap().id).collect()
}
