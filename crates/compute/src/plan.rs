//! What a model computes, as data.
//!
//! Letters: t new tokens, s cached + new, h heads, g kv-heads, d head size, e hidden, f ffn, v vocabulary. A residual stream
//! x (t, e) runs through the steps in order; `Attention` and `Mlp` add their result to it.

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
    /// x += attention(norm(x)).
    Attention(Box<Attention>),
    /// x += mlp(norm(x)).
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
}

/// `y = x · Wᵀ + b`, W (m, n): n inputs to m outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Name of W.
    pub weight: String,
    /// Name of b (m).
    pub bias: Option<String>,
}

/// Which norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    /// `x / sqrt(mean(x²) + eps) * w` (Zhang & Sennrich 2019).
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
    /// The angle of pair i at position p is `p * inv_freq[i]`, any scaling (llama3) already applied. Its length is half the
    /// number of rotated elements; the rest of the head, if any, is not rotated.
    pub inv_freq: Vec<f32>,
}

/// Grouped-query attention over the sequence's own past (Vaswani et al. 2017; Ainslie et al. 2023).
#[derive(Debug, Clone, PartialEq)]
pub struct Attention {
    /// Its place among the layers that keep keys and values, from 0.
    pub layer: usize,
    /// Applied to x first.
    pub norm: Norm,
    /// (h·d, e)
    pub q: Linear,
    /// (g·d, e)
    pub k: Linear,
    /// (g·d, e)
    pub v: Linear,
    /// (e, h·d)
    pub o: Linear,
    /// Norm of each head of q, weight (d), before the rotation (qwen3).
    pub q_norm: Option<Norm>,
    /// Norm of each head of k, weight (d), before the rotation (qwen3).
    pub k_norm: Option<Norm>,
    /// h; a multiple of g.
    pub heads: usize,
    /// g.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// Rotation of q and k.
    pub rope: Rope,
    /// What q·k is multiplied by, usually 1 / sqrt(d).
    pub scale: f32,
    /// With `Some(w)` a token sees itself and the w - 1 tokens before it (qwen2 with `use_sliding_window`).
    pub window: Option<usize>,
}

/// The gate's non-linearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
}

/// Gated feed-forward (Shazeer 2020): `down(act(gate(y)) * up(y))`, y = norm(x).
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Applied to x first.
    pub norm: Norm,
    /// (f, e)
    pub gate: Linear,
    /// (f, e)
    pub up: Linear,
    /// (e, f)
    pub down: Linear,
    /// Of the gate.
    pub activation: Activation,
}

/// Hidden rows to logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// (v, e); the embedding table's name where the two are tied.
    pub linear: Linear,
}

impl Plan {
    /// The attention steps, in order.
    pub fn attention(&self) -> impl Iterator<Item = &Attention> {
        self.steps.iter().filter_map(|step| match step {
            Step::Attention(attention) => Some(attention.as_ref()),
            _ => None,
        })
    }

    /// Elements of keys and values that one token keeps, over all layers: 2 · Σ g·d.
    pub fn kv_width(&self) -> usize {
        self.attention().map(|a| 2 * a.kv_heads * a.head_dim).sum()
    }
}
