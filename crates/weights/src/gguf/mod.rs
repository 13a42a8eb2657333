//! GGUF, version 2 and 3 (the format of the ggml project's `docs/gguf.md`): read by memory map, written as a stream.

mod metadata;
mod value;

pub use metadata::Metadata;
pub use value::{Array, Strings, Value};
