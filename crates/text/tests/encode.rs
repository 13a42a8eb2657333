//! Ids are those of llama.cpp for GGUF files, and those of the tokenizers library for folders.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{VOCABULARIES, folder, gguf, ids, json, metadata, texts};
use wick_spec::Code;
use wick_text::{Control, Tokenizer};

const MODES: [(&str, Control); 2] = [("text", Control::AsText), ("control", Control::Parse)];

#[test]
fn gguf_ids_are_those_of_llama_cpp() {
    let expected = json("llama-cpp.json");
    let mut wrong = Vec::new();
    for (name, expected) in expected.as_object().unwrap() {
        let (vocabulary, variant) = name.split_once('@').unwrap();
        let mut metadata = metadata(vocabulary);
        match variant {
            "no-prefix" => drop(metadata.insert("tokenizer.ggml.add_space_prefix", false)),
            pre => drop(metadata.insert("tokenizer.ggml.pre", pre)),
        }
        let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
        for (index, text) in texts().iter().enumerate() {
            for (mode, control) in MODES {
                let (got, want) = (tokenizer.encode(text, control, false).unwrap(), ids(expected, mode, index));
                if got != want {
                    wrong.push(format!("{name} {mode} {text:?}\n  {got:?}\n  {want:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn folder_ids_are_those_of_the_tokenizers_library() {
    let expected = json("tokenizers.json");
    let mut wrong = Vec::new();
    for name in VOCABULARIES {
        let tokenizer = folder(name);
        for (index, text) in texts().iter().enumerate() {
            for (mode, control) in MODES {
                let (got, want) = (tokenizer.encode(text, control, false).unwrap(), ids(&expected[name], mode, index));
                if got != want {
                    wrong.push(format!("{name} {mode} {text:?}\n  {got:?}\n  {want:?}"));
                }
            }
        }
        let special: Vec<u32> = serde_json::from_value(expected[name]["special"].clone()).unwrap();
        assert_eq!(tokenizer.encode("hi", Control::AsText, true).unwrap(), special, "{name}");
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_a_file_says_of_itself_is_told() {
    let kinds = VOCABULARIES.map(|name| gguf(name).kind().to_owned());
    assert_eq!(kinds, ["gpt2 (pre qwen2)", "gpt2 (pre llama-bpe)", "gpt2 (pre gpt-2)", "llama (spm)"]);
    assert_eq!(folder("spm").kind(), "tokenizer.json (BPE)");
    for name in VOCABULARIES {
        let (gguf, folder) = (gguf(name), folder(name));
        assert_eq!(gguf.vocab_size(), folder.vocab_size(), "{name}");
        assert_eq!(gguf.end_tokens(), folder.end_tokens(), "{name}");
        for id in 0..gguf.vocab_size() as u32 {
            assert_eq!(gguf.token_bytes(id), folder.token_bytes(id), "{name} {id}");
            assert_eq!(gguf.is_control(id), folder.is_control(id), "{name} {id}");
        }
        assert_eq!(gguf.token_bytes(gguf.vocab_size() as u32), None);
    }
    let spm = gguf("spm");
    assert_eq!((spm.bos(), spm.adds_bos(), spm.end_tokens()), (Some(1), true, &[2][..]));
    assert_eq!(spm.encode("", Control::Parse, true).unwrap(), [1]);
    assert!(spm.encode("", Control::Parse, false).unwrap().is_empty());
    assert!(gguf("llama-bpe").adds_bos() && folder("llama-bpe").adds_bos());
    assert!(!gguf("qwen2").adds_bos() && !folder("qwen2").adds_bos());
}

#[test]
fn all_end_tokens_count_and_only_control_tokens_are_guessed() {
    let mut metadata = metadata("qwen2");
    let tokenizer = Tokenizer::from_gguf(&metadata).unwrap();
    let id = |text| tokenizer.encode(text, Control::Parse, false).unwrap()[0];
    let (endoftext, im_end, think) = (id("<|endoftext|>"), id("<|im_end|>"), id("<think>"));
    assert_eq!(tokenizer.end_tokens(), [endoftext, im_end]);
    metadata.insert("tokenizer.ggml.eot_token_id", think);
    let mut types = metadata.i32s("tokenizer.ggml.token_type").unwrap().unwrap().into_owned();
    types[endoftext as usize] = 4;
    metadata.insert("tokenizer.ggml.token_type", types);
    assert_eq!(Tokenizer::from_gguf(&metadata).unwrap().end_tokens(), [im_end, think]);
}

#[test]
fn unknown_tokenizers_are_unsupported_by_name() {
    for (key, value, known) in [("tokenizer.ggml.model", "t5", "gpt2"), ("tokenizer.ggml.pre", "gemma4", "llama-bpe")] {
        let mut metadata = metadata("qwen2");
        metadata.insert(key, value);
        let error = Tokenizer::from_gguf(&metadata).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
        assert!(error.message().contains(value) && error.message().contains(known), "{error}");
    }
}

#[test]
fn long_texts_take_linear_time() {
    let prose: String = texts().join(" ").chars().cycle().take(100_000).collect();
    let long =
        [prose, " ".repeat(100_000), "a".repeat(100_000), "\n".repeat(100_000), "🦊".repeat(25_000), "<|im_".repeat(20_000)];
    for name in VOCABULARIES {
        for tokenizer in [gguf(name), folder(name)] {
            for text in &long {
                let start = Instant::now();
                let ids = tokenizer.encode(text, Control::Parse, false).unwrap();
                assert!(!ids.is_empty());
                let took = start.elapsed();
                assert!(took < Duration::from_secs(1), "{} took {took:?} for {:?}…", tokenizer.kind(), &text[..4]);
            }
        }
    }
}
