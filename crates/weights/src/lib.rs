//! Files to tensors: GGUF and safetensors. No arithmetic beyond block decode.

mod dtype;
mod tensor;

pub use dtype::DType;
pub use tensor::{Tensor, TensorInfo, Tensors};
