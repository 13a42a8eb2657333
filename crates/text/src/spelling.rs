//! How the tokens of a `tokenizer.json` are written, and what of it is text: its decoder, token by token.
//!
//! The library decodes whole lists. A stream needs to know what one token adds, so the decoder's steps are applied to each token of
//! the vocabulary once, at load.

use std::borrow::Cow;

use serde_json::Value as Json;
use wick_spec::{Error, Result};

use crate::byte_level;
use crate::pipeline::{metaspace_prefix, parts};
use crate::spm::byte_of;
use crate::tokenizer::Prefix;

/// A decoder's steps.
pub(crate) struct Spelling {
    steps: Vec<Step>,
    /// Whether `<0x0A>` is a byte.
    pub(crate) bytes: bool,
    /// Where a space is taken away again.
    pub(crate) prefix: Prefix,
}

enum Step {
    ByteLevel,
    Replace(String, String),
    /// A word of its own, unless it begins with this.
    WordPiece(String),
    /// Ends a word.
    Suffix(String),
}

impl Spelling {
    pub(crate) fn read(tokenizer: &Json) -> Result<Self> {
        let mut spelling = Self { steps: Vec::new(), bytes: false, prefix: Prefix::Never };
        let decoder = &tokenizer["decoder"];
        if decoder.is_null() {
            // The library puts a space between tokens then.
            spelling.steps.push(Step::WordPiece(String::new()));
            spelling.prefix = Prefix::Start;
        }
        for part in parts(decoder, "decoders") {
            let text = |name: &str, default: &str| part[name].as_str().unwrap_or(default).to_owned();
            match part["type"].as_str().unwrap_or_default() {
                "ByteLevel" => spelling.steps.push(Step::ByteLevel),
                "ByteFallback" => spelling.bytes = true,
                "Fuse" => {}
                "Replace" => {
                    let pattern =
                        part["pattern"]["String"].as_str().ok_or_else(|| unsupported("Replace of a regular expression"))?;
                    spelling.steps.push(Step::Replace(pattern.to_owned(), text("content", "")));
                }
                "Metaspace" => {
                    spelling.steps.push(Step::Replace(text("replacement", "▁"), " ".to_owned()));
                    spelling.prefix = metaspace_prefix(part);
                }
                "Strip" => spelling.prefix = strip_prefix(part, tokenizer)?,
                "WordPiece" => {
                    spelling.steps.push(Step::WordPiece(text("prefix", "##")));
                    spelling.prefix = Prefix::Start;
                }
                "BPEDecoder" => spelling.steps.push(Step::Suffix(text("suffix", "</w>"))),
                name => return Err(unsupported(name)),
            }
        }
        Ok(spelling)
    }

    /// The bytes that a token of the vocabulary adds to a text.
    pub(crate) fn spell(&self, token: &str) -> Vec<u8> {
        if let Some(byte) = byte_of(token).filter(|_| self.bytes) {
            return vec![byte];
        }
        let mut text = Cow::Borrowed(token);
        for step in &self.steps {
            text = match step {
                Step::ByteLevel => match byte_level::unspell(&text) {
                    Some(bytes) => return bytes,
                    None => text,
                },
                Step::Replace(pattern, content) => text.replace(pattern.as_str(), content).into(),
                Step::WordPiece(prefix) => match text.strip_prefix(prefix.as_str()).filter(|_| !prefix.is_empty()) {
                    Some(rest) => rest.to_owned().into(),
                    None => format!(" {text}").into(),
                },
                Step::Suffix(suffix) => text.replace(suffix.as_str(), " ").into(),
            };
        }
        text.into_owned().into_bytes()
    }
}

fn unsupported(what: &str) -> Error {
    Error::unsupported(format!("tokenizer.json: the decoder {what:?} is not known."))
}

/// `Strip` of one leading space undoes what the normalizer or pre-tokenizer put there.
fn strip_prefix(part: &Json, tokenizer: &Json) -> Result<Prefix> {
    if part["content"] != " " || part["start"].as_u64() > Some(1) || part["stop"].as_u64() > Some(0) {
        return Err(unsupported("Strip of anything but one leading space"));
    }
    let prepends = parts(&tokenizer["normalizer"], "normalizers").any(|part| part["type"] == "Prepend");
    let metaspace =
        parts(&tokenizer["pre_tokenizer"], "pretokenizers").find(|part| part["type"] == "Metaspace").map(metaspace_prefix);
    Ok(match metaspace {
        _ if part["start"].as_u64() != Some(1) => Prefix::Never,
        _ if prepends => Prefix::AfterLiterals,
        Some(prefix) if prefix != Prefix::Never => prefix,
        _ => Prefix::Start,
    })
}
