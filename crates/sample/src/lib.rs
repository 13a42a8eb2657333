//! Logits to token: the sampler chain and its seeded generator. Takes `&mut [f32]`, knows no tensors.
//!
//! The chain is data: [`Sampling::chain`](wick_spec::Sampling::chain) names the stages and their order, and a stage that changes
//! nothing is dropped when the sampler is made. Two things hold whatever the chain, so that a run can be repeated and reasoned
//! about: the candidates a stage leaves are always drawn from in the order of their ids, and every token that is drawn takes
//! exactly one number from the generator. A filter that removes nothing therefore changes nothing.
//!
//! Nothing that decides a token calls the system's mathematical library, whose last bit differs between platforms, except one
//! logarithm of min-p when the sampler is made, rounded from f64.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod candidates;
mod distribution;
mod exp;
mod options;
mod random;
mod sampler;
mod window;

pub use sampler::{Choice, Sampler};

#[cfg(test)]
mod tests;
