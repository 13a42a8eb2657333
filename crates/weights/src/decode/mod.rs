//! Blocks of a file's types to f32.
//!
//! One function a type, of whole blocks: the layouts are those of ggml's `ggml-common.h`, and the order of operations is that
//! of its reference, so that values are equal to the bit. Portable on purpose: fast paths belong to the crates that compute.

mod kquants;
mod plain;
mod quants;
mod tables;

pub(crate) use kquants::{q2_k, q3_k, q4_k, q5_k, q6_k};
pub(crate) use plain::{bf16, f16, f32};
pub(crate) use quants::{q4_0, q4_1, q5_0, q5_1, q8_0};
pub(crate) use tables::{iq4_nl, iq4_xs, mxfp4, nvfp4};

use half::f16 as Half;

/// Splits `bytes` into blocks of B bytes and `out` into E elements each, and calls `decode` on every pair.
fn each_block<const B: usize, const E: usize>(bytes: &[u8], out: &mut [f32], decode: impl Fn(&[u8; B], &mut [f32; E])) {
    let (blocks, rest) = bytes.as_chunks::<B>();
    let (outs, out_rest) = out.as_chunks_mut::<E>();
    debug_assert!(
        rest.is_empty() && out_rest.is_empty() && blocks.len() == outs.len(),
        "whole blocks, as many as the output takes"
    );
    for (block, out) in blocks.iter().zip(outs) {
        decode(block, out);
    }
}

/// The little-endian f16 at byte `at`.
fn half(block: &[u8], at: usize) -> f32 {
    Half::from_le_bytes([block[at], block[at + 1]]).to_f32()
}
