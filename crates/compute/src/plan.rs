//! What a model computes, as data.
//!
//! Letters: t new tokens, s cached + new, h heads, g kv-heads, d head size, e hidden, f ffn, v vocabulary. A residual stream
//! x (t, e) runs through the steps in order; `Attention` and `Mlp` add their result to it.

use std::ops::Range;

/// One model as a list of steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The architecture's name in GGUF (`llama`), for messages.
    pub architecture: String,
    /// e.
    pub hidden: usize,
    /// v: rows of the output matrix.
    pub vocab: usize,
    /// The steps in order: `Embed` first, `Head` last.
    pub steps: Vec<Step>,
}

/// One step. A backend that cannot do one says `unsupported` when the plan is prepared, never later.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ids or given rows to x.
    Embed(Embed),
    /// x += residual · post_norm(attention(norm(x))).
    Attention(Box<Attention>),
    /// x += residual · post_norm(mlp(norm(x))).
    Mlp(Box<Mlp>),
    /// x = norm(x).
    Norm(Norm),
    /// Logits of the wanted rows.
    Head(Head),
}

/// Looks up rows of a (v, e) table.
#[derive(Debug, Clone, PartialEq)]
pub struct Embed {
    /// Name of the table.
    pub weight: String,
    /// What the rows of ids are multiplied by; given rows are not. 1 in most families; √e in gemma.
    pub scale: f32,
}

