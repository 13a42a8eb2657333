//! Facts of a loaded model, as they cross.

use napi_derive::napi;
use wick_engine::{Info, Thought};

/// What a template puts around a model's thought.
#[napi(object, object_from_js = false)]
pub struct NativeReasoning {
    pub open: String,
    pub close: String,
    /// The template's variable that switches thinking.
    pub variable: Option<String>,
}

impl From<&Thought> for NativeReasoning {
    fn from(thought: &Thought) -> Self {
        let variable = thought.switch().map(str::to_owned);
        Self { open: thought.open().to_owned(), close: thought.close().to_owned(), variable }
    }
}

/// Facts of the file and of the load.
#[napi(object, object_from_js = false)]
pub struct NativeModelInfo {
    pub path: String,
    /// `gguf` or `huggingface`.
    pub format: String,
    pub architecture: String,
    pub name: Option<String>,
    pub parameters: f64,
    pub file_bytes: f64,
    /// Types of the weights, most bytes first: `Q4_K, Q6_K`.
    pub weights_dtype: String,
    pub vocab_size: u32,
    pub embedding_length: u32,
    pub layers: u32,
    pub heads: u32,
    pub kv_heads: u32,
    pub head_dim: u32,
    pub trained_context_tokens: u32,
    /// Tokens a session of this load holds.
    pub context_tokens: u32,
    pub bos_token: Option<u32>,
    /// Every end-of-text and end-of-turn token the file names.
    pub end_tokens: Vec<u32>,
    pub has_chat_template: bool,
    pub chat_template: Option<String>,
    /// What the template puts around a thought, where it knows thoughts.
    pub reasoning: Option<NativeReasoning>,
    /// `llama (spm)`, `gpt2 (pre qwen2)`.
    pub tokenizer: String,
    /// Whether the file names the tokens of an infill.
    pub infill: bool,
    pub backend: String,
    pub device: String,
    pub isa: String,
    pub threads: u32,
    pub weights_bytes: f64,
    pub kv_bytes_per_token: f64,
    /// JSON object; long arrays are shown as their length.
    pub metadata: String,
    /// JSON array of `{ name, dtype, shape }`.
    pub tensors: String,
    pub warnings: Vec<String>,
}

impl From<&Info> for NativeModelInfo {
    fn from(info: &Info) -> Self {
        Self {
            path: info.path.clone(),
            format: info.format.into(),
            architecture: info.architecture.clone(),
            name: info.name.clone(),
            parameters: info.parameters as f64,
            file_bytes: info.file_bytes as f64,
            weights_dtype: info.weights_dtype.clone(),
            vocab_size: info.vocab_size as u32,
            embedding_length: info.embedding_length as u32,
            layers: info.layers as u32,
            heads: info.heads as u32,
            kv_heads: info.kv_heads as u32,
            head_dim: info.head_dim as u32,
            trained_context_tokens: info.trained_context_tokens as u32,
            context_tokens: info.context_tokens as u32,
            bos_token: info.bos_token,
            end_tokens: info.end_tokens.clone(),
            has_chat_template: info.chat_template.is_some(),
            chat_template: info.chat_template.clone(),
            reasoning: info.reasoning.as_ref().map(NativeReasoning::from),
            tokenizer: info.tokenizer.clone(),
            infill: info.infill,
            backend: info.backend.into(),
            device: info.device.into(),
            isa: info.isa.into(),
            threads: info.threads as u32,
            weights_bytes: info.weights_bytes as f64,
            kv_bytes_per_token: info.kv_bytes_per_token as f64,
            metadata: info.metadata.clone(),
            tensors: info.tensors.clone(),
            warnings: info.warnings.clone(),
        }
    }
}
