//! What distinguishes one family from another: the options that a row of the table ([`super::families`]) sets.

use wick_compute::{Activation, NormOver, RopeLayout};
use wick_spec::{Error, Result};

use super::families::FAMILIES;
use super::names::{DOWN, Format, GATE, GATE_UP, K, K_NORM, O, Part, Q, Q_NORM, QKV, UP, V};

/// One architecture.
#[derive(Debug)]
pub(crate) struct Family {
    /// `general.architecture` in GGUF. Several families of folders may share one.
    pub(crate) architecture: &'static str,
    /// `model_type` in `config.json`.
    pub(crate) model_type: &'static str,
    /// `architectures[0]` in `config.json`.
    pub(crate) class: &'static str,
    /// How the rows of q and k lie in GGUF files; in Hugging Face folders they are always [`RopeLayout::Neox`].
    pub(crate) gguf_rope: RopeLayout,
    /// The norms of a layer.
    pub(crate) norms: Norms,
    /// What folders leave out of every norm's weight; GGUF files have it in.
    pub(crate) norm_offset: f32,
    /// Norms of q and k, and what they are taken over.
    pub(crate) qk_norm: Option<NormOver>,
    /// Whether q, k and v are one tensor, and gate and up another.
    pub(crate) fused: bool,
    /// Biases of q, k and v.
    pub(crate) qkv_bias: Bias,
    /// Bias of the output of attention.
    pub(crate) output_bias: Bias,
    /// Biases of the feed-forward.
    pub(crate) mlp_bias: Bias,
    /// The gate's non-linearity.
    pub(crate) gate: Gate,
    /// What parts are multiplied by.
    pub(crate) scales: Scales,
    /// Soft caps.
    pub(crate) caps: Caps,
    /// What a folder says of windows.
    pub(crate) folder_windows: FolderWindows,
    /// What a GGUF file says of windows without marking the layers.
    pub(crate) gguf_windows: Option<GgufWindows>,
    /// How it turns.
    pub(crate) turns: Turns,
    /// What `config.json` leaves out.
    pub(crate) defaults: Defaults,
}

/// Which norms a layer has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norms {
    /// Before attention.
    pub(crate) attention: Option<&'static Part>,
    /// Of what attention adds.
    pub(crate) after_attention: Option<&'static Part>,
    /// Before the feed-forward.
    pub(crate) mlp: Option<&'static Part>,
    /// Of what the feed-forward adds.
    pub(crate) after_mlp: Option<&'static Part>,
}

/// Whether a product has a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bias {
    /// In no file of the family.
    Never,
    /// In all of them.
    Always,
    /// In a folder where this key of `config.json` is true; in GGUF where the tensor is there.
    Flag(&'static str),
}

/// A gate, and how `config.json` spells it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gate {
    pub(crate) activation: Activation,
    pub(crate) key: &'static str,
    pub(crate) names: &'static [&'static str],
}

/// What parts of a family are multiplied by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scales {
    /// Queries alone, by 1 / sqrt(d).
    Plain,
    /// Embeddings by √e; queries by what `query_pre_attn_scalar` says, if the family reads it (`None`: 1 / sqrt(d)).
    Gemma(Option<QueryScale>),
    /// Everything by what the file says.
    Granite,
}

/// 1 / sqrt(`query_pre_attn_scalar`), a key that GGUF does not have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct QueryScale {
    /// Where a folder does not say.
    pub(crate) default: f32,
    /// Layers of the one model whose queries a GGUF file means to be scaled by 1 / sqrt(e / h), as llama.cpp knows it; in the
    /// others it is 1 / sqrt(d).
    pub(crate) by_width: usize,
}

/// Soft caps a family may have, under the same keys in both formats, with what a missing key means; 0 and null are none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    /// Of scores.
    pub(crate) attention: Option<Cap>,
    /// Of logits.
    pub(crate) logits: Option<Cap>,
}

/// One soft cap.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cap {
    /// Where the file does not say.
    pub(crate) default: Option<f32>,
}

/// What a folder says of windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FolderWindows {
    /// Nothing.
    Never,
    /// `use_sliding_window` turns them on, in the layers that `layer_types` names, or else in these.
    OnRequest(Requested),
    /// Every layer has one, unless `sliding_window` is null.
    Every,
    /// The layers that `layer_types` names, or else all but every n-th; `sliding_window_pattern` may be another n.
    AllBut(usize),
}

