//! Files to tensors: GGUF and safetensors. No arithmetic beyond block decode.

mod dtype;
pub mod gguf;
mod tensor;

pub use dtype::{DType, Layout};
pub use tensor::{Tensor, TensorInfo, Tensors};
