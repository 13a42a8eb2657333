//! Logits to token: the sampler chain and its seeded generator. Takes `&mut [f32]`, knows no tensors.
//!
//! The chain is data: [`Sampling::chain`](wick_spec::Sampling::chain) names the stages and their order, and a stage that changes
//! nothing is dropped when the sampler is made. Two things hold whatever the chain, so that a run can be repeated and reasoned
//! about: the candidates a stage leaves are always drawn from in the order of their ids, and every token that is drawn takes
//! exactly one number from the generator (XTC takes one more). A filter that removes nothing therefore changes nothing.
//!
//! Nothing that decides a token calls the system's mathematical library, whose last bit differs between platforms, except one
//! logarithm of min-p when the sampler is made, rounded from f64.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod batch;
mod candidates;
mod distribution;
mod draw;
mod dry;
mod filters;
mod math;
mod mirostat;
mod options;
mod random;
mod sampler;
mod sweep;
mod vectorised;
mod window;

pub use batch::{Job, sample_all};
pub use dry::{Breakers, Spelling};
pub use sampler::{Choice, Sampler, Texts};

#[cfg(test)]
mod tests;
