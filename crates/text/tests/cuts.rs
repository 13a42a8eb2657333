//! Under every name of a pre-tokenizer, seeded strings get llama.cpp's ids (fixtures of `tools/fixtures/cuts.mjs`).
//!
//! The vocabulary has nearly all pairs of common bytes, so that a cut in another place gives other ids.
#![allow(clippy::unwrap_used)]

mod common;

use common::{json, metadata};
use serde::Deserialize;
use wick_text::{Control, Tokenizer};

/// Names that the peer of the fixtures was too old for.
const UNKNOWN_TO_THE_PEER: [&str; 1] = ["glm5"];

#[derive(Deserialize)]
struct Cuts {
    texts: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    names: Vec<String>,
    ids: String,
}

fn cuts() -> Cuts {
    serde_json::from_value(json("cuts.json")).unwrap()
}

fn tokenizer(pre: &str) -> Result<Tokenizer, wick_spec::Error> {
    let mut metadata = metadata("pairs");
    metadata.insert("tokenizer.ggml.pre", pre);
    Tokenizer::from_gguf(&metadata)
}

/// FNV-1a (Fowler, Noll, Vo) of the ids' bytes, as the fixture writes it.
fn hash(ids: &[u32]) -> String {
    let bytes = ids.iter().flat_map(|id| id.to_le_bytes());
    let hash = bytes.fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[test]
fn seeded_strings_have_the_ids_of_llama_cpp_under_every_name() {
    let Cuts { texts, rows } = cuts();
    let mut wrong = Vec::new();
    for Row { names, ids } in &rows {
        for name in names {
            let tokenizer = tokenizer(name).unwrap();
            for (index, text) in texts.iter().enumerate() {
                let got = tokenizer.encode(text, Control::AsText, false).unwrap();
                if hash(&got) != ids[index * 8..][..8] {
                    wrong.push(format!("{name} {text:?}\n  {got:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_name_is_held_to_it() {
    let message = tokenizer("?").unwrap_err().to_string();
    let known = message.split_once("known are ").unwrap().1.trim_end_matches('.');
    let mut known: Vec<_> = known.split(", ").filter(|name| !UNKNOWN_TO_THE_PEER.contains(name)).collect();
    let rows = cuts().rows;
    let mut held: Vec<_> = rows.iter().flat_map(|row| &row.names).map(String::as_str).collect();
    known.sort_unstable();
    held.sort_unstable();
    assert_eq!(known, held);
}
