//! Writing GGUF: a Hugging Face folder made into one file, and a file's matrices made into another type.
//!
//! Both list the tensors to write first and then stream them, a few rows at a time: neither holds a model in memory.

mod differences;
mod folder;
mod metadata;
mod quantize;
mod stream;
mod view;

pub use folder::convert;
pub use quantize::quantize;
pub use view::{LOADABLE, Loading, while_loading};

use wick_spec::Warning;
use wick_weights::{DType, TensorInfo};

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

/// The type a tensor is written as: vectors as F32, matrices as asked (`None`: as they are), and as F16 where the type's
/// blocks do not fill their rows.
fn target(info: &TensorInfo, dtype: Option<DType>) -> DType {
    match dtype {
        _ if info.shape.len() < 2 => DType::F32,
        None => info.dtype,
        Some(dtype) if info.columns().is_multiple_of(dtype.layout().elements) => dtype,
        Some(_) => DType::F16,
    }
}

/// Norms are few and steer everything: they stay F32 whatever their shape.
fn is_norm(name: &str) -> bool {
    name.ends_with("norm.weight")
}

fn is_quantised(dtype: DType) -> bool {
    dtype.layout().elements > 1
}

/// Says which matrices are not of the type that was asked for, if any.
fn uneven(dtype: DType, names: &[String]) -> Option<Warning> {
    let first = names.first()?;
    let (count, block) = (names.len(), dtype.layout().elements);
    Some(Warning {
        message: format!(
            "{count} matrices are F16, not {dtype}: their rows are no multiple of {block} elements ({first} is the first)."
        ),
    })
}
