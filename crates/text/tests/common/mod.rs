//! The fixtures of `tools/fixtures/text.py` and `tokenize-peer.mjs`.
#![allow(dead_code)]

use std::path::PathBuf;

use serde_json::Value as Json;
use wick_text::Tokenizer;
use wick_weights::OpenOptions;
use wick_weights::gguf::{File, Metadata};

/// Every vocabulary there is, as `NAME.gguf` and as a folder `NAME`.
pub(crate) const VOCABULARIES: [&str; 4] = ["qwen2", "llama-bpe", "gpt-2", "spm"];

pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn json(name: &str) -> Json {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

pub(crate) fn texts() -> Vec<String> {
    serde_json::from_value(json("texts.json")).unwrap()
}

pub(crate) fn metadata(name: &str) -> Metadata {
    let options = OpenOptions { vocab_only: true, ..OpenOptions::default() };
    File::open(&path(&format!("{name}.gguf")), &options).unwrap().metadata().clone()
}

pub(crate) fn gguf(name: &str) -> Tokenizer {
    Tokenizer::from_gguf(&metadata(name)).unwrap()
}

pub(crate) fn folder(name: &str) -> Tokenizer {
    Tokenizer::from_folder(&path(name)).unwrap()
}

/// `expected[mode][index]`; a null in `control` says that it is as in `text`.
pub(crate) fn ids(expected: &Json, mode: &str, index: usize) -> Vec<u32> {
    let ids = if expected[mode][index].is_null() { &expected["text"][index] } else { &expected[mode][index] };
    serde_json::from_value(ids.clone()).unwrap()
}
