//! Writing GGUF: a Hugging Face folder made into one file, and a file's matrices made into another type.
//!
//! Both list the tensors to write first and then stream them, a few rows at a time: neither holds a model in memory.

mod differences;
mod folder;
mod metadata;
mod mix;
mod quantize;
mod stream;
mod view;

pub use folder::convert;
pub use mix::Mix;
pub use quantize::quantize;
pub use view::{Loading, while_loading};

use wick_spec::Warning;
use wick_weights::DType;

/// What was written.
#[derive(Debug, Clone)]
pub struct Converted {
    /// Bytes of the new file.
    pub bytes: u64,
    /// Its tensors.
    pub tensors: usize,
    /// What came out otherwise than asked.
    pub warnings: Vec<Warning>,
}

/// Norms are few and steer everything: they stay F32 whatever their shape.
fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}

fn is_quantised(dtype: DType) -> bool {
    dtype.layout().elements > 1
}
