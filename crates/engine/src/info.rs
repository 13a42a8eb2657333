//! What is known of a loaded model.

use wick_text::Thought;

/// Facts of the file and of the load.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the names are the documentation; the public types in TypeScript describe each")]
pub struct Info {
    pub path: String,
    /// `gguf` or `huggingface`.
    pub format: &'static str,
    pub architecture: String,
    pub name: Option<String>,
    pub parameters: u64,
    pub file_bytes: u64,
    /// Types of the weights, most bytes first.
    pub weights_dtype: String,
    pub vocab_size: usize,
    pub embedding_length: usize,
    pub layers: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
    pub trained_context_tokens: usize,
    pub context_tokens: usize,
    pub bos_token: Option<u32>,
    pub end_tokens: Vec<u32>,
    pub chat_template: Option<String>,
    /// Where the template knows thoughts.
    pub reasoning: Option<Thought>,
    pub tokenizer: String,
    /// Whether the file names the tokens that [`wick_spec::Prompt::Infill`] needs.
    pub infill: bool,
    pub backend: &'static str,
    pub device: &'static str,
    pub isa: &'static str,
    pub threads: usize,
    pub weights_bytes: u64,
    pub kv_bytes_per_token: u64,
    /// JSON object; long arrays are shown as their length.
    pub metadata: String,
    /// JSON array of `{ name, dtype, shape }`.
    pub tensors: String,
    pub warnings: Vec<String>,
}
