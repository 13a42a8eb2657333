//! The table of families. Each row is what it is beside the family it descends from.
//!
//! Defaults are those of each family's configuration class in transformers; what GGUF files leave out means what llama.cpp
//! takes it for.

use wick_compute::{Activation, NormOver, RopeLayout};

use super::family::{
    Bias, Cap, Caps, Defaults, Family, FolderWindows, Gate, GgufWindows, Norms, QueryScale, Requested, Scales, Turns,
    Windowed,
};
use super::names::{ATTENTION_NORM, ATTENTION_POST_NORM, MLP_NORM, MLP_NORM_OF_TWO, MLP_POST_NORM};

const BEFORE: Norms =
    Norms { attention: Some(&ATTENTION_NORM), after_attention: None, mlp: Some(&MLP_NORM), after_mlp: None };
const AFTER: Norms =
    Norms { attention: None, after_attention: Some(&ATTENTION_POST_NORM), mlp: None, after_mlp: Some(&MLP_POST_NORM) };
const BEFORE_AND_AFTER: Norms = Norms { attention: Some(&ATTENTION_NORM), mlp: Some(&MLP_NORM_OF_TWO), ..AFTER };

const SILU: Gate = Gate { activation: Activation::Silu, key: "hidden_act", names: &["silu", "swish"] };
const GELU: Gate =
    Gate { activation: Activation::GeluTanh, key: "hidden_activation", names: &["gelu_pytorch_tanh", "gelu_tanh"] };

const LLAMA: Family = Family {
    architecture: "llama",
    model_type: "llama",
    class: "LlamaForCausalLM",
    gguf_rope: RopeLayout::Interleaved,
    norms: BEFORE,
    norm_offset: 0.0,
    qk_norm: None,
    fused: false,
    qkv_bias: Bias::Flag("attention_bias"),
    output_bias: Bias::Flag("attention_bias"),
    mlp_bias: Bias::Flag("mlp_bias"),
    gate: SILU,
    scales: Scales::Plain,
    caps: Caps { attention: None, logits: None },
    folder_windows: FolderWindows::Never,
    gguf_windows: None,
    turns: Turns {
        partial: false,
        windowed: Windowed::Same,
        none_every: None,
        ministral: false,
        always_long: false,
        gguf_long: true,
    },
    defaults: Defaults {
        kv_heads: None,
        head_dim: None,
        context: Some(2048),
        original: None,
        eps: Some(1e-6),
        base: 10_000.0,
        window: None,
        tied: false,
    },
};

const MISTRAL: Family = Family {
    model_type: "mistral",
    class: "MistralForCausalLM",
    qkv_bias: Bias::Never,
    output_bias: Bias::Never,
    mlp_bias: Bias::Never,
    folder_windows: FolderWindows::Every,
    defaults: Defaults { kv_heads: Some(8), context: Some(131_072), window: Some(4096), ..LLAMA.defaults },
    ..LLAMA
};

const MINISTRAL3: Family = Family {
    architecture: "mistral3",
    model_type: "ministral3",
    class: "Ministral3ForCausalLM",
    turns: Turns { ministral: true, ..LLAMA.turns },
    defaults: Defaults { head_dim: Some(128), context: Some(262_144), eps: Some(1e-5), window: None, ..MISTRAL.defaults },
    ..MISTRAL
};

const QWEN2: Family = Family {
    architecture: "qwen2",
    model_type: "qwen2",
    class: "Qwen2ForCausalLM",
    gguf_rope: RopeLayout::Neox,
    qkv_bias: Bias::Always,
    output_bias: Bias::Never,
    mlp_bias: Bias::Never,
    folder_windows: FolderWindows::OnRequest(Requested::MaxWindowLayers),
    turns: Turns { gguf_long: false, ..LLAMA.turns },
    defaults: Defaults { kv_heads: Some(32), context: Some(32768), window: Some(4096), ..LLAMA.defaults },
    ..LLAMA
};

const QWEN3: Family = Family {
    architecture: "qwen3",
    model_type: "qwen3",
    class: "Qwen3ForCausalLM",
    qk_norm: Some(NormOver::Head),
    qkv_bias: Bias::Flag("attention_bias"),
    output_bias: Bias::Flag("attention_bias"),
    defaults: Defaults { head_dim: Some(128), ..QWEN2.defaults },
    ..QWEN2
};