/// Which layers have a requested window where none are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requested {
    /// From `max_window_layers` on.
    MaxWindowLayers,
    /// Those that do not turn.
    Unturned,
}

/// What a GGUF file says of windows without marking the layers: all but every n-th have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GgufWindows {
    /// The size where the file does not say; `None`: there are no windows then.
    pub(crate) size: Option<usize>,
    /// n, where the file does not say.
    pub(crate) but: usize,
}

/// How a family turns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turns {
    /// Whether a part of a head may stay as it is (`partial_rotary_factor`).
    pub(crate) partial: bool,
    /// Layers with a window.
    pub(crate) windowed: Windowed,
    /// Every n-th layer does not turn (`no_rope_layer_interval`).
    pub(crate) none_every: Option<usize>,
    /// Whether queries grow with their position (`llama_4_scaling_beta`), and a GGUF file has YaRN's own figures.
    pub(crate) ministral: bool,
    /// Whether every scaling of a folder is longrope, whatever it is called.
    pub(crate) always_long: bool,
    /// Whether llama.cpp reads the divisors of longrope in this architecture.
    pub(crate) gguf_long: bool,
}

/// How layers with a window turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Windowed {
    /// As the others.
    Same,
    /// With the same base, unscaled, in GGUF files (Olmo 3 has the architecture of olmo2 there).
    Unscaled,
    /// With a base of their own, this where the file does not say, unscaled.
    Base(f32),
}

/// Values that a format defines for keys that are not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    /// g; `None`: as many as heads.
    pub(crate) kv_heads: Option<usize>,
    /// d; `None`: e / h.
    pub(crate) head_dim: Option<usize>,
    /// Trained context; `None`: the key is required.
    pub(crate) context: Option<usize>,
    /// The context before scaling; `None`: the trained one.
    pub(crate) original: Option<usize>,
    /// Added to the mean square; `None`: the key is required.
    pub(crate) eps: Option<f32>,
    /// θ.
    pub(crate) base: f32,
    /// Tokens of a window; `None`: there is none.
    pub(crate) window: Option<usize>,
    /// Whether the head is the embedding table.
    pub(crate) tied: bool,
}

impl Defaults {
    /// GGUF's: what a file needs, it says.
    pub(crate) const GGUF: Self = Self {
        kv_heads: None,
        head_dim: None,
        context: None,
        original: None,
        eps: None,
        base: 10_000.0,
        window: None,
        tied: false,
    };
}

impl Family {
    /// The family of a GGUF file.
    pub(crate) fn of_gguf(architecture: &str) -> Result<&'static Family> {
        FAMILIES.iter().find(|family| family.architecture == architecture).ok_or_else(|| {
            let mut known: Vec<_> = FAMILIES.iter().map(|family| family.architecture).collect();
            known.dedup();
            unknown(architecture, &known)
        })
    }

    /// The family of a folder: by class, or by type where no class is named.
    pub(crate) fn of_folder(class: Option<&str>, model_type: Option<&str>) -> Result<&'static Family> {
        let known: Vec<_> = FAMILIES.iter().map(|family| family.class).collect();
        match (class, model_type) {
            (Some(class), _) => FAMILIES.iter().find(|family| family.class == class).ok_or_else(|| unknown(class, &known)),
            (None, Some(name)) => {
                FAMILIES.iter().find(|family| family.model_type == name).ok_or_else(|| unknown(name, &known))
            }
            (None, None) => Err(Error::model_invalid("config.json names neither \"architectures\" nor \"model_type\".")),
        }
    }

    /// What is added to a norm's weight as the format has it.
    pub(crate) fn offset(&self, format: Format) -> f32 {
        match format {
            Format::Folder => self.norm_offset,
            Format::Gguf => 0.0,
        }
    }

    /// The parts of a layer, in the order of computation.
    pub(crate) fn layer_parts(&self) -> Vec<&'static Part> {
        let Norms { attention, after_attention, mlp, after_mlp } = self.norms;
        let (projections, gates): (&[&'static Part], &[&'static Part]) =
            if self.fused { (&[&QKV], &[&GATE_UP]) } else { (&[&Q, &K, &V], &[&GATE, &UP]) };
        let parts = attention.into_iter().chain(projections.iter().copied()).chain([&Q_NORM, &K_NORM, &O]);
        let parts = parts.chain(after_attention).chain(mlp).chain(gates.iter().copied()).chain([&DOWN]);
        parts.chain(after_mlp).collect()
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    Error::unsupported(format!("wick does not know the architecture {name:?}; it knows {}.", known.join(", ")))
}
