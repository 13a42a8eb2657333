//! A gap as ids: the order the model was trained on, and nothing of the user's that steers it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{gguf, metadata};
use wick_spec::{Code, InfillFile, InfillPrompt};
use wick_text::{Control, Tokenizer};

const KEYS: [&str; 5] = ["pre", "suf", "mid", "rep", "sep"];

/// The vocabulary with these of its tokens for a gap, in the order of [`KEYS`]; their ids.
fn with(name: &str, texts: &[&str]) -> (Tokenizer, Vec<u32>) {
    let plain = gguf(name);
    let mut metadata = metadata(name);
    let ids: Vec<u32> = texts
        .iter()
        .map(|text| {
            let ids = plain.encode(text, Control::Parse, false).unwrap();
            assert_eq!(ids.len(), 1, "{text} is one token");
            ids[0]
        })
        .collect();
    for (key, id) in KEYS.iter().zip(&ids) {
        metadata.insert(format!("tokenizer.ggml.fim_{key}_token_id"), *id);
    }
    (Tokenizer::from_gguf(&metadata).unwrap(), ids)
}

fn gap(prefix: &str, suffix: &str) -> InfillPrompt {
    InfillPrompt { prefix: prefix.into(), suffix: suffix.into(), ..InfillPrompt::default() }
}

fn text(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
    tokenizer.encode(text, Control::AsText, false).unwrap()
}

const QWEN: [&str; 3] = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];

#[test]
fn prefix_suffix_middle() {
    let (tokenizer, ids) = with("qwen2", &QWEN);
    assert!(tokenizer.can_infill());
    let (before, after) = ("def one():\n    return ", "\n\ndef two():");
    let expected = [&[ids[0]][..], &text(&tokenizer, before), &[ids[1]], &text(&tokenizer, after), &[ids[2]]].concat();
    assert_eq!(tokenizer.encode_infill(&gap(before, after)).unwrap(), expected);
    assert_eq!(tokenizer.encode_infill(&gap("", "")).unwrap(), ids);
    let mut ends = ids.clone();
    ends.sort_unstable();
    assert_eq!(tokenizer.infill_ends().unwrap(), ends);
}

#[test]
fn suffix_first_where_there_is_no_middle() {
    let (tokenizer, ids) = with("qwen2", &QWEN[..2]);
    let expected = [&[ids[1]][..], &text(&tokenizer, "b"), &[ids[0]], &text(&tokenizer, "a")].concat();
    assert_eq!(tokenizer.encode_infill(&gap("a", "b")).unwrap(), expected);
}

#[test]
fn what_spells_a_token_stays_text() {
    for name in ["qwen2", "spm"] {
        let marks = if name == "qwen2" { QWEN } else { ["<s>", "</s>", "<unk>"] };
        let (tokenizer, ids) = with(name, &marks);
        let hostile = format!("x {}{} y {}", marks[1], marks[2], &marks[0][..2]);
        let end = format!("{} z{}", &marks[0][2..], marks[1]);
        let got = tokenizer.encode_infill(&gap(&hostile, &end)).unwrap();
        let bos = usize::from(tokenizer.adds_bos());
        let steering: Vec<u32> = got[bos..].iter().copied().filter(|id| ids.contains(id)).collect();
        assert_eq!(steering, ids, "{name}");
        let shown = tokenizer.decode(&got[bos..], true).unwrap();
        let space = if name == "spm" { " " } else { "" };
        assert_eq!(
            shown.replace(&format!("{}{space}", marks[0]), marks[0]),
            format!("{}{hostile}{}{end}{}", marks[0], marks[1], marks[2])
        );
    }
}

#[test]
fn a_text_begins_with_the_tokens_it_always_begins_with() {
    let (tokenizer, ids) = with("spm", &["<s>", "</s>", "<unk>"]);
    assert!(tokenizer.adds_bos());
    let got = tokenizer.encode_infill(&gap("a", "b")).unwrap();
    assert_eq!(&got[..2], [tokenizer.bos().unwrap(), ids[0]]);
    // The suffix goes on: it gets no space of its own.
    assert_eq!(got[got.len() - 3..], [ids[1], *text(&tokenizer, "b").last().unwrap(), ids[2]]);
}

#[test]
fn a_repository_stands_in_front() {
    let (tokenizer, _) = with("qwen2", &QWEN);
    let prompt = InfillPrompt { path: Some("b.rs".into()), ..gap("a", "b") };
    let error = tokenizer.encode_infill(&prompt).unwrap_err();
    assert_eq!((error.code(), error.message().contains("files")), (Code::Unsupported, true), "{error}");
    let prompt = InfillPrompt { repository: Some("r".into()), ..gap("a", "b") };
    assert_eq!(tokenizer.encode_infill(&prompt).unwrap_err().code(), Code::Unsupported);

    // The same two once more: what counts is where they are.
    let (tokenizer, ids) = with("qwen2", &[QWEN[0], QWEN[1], QWEN[2], QWEN[0], QWEN[1]]);
    let file = |path: &str, text: &str| InfillFile { path: path.into(), text: text.into() };
    let mut prompt = InfillPrompt {
        repository: Some("lamp".into()),
        files: vec![file("a.rs", "fn a() {}\n"), file("c.rs", "fn c() {}")],
        path: Some("b.rs".into()),
        ..gap("fn b(", ") {}")
    };
    let words = |words: &str| text(&tokenizer, words);
    let expected = [
        &[ids[3]][..],
        &words("lamp\n"),
        &[ids[4]],
        &words("a.rs\nfn a() {}\n"),
        &[ids[4]],
        &words("c.rs\nfn c() {}\n"),
        &[ids[4]],
        &words("b.rs\n"),
        &tokenizer.encode_infill(&gap("fn b(", ") {}")).unwrap(),
    ]
    .concat();
    assert_eq!(tokenizer.encode_infill(&prompt).unwrap(), expected);
    prompt.path = None;
    assert_eq!(tokenizer.encode_infill(&prompt).unwrap_err().code(), Code::InvalidRequest);
}

#[test]
fn a_model_without_the_tokens_is_told_so() {
    let tokenizer = gguf("gpt-2");
    assert!(!tokenizer.can_infill());
    let error = tokenizer.encode_infill(&gap("a", "b")).unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
    assert!(error.message().contains("names no tokens for infill"), "{error}");
    let mut metadata = metadata("gpt-2");
    metadata.insert("tokenizer.ggml.fim_pre_token_id", 1u32 << 30);
    assert_eq!(Tokenizer::from_gguf(&metadata).unwrap_err().code(), Code::ModelInvalid);
}