const SMOLLM3: Family = Family {
    architecture: "smollm3",
    model_type: "smollm3",
    class: "SmolLM3ForCausalLM",
    folder_windows: FolderWindows::OnRequest(Requested::Unturned),
    turns: Turns { none_every: Some(4), gguf_long: false, ..LLAMA.turns },
    defaults: Defaults { kv_heads: Some(4), context: Some(32768), base: 2e6, tied: true, ..LLAMA.defaults },
    ..LLAMA
};

const GRANITE: Family =
    Family { architecture: "granite", model_type: "granite", class: "GraniteForCausalLM", scales: Scales::Granite, ..LLAMA };

const OLMO2: Family = Family {
    architecture: "olmo2",
    model_type: "olmo2",
    class: "Olmo2ForCausalLM",
    gguf_rope: RopeLayout::Neox,
    norms: AFTER,
    qk_norm: Some(NormOver::Row),
    mlp_bias: Bias::Never,
    gguf_windows: Some(GgufWindows { size: None, but: 4 }),
    turns: Turns { windowed: Windowed::Unscaled, gguf_long: false, ..LLAMA.turns },
    defaults: Defaults { eps: Some(1e-5), ..LLAMA.defaults },
    ..LLAMA
};

const PHI3: Family = Family {
    architecture: "phi3",
    model_type: "phi3",
    class: "Phi3ForCausalLM",
    gguf_rope: RopeLayout::Neox,
    fused: true,
    qkv_bias: Bias::Never,
    output_bias: Bias::Never,
    mlp_bias: Bias::Never,
    folder_windows: FolderWindows::Every,
    turns: Turns { partial: true, always_long: true, ..LLAMA.turns },
    defaults: Defaults { context: Some(4096), original: Some(4096), eps: Some(1e-5), ..LLAMA.defaults },
    ..LLAMA
};

const GEMMA: Family = Family {
    architecture: "gemma",
    model_type: "gemma",
    class: "GemmaForCausalLM",
    gguf_rope: RopeLayout::Neox,
    norm_offset: 1.0,
    mlp_bias: Bias::Never,
    // The first releases say gelu and mean the approximation.
    gate: Gate { key: "hidden_act", names: &["gelu_pytorch_tanh", "gelu_tanh", "gelu"], ..GELU },
    scales: Scales::Gemma(None),
    turns: Turns { gguf_long: false, ..LLAMA.turns },
    defaults: Defaults { kv_heads: Some(16), head_dim: Some(256), context: Some(8192), tied: true, ..LLAMA.defaults },
    ..LLAMA
};

const GEMMA2: Family = Family {
    architecture: "gemma2",
    model_type: "gemma2",
    class: "Gemma2ForCausalLM",
    norms: BEFORE_AND_AFTER,
    gate: GELU,
    scales: Scales::Gemma(Some(QueryScale { default: 256.0, by_width: 46 })),
    caps: Caps { attention: Some(Cap { default: Some(50.0) }), logits: Some(Cap { default: Some(30.0) }) },
    folder_windows: FolderWindows::AllBut(2),
    gguf_windows: Some(GgufWindows { size: Some(4096), but: 2 }),
    defaults: Defaults { kv_heads: Some(4), window: Some(4096), ..GEMMA.defaults },
    ..GEMMA
};

const GEMMA3: Family = Family {
    architecture: "gemma3",
    model_type: "gemma3_text",
    class: "Gemma3ForCausalLM",
    qk_norm: Some(NormOver::Head),
    scales: Scales::Gemma(Some(QueryScale { default: 256.0, by_width: 62 })),
    caps: Caps { attention: None, logits: Some(Cap { default: None }) },
    folder_windows: FolderWindows::AllBut(6),
    gguf_windows: Some(GgufWindows { size: None, but: 6 }),
    turns: Turns { windowed: Windowed::Base(10_000.0), ..GEMMA.turns },
    defaults: Defaults { context: Some(131_072), base: 1e6, ..GEMMA2.defaults },
    ..GEMMA2
};

/// Every family wick knows. Of those that share a GGUF architecture the first is the one that such files are read as.
pub(crate) static FAMILIES: [Family; 12] =
    [LLAMA, MISTRAL, MINISTRAL3, QWEN2, QWEN3, SMOLLM3, GRANITE, OLMO2, PHI3, GEMMA, GEMMA2, GEMMA3];

/// An architecture that wick knows, as files name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// `general.architecture` of GGUF files; several classes may share one.
    pub gguf: &'static str,
    /// `architectures[0]` of `config.json`.
    pub class: &'static str,
}

/// Every architecture that wick knows.
pub fn architectures() -> impl Iterator<Item = Architecture> {
    FAMILIES.iter().map(|family| Architecture { gguf: family.architecture, class: family.class })
}
