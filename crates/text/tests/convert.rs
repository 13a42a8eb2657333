//! A folder's tokenizer, written as GGUF metadata and read again, is the same tokenizer.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{VOCABULARIES, folder, metadata, path, texts};
use serde_json::{Value as Json, json};
use wick_spec::Code;
use wick_text::{Control, Tokenizer, to_gguf};
use wick_weights::gguf::Metadata;

#[test]
fn the_converted_tokenizer_gives_the_folders_ids() {
    for name in VOCABULARIES {
        let original = folder(name);
        let rows = original.vocab_size() + 3;
        let converted = Tokenizer::from_gguf(&to_gguf(&path(name), rows).unwrap().into_iter().collect()).unwrap();
        assert_eq!(converted.vocab_size(), rows);
        assert_eq!(converted.token_bytes(rows as u32 - 1), Some(format!("[PAD{}]", rows - 1).as_bytes()));
        assert_eq!((converted.bos(), converted.adds_bos()), (original.bos(), original.adds_bos()), "{name}");
        assert_eq!(converted.end_tokens(), original.end_tokens(), "{name}");
        for text in texts() {
            for control in [Control::Parse, Control::AsText] {
                let ids = |tokenizer: &Tokenizer| tokenizer.encode(&text, control, true).unwrap();
                assert_eq!(ids(&converted), ids(&original), "{name} {text:?}");
            }
        }
    }
}

#[test]
fn the_keys_are_those_that_llama_cpp_reads() {
    for name in VOCABULARIES {
        let foreign = metadata(name);
        let ours: Metadata = to_gguf(&path(name), folder(name).vocab_size()).unwrap().into_iter().collect();
        for (key, value) in foreign.iter().filter(|(key, _)| key.starts_with("tokenizer.")) {
            let scores = key == "tokenizer.ggml.scores";
            let unsaid = name == "qwen2" && key.ends_with("bos_token_id");
            assert!(scores || unsaid || ours.get(key) == Some(value), "{name} {key}: {:?}", ours.get(key));
        }
    }
}

/// A copy of a fixture's folder with a changed `tokenizer.json`.
fn changed(name: &str, change: impl FnOnce(&mut Json)) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("wick-text-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::create_dir_all(&dir).unwrap();
    for file in ["tokenizer_config.json", "generation_config.json"] {
        std::fs::copy(path(name).join(file), dir.join(file)).unwrap();
    }
    let mut json = common::json(&format!("{name}/tokenizer.json"));
    change(&mut json);
    std::fs::write(dir.join("tokenizer.json"), json.to_string()).unwrap();
    dir
}

fn refused(dir: &Path, rows: usize) -> (Code, String) {
    let error = to_gguf(dir, rows).unwrap_err();
    std::fs::remove_dir_all(dir).unwrap();
    (error.code(), error.message().to_owned())
}

#[test]
fn what_gguf_cannot_say_is_unsupported() {
    type Change = fn(&mut Json);
    let cases: [(&str, Change, &str); 8] = [
        ("qwen2", |json| json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "x+".into(), "x+"),
        ("qwen2", |json| json["model"]["ignore_merges"] = true.into(), "ignore_merges"),
        ("qwen2", |json| json["normalizer"] = json!({ "type": "Lowercase" }), "Lowercase"),
        ("qwen2", |json| json["pre_tokenizer"] = json!({ "type": "Whitespace" }), "Whitespace"),
        ("qwen2", |json| json["added_tokens"][0]["rstrip"] = true.into(), "<|endoftext|>"),
        ("qwen2", |json| json["model"]["end_of_word_suffix"] = "</w>".into(), "end_of_word_suffix"),
        ("spm", |json| drop(json["model"]["merges"].as_array_mut().unwrap().remove(40)), "do not merge"),
        ("spm", |json| json["normalizer"] = Json::Null, "▁"),
    ];
    for (name, change, says) in cases {
        let (code, message) = refused(&changed(name, change), 4096);
        assert_eq!(code, Code::Unsupported, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let (code, message) = refused(&changed("qwen2", |_| {}), 100);
    assert_eq!(code, Code::ModelInvalid);
    assert!(message.contains("100 rows"), "{message}");
}

#[test]
fn control_tokens_that_take_white_space_are_said_by_the_name() {
    let dir = changed("llama-bpe", |json| {
        for token in json["added_tokens"].as_array_mut().unwrap() {
            token["rstrip"] = true.into();
        }
    });
    let original = Tokenizer::from_folder(&dir).unwrap();
    let metadata: Metadata = to_gguf(&dir, 600).unwrap().into_iter().collect();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(metadata.str("general.name").unwrap(), Some("Phi-3"));
    let converted = Tokenizer::from_gguf(&metadata).unwrap();
    let text = "<|start_header_id|> \n\tuser<|end_header_id|>\n\n the sea <|eot_id|>";
    let ids = converted.encode(text, Control::Parse, false).unwrap();
    assert_eq!(ids, original.encode(text, Control::Parse, false).unwrap());
    assert_eq!(converted.decode(&ids, true).unwrap(), "<|start_header_id|>user<|end_header_id|>the sea <|eot_id|>");
}

#[test]
fn a_tokenizer_of_gemmas_kind_puts_no_space_in_front() {
    let dir = changed("spm", |json| {
        json["normalizer"] = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
        json["pre_tokenizer"] =
            json!({ "type": "Split", "pattern": { "String": " " }, "behavior": "MergedWithPrevious", "invert": false });
        json["decoder"]["decoders"].as_array_mut().unwrap().pop();
    });
    let original = Tokenizer::from_folder(&dir).unwrap();
    let metadata: Metadata = to_gguf(&dir, 700).unwrap().into_iter().collect();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(metadata.bool("tokenizer.ggml.add_space_prefix").unwrap(), Some(false));
    let converted = Tokenizer::from_gguf(&metadata).unwrap();
    for text in texts() {
        let ids = original.encode(&text, Control::AsText, false).unwrap();
        assert_eq!(converted.encode(&text, Control::AsText, false).unwrap(), ids, "{text:?}");
        if !text.contains('▁') {
            assert_eq!(original.decode(&ids, false).unwrap(), text);
            assert_eq!(converted.decode(&ids, false).unwrap(), text);
        }
    }
}

#[test]
fn nfc_is_allowed_and_named_ends_keep_their_keys() {
    let dir = changed("qwen2", |json| json["normalizer"] = json!({ "type": "NFC" }));
    std::fs::write(dir.join("generation_config.json"), r#"{"eos_token_id": [520, 521]}"#).unwrap();
    let metadata: Metadata = to_gguf(&dir, 600).unwrap().into_iter().collect();
    std::fs::remove_dir_all(&dir).unwrap();
    let key = |name: &str| metadata.u32(&format!("tokenizer.ggml.{name}_token_id")).unwrap();
    assert_eq!((key("eos"), key("eot"), key("eom")), (Some(522), Some(520), Some(521)));
}
