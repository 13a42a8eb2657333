//! What distinguishes one family from another.

use wick_compute::RopeLayout;
use wick_spec::{Error, Result};

/// One architecture.
#[derive(Debug)]
pub(crate) struct Family {
    /// `general.architecture` in GGUF, `model_type` in `config.json`.
    pub(crate) architecture: &'static str,
    /// `architectures[0]` in `config.json`.
    pub(crate) class: &'static str,
    /// How the rows of q and k lie in GGUF files; in Hugging Face folders they are always [`RopeLayout::Neox`].
    pub(crate) gguf_rope: RopeLayout,
    /// Norms of each head of q and k.
    pub(crate) qk_norm: bool,
    /// Biases of q, k and v.
    pub(crate) qkv_bias: Bias,
    /// Bias of the output of attention.
    pub(crate) output_bias: Bias,
    /// Biases of the feed-forward.
    pub(crate) mlp_bias: Bias,
    /// Whether `config.json` may ask for a window (`use_sliding_window`).
    pub(crate) windows: bool,
    /// What `config.json` leaves out.
    pub(crate) defaults: Defaults,
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

/// Values that a format defines for keys that are not there.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Defaults {
    /// g; `None`: as many as heads.
    pub(crate) kv_heads: Option<usize>,
    /// d; `None`: e / h.
    pub(crate) head_dim: Option<usize>,
    /// Trained context; `None`: the key is required.
    pub(crate) context: Option<usize>,
    /// Added to the mean square; `None`: the key is required.
    pub(crate) eps: Option<f32>,
}

/// The defaults are those of each family's configuration class in transformers.
const LLAMA: Family = Family {
    architecture: "llama",
    class: "LlamaForCausalLM",
    gguf_rope: RopeLayout::Interleaved,
    qk_norm: false,
    qkv_bias: Bias::Flag("attention_bias"),
    output_bias: Bias::Flag("attention_bias"),
    mlp_bias: Bias::Flag("mlp_bias"),
    windows: false,
    defaults: Defaults { kv_heads: None, head_dim: None, context: Some(2048), eps: Some(1e-6) },
};

const QWEN2: Family = Family {
    architecture: "qwen2",
    class: "Qwen2ForCausalLM",
    gguf_rope: RopeLayout::Neox,
    qkv_bias: Bias::Always,
    output_bias: Bias::Never,
    mlp_bias: Bias::Never,
    windows: true,
    defaults: Defaults { kv_heads: Some(32), context: Some(32768), ..LLAMA.defaults },
    ..LLAMA
};

const QWEN3: Family = Family {
    architecture: "qwen3",
    class: "Qwen3ForCausalLM",
    qk_norm: true,
    qkv_bias: Bias::Flag("attention_bias"),
    output_bias: Bias::Flag("attention_bias"),
    defaults: Defaults { head_dim: Some(128), ..QWEN2.defaults },
    ..QWEN2
};

/// Every family wick knows.
pub(crate) static FAMILIES: [Family; 3] = [LLAMA, QWEN2, QWEN3];

impl Family {
    /// The family of a GGUF file.
    pub(crate) fn of_gguf(architecture: &str) -> Result<&'static Family> {
        FAMILIES.iter().find(|family| family.architecture == architecture).ok_or_else(|| {
            let known: Vec<_> = FAMILIES.iter().map(|family| family.architecture).collect();
            unknown(architecture, &known)
        })
    }

    /// The family of a folder: by class, or by type where no class is named.
    pub(crate) fn of_folder(class: Option<&str>, model_type: Option<&str>) -> Result<&'static Family> {
        let known: Vec<_> = FAMILIES.iter().map(|family| family.class).collect();
        match (class, model_type) {
            (Some(class), _) => FAMILIES.iter().find(|family| family.class == class).ok_or_else(|| unknown(class, &known)),
            (None, Some(name)) => {
                FAMILIES.iter().find(|family| family.architecture == name).ok_or_else(|| unknown(name, &known))
            }
            (None, None) => Err(Error::model_invalid("config.json names neither \"architectures\" nor \"model_type\".")),
        }
    }
}

fn unknown(name: &str, known: &[&str]) -> Error {
    Error::unsupported(format!("wick does not know the architecture {name:?}; it knows {}.", known.join(", ")))
}
