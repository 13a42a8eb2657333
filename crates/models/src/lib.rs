//! Architectures: tables and builders that turn GGUF and Hugging Face metadata into a plan. No arithmetic.
//!
//! Everything about a model comes from its files; what a family adds is one row of a table. What wick does not know is
//! `unsupported` by name, and metadata that contradicts itself or the tensors is `model-invalid` and names the key.

mod convert;
mod decoder;
mod facts;
mod model;

pub use convert::{Converted, Loading, Mix, convert, quantize, while_loading};
pub use decoder::{Architecture, architectures, from_folder, from_gguf};
pub use model::{LongFrom, Model};