/// `y = x · Wᵀ + b`, W (m, n): n inputs to m outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Name of W, or of the tensor that W is rows of.
    pub weight: String,
    /// Name of b (m), or of the tensor that b is elements of.
    pub bias: Option<String>,
    /// Which rows of `weight` are W, and which elements of `bias` are b; `None`: all (phi3 keeps q, k and v in one tensor).
    pub rows: Option<Range<usize>>,
}

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x²) + eps) * (w + offset)` (Zhang & Sennrich 2019).
    Rms,
}

/// A norm of each row, or of each head's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Which norm.
    pub kind: NormKind,
    /// Name of w.
    pub weight: String,
    /// Added to the mean, not to the root.
    pub eps: f32,
    /// Added to each element of w: 1 in gemma's folders, 0 elsewhere.
    pub offset: f32,
}

/// A norm of q or k, before the rotation.
#[derive(Debug, Clone, PartialEq)]
pub struct HeadNorm {
    /// The norm.
    pub norm: Norm,
    /// What one mean is taken over, and the length of the norm's weight.
    pub over: NormOver,
}

/// What one mean of a [`HeadNorm`] is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormOver {
    /// Each head: weight (d) (qwen3, gemma3).
    Head,
    /// All heads of a token: weight (h·d) or (g·d) (olmo2).
    Row,
}

/// How a head's elements are paired for rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RopeLayout {
    /// Pairs (2i, 2i + 1): GGUF files of the llama family.
    Interleaved,
    /// Pairs (i, i + n/2): Hugging Face files, and GGUF files of most other families.
    Neox,
}

/// Rotary position embedding (Su et al. 2021).
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// How elements are paired.
    pub layout: RopeLayout,
    /// The angle of pair i at position p is `p * inv_freq[i]`, any scaling (llama3, YaRN) already applied. Its length is half the
    /// number of rotated elements; the rest of the head, if any, is not rotated.
    pub inv_freq: Vec<f32>,
    /// What cosines and sines are multiplied by: 1, but for YaRN and longrope.
    pub magnitude: f32,
    /// Frequencies of long sequences, where they differ.
    pub long: Option<LongRope>,
}

impl Rope {
    /// The frequencies of a row at this position; `long`: its span's.
    pub fn inv_freq_of(&self, position: u32, long: bool) -> &[f32] {
        match &self.long {
            Some(rope) if long || position as usize >= rope.original => &rope.inv_freq,
            _ => &self.inv_freq,
        }
    }
}

/// The frequencies of longrope (Ding et al. 2024) for sequences beyond the original context.
#[derive(Debug, Clone, PartialEq)]
pub struct LongRope {
    /// As [`Rope::inv_freq`], and as many.
    pub inv_freq: Vec<f32>,
    /// The original context: a row turns by these from this position on, and wherever its span is [`crate::Span::long`].
    pub original: usize,
}

/// Queries that grow with the logarithm of their position, so that attention stays sharp over long sequences: q is multiplied by
/// `1 + beta · ln(1 + floor(p / original))` after the rotation (Llama 4; ministral3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryGrowth {
    /// How fast.
    pub beta: f32,
    /// Positions before which nothing grows.
    pub original: usize,
}

impl QueryGrowth {
    /// What the query at this position is multiplied by.
    pub fn factor(&self, position: u32) -> f32 {
        1.0 + self.beta * ((1 + position as usize / self.original) as f32).ln()
    }
}

/// Grouped-query attention over the sequence's own past (Vaswani et al. 2017; Ainslie et al. 2023).
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Its place among the layers that keep keys and values, from 0.
    pub layer: usize,
    /// Applied to x first; `None`: x as it is (olmo2).
    pub norm: Option<Norm>,
    /// (h·d, e)
    pub q: Linear,
    /// (g·d, e)
    pub k: Linear,
    /// (g·d, e)
    pub v: Linear,
    /// (e, h·d)
    pub o: Linear,
    /// Norm of q (qwen3, gemma3, olmo2).
    pub q_norm: Option<HeadNorm>,
    /// Norm of k (qwen3, gemma3, olmo2).
    pub k_norm: Option<HeadNorm>,
    /// h; a multiple of g.
    pub heads: usize,
    /// g.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// Rotation of q and k; `None`: none (smollm3 has layers without).
    pub rope: Option<Rope>,
    /// What q·k is multiplied by, usually 1 / sqrt(d).
    pub scale: f32,
    /// How queries grow with their position (ministral3).
    pub growth: Option<QueryGrowth>,
    /// With `Some(c)` scores, already scaled, become `c · tanh(score / c)` before the softmax (gemma2).
    pub softcap: Option<f32>,
    /// With `Some(w)` a token sees itself and the w - 1 tokens before it (qwen2 with `use_sliding_window`).
    pub window: Option<usize>,
    /// Applied to the result before it is added to x (gemma2, gemma3, olmo2).
    pub post_norm: Option<Norm>,
    /// What the result is multiplied by when it is added to x: 1, but for granite.
    pub residual: f32,
}

/// The gate's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³)))` (Hendrycks & Gimpel 2016, the approximation by tanh): gemma.
    GeluTanh,
}

/// Gated feed-forward (Shazeer 2020): `down(act(gate(y)) * up(y))`, y = norm(x).
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Applied to x first; `None`: x as it is (olmo2).
    pub norm: Option<Norm>,
    /// (f, e)
    pub gate: Linear,
    /// (f, e)
    pub up: Linear,
    /// (e, f)
    pub down: Linear,
    /// Of the gate.
    pub activation: Activation,
    /// Applied to the result before it is added to x (gemma2, gemma3, olmo2).
    pub post_norm: Option<Norm>,
    /// What the result is multiplied by when it is added to x: 1, but for granite.
    pub residual: f32,
}

/// Hidden rows to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// (v, e); the embedding table's name where the two are tied.
    pub linear: Linear,
    /// What logits are multiplied by: 1, but for granite.
    pub scale: f32,
    /// With `Some(c)` logits, already scaled, become `c · tanh(logit / c)` (gemma2).
    pub softcap: Option<f32>,
}

impl Plan {
    /// The attention steps, in order.
    pub fn attention(&self) -> impl Iterator<Item = &Attention> + Clone {
        self.steps.iter().filter_map(|step| match step {
            Step::Attention(attention) => Some(attention.as_ref()),
            _ => None,
        })
    }
}
