//! What a builder hands over.

use wick_compute::Plan;
use wick_spec::Warning;

/// A model that can be prepared, and what people want to know of it.
#[derive(Debug, Clone)]
pub struct Model {
    /// What it computes, with the names its own files use.
    pub plan: Plan,
    /// The architecture's name in GGUF: `llama`.
    pub architecture: String,
    /// What its files, or its folder, call it.
    pub name: Option<String>,
    /// Tokens it was trained to attend over.
    pub trained_context: usize,
    /// Attention layers.
    pub layers: usize,
    /// h.
    pub heads: usize,
    /// g.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// e.
    pub hidden: usize,
    /// v: rows of the output matrix.
    pub vocab: usize,
    /// Which sequences are long, where the rotation tells them apart ([`wick_compute::LongRope`]); `None`: it does not.
    pub long_from: Option<LongFrom>,
    /// Weights the plan uses; a tied head counts once.
    pub parameters: u64,
    /// What in the files is not used, or not as the file may mean it.
    pub warnings: Vec<Warning>,
}

/// What makes all rows of a sequence turn as those of long ones do ([`wick_compute::Span::long`]). The figure is the original
/// context of longrope, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongFrom {
    /// A sequence of more tokens, prompt and answer; one that comes to have more is computed again as a long one. What
    /// transformers' `generate` does with a folder.
    Tokens(usize),
    /// A model loaded with a larger context: what llama.cpp does with a GGUF file.
    Window(usize),
}
