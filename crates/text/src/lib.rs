//! Text to tokens and back: tokenizers, chat templates, incremental decoding, stop texts.

mod bpe;
mod byte_level;
mod convert;
mod decode;
mod ends;
mod folder;
mod gguf;
mod infill;
mod literals;
mod pipeline;
mod pre_tokenizer;
mod rendered;
mod spelling;
mod spm;
mod stop;
mod template;
mod thought;
mod tokenizer;
mod vocab;

pub use convert::to_gguf;
pub use decode::Decoder;
pub use pre_tokenizer::pre_tokenizers;
pub use rendered::Rendered;
pub use stop::StopTexts;
pub use template::{ChatTemplate, ControlTexts, TemplateSource};
pub use thought::{Marks, Place, Split, Thought, ThoughtSplitter};
pub use tokenizer::{Control, Tokenizer};
