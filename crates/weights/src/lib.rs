//! Files to tensors: GGUF and safetensors. No arithmetic beyond block decode.

mod cut;
mod decode;
mod dtype;
mod folder;
pub mod gguf;
mod index;
mod new_file;
mod quantize;
mod recoded;
mod safetensors;
mod source;
mod tensor;

pub use dtype::{DType, Layout};
pub use folder::Folder;
pub use new_file::NewFile;
pub use quantize::{quantize, written};
pub use recoded::Recoded;
pub use source::OpenOptions;
pub use tensor::{Tensor, TensorInfo, Tensors};
