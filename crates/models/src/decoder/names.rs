//! What both formats call the parts of a decoder.

/// Whose names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// GGUF.
    Gguf,
    /// A Hugging Face folder.
    Folder,
}

/// A part of a model that has a weight, and perhaps a bias. Parts of a layer leave out the layer's own name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    gguf: &'static str,
    folder: &'static str,
}

/// Token ids to rows.
pub(crate) const EMBED: Part = Part { gguf: "token_embd", folder: "model.embed_tokens" };
/// The norm before the head.
pub(crate) const NORM: Part = Part { gguf: "output_norm", folder: "model.norm" };
/// Rows to logits.
pub(crate) const HEAD: Part = Part { gguf: "output", folder: "lm_head" };

/// The norm before attention.
pub(crate) const ATTENTION_NORM: Part = Part { gguf: "attn_norm", folder: "input_layernorm" };
/// Queries.
pub(crate) const Q: Part = Part { gguf: "attn_q", folder: "self_attn.q_proj" };
/// Keys.
pub(crate) const K: Part = Part { gguf: "attn_k", folder: "self_attn.k_proj" };
/// Values.
pub(crate) const V: Part = Part { gguf: "attn_v", folder: "self_attn.v_proj" };
/// The output of attention.
pub(crate) const O: Part = Part { gguf: "attn_output", folder: "self_attn.o_proj" };
/// Queries, keys and values in one (phi3).
pub(crate) const QKV: Part = Part { gguf: "attn_qkv", folder: "self_attn.qkv_proj" };
/// Norm of queries.
pub(crate) const Q_NORM: Part = Part { gguf: "attn_q_norm", folder: "self_attn.q_norm" };
/// Norm of keys.
pub(crate) const K_NORM: Part = Part { gguf: "attn_k_norm", folder: "self_attn.k_norm" };
/// The norm before the feed-forward.
pub(crate) const MLP_NORM: Part = Part { gguf: "ffn_norm", folder: "post_attention_layernorm" };
/// The same in families that have a norm after attention too, which then has this one's name in folders.
pub(crate) const MLP_NORM_OF_TWO: Part = Part { gguf: "ffn_norm", folder: "pre_feedforward_layernorm" };
/// The norm of what attention adds.
pub(crate) const ATTENTION_POST_NORM: Part = Part { gguf: "post_attention_norm", folder: "post_attention_layernorm" };
/// The norm of what the feed-forward adds.
pub(crate) const MLP_POST_NORM: Part = Part { gguf: "post_ffw_norm", folder: "post_feedforward_layernorm" };
/// Gate and up in one (phi3).
pub(crate) const GATE_UP: Part = Part { gguf: "ffn_up", folder: "mlp.gate_up_proj" };
/// The gate of the feed-forward.
pub(crate) const GATE: Part = Part { gguf: "ffn_gate", folder: "mlp.gate_proj" };
/// What the gate is multiplied with.
pub(crate) const UP: Part = Part { gguf: "ffn_up", folder: "mlp.up_proj" };
/// Back to the residual stream.
pub(crate) const DOWN: Part = Part { gguf: "ffn_down", folder: "mlp.down_proj" };

/// GGUF's name for the divisors of the rotation's frequencies; Hugging Face keeps the figures they come from in `config.json`.
pub(crate) const ROPE_FREQS: &str = "rope_freqs.weight";
/// The same of longrope, for sequences within the original context, and for longer ones.
pub(crate) const ROPE_SHORT: &str = "rope_factors_short.weight";
pub(crate) const ROPE_LONG: &str = "rope_factors_long.weight";

impl Part {
    /// Whether it is a norm.
    pub(crate) fn is_norm(&self) -> bool {
        self.gguf.ends_with("_norm")
    }

    /// The part's name; `layer` for the parts of a layer.
    fn name(&self, format: Format, layer: Option<usize>) -> String {
        match (format, layer) {
            (Format::Gguf, None) => self.gguf.to_owned(),
            (Format::Gguf, Some(layer)) => format!("blk.{layer}.{}", self.gguf),
            (Format::Folder, None) => self.folder.to_owned(),
            (Format::Folder, Some(layer)) => format!("model.layers.{layer}.{}", self.folder),
        }
    }

    /// The name of its weight.
    pub(crate) fn weight(&self, format: Format, layer: Option<usize>) -> String {
        self.name(format, layer) + ".weight"
    }

    /// The name of its bias.
    pub(crate) fn bias(&self, format: Format, layer: Option<usize>) -> String {
        self.name(format, layer) + ".bias"
    }
}

/// The parts outside layers, in the order files have them.
pub(crate) const MODEL_PARTS: [&Part; 3] = [&EMBED, &NORM, &HEAD];
