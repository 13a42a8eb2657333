//! Decoder-only language models of the llama kind: embedding, layers of attention and gated feed-forward, norm, head.
//!
//! A family is a row of [`family::FAMILIES`]. A reader for each format turns metadata into a [`build::Decoder`], neutral
//! between formats, and that becomes a plan while every tensor is held to the metadata.

pub(crate) mod build;
pub(crate) mod factors;
mod families;
pub(crate) mod family;
pub(crate) mod folder;
pub(crate) mod gguf;
pub(crate) mod names;
pub(crate) mod rope;
pub(crate) mod sizes;
pub(crate) mod window;

pub use families::{Architecture, architectures};
pub use folder::from_folder;
pub use gguf::from_gguf;

#[cfg(test)]
mod tests;
