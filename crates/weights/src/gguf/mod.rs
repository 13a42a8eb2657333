//! GGUF, version 2 and 3 (the format of the ggml project's `docs/gguf.md`): read by memory map, written as a stream.

mod cursor;
mod file;
mod head;
mod metadata;
mod split;
mod value;
mod writer;

pub use file::File;
pub use metadata::Metadata;
pub use value::{Array, Strings, Value};
pub use writer::Writer;
