//! One model has one fingerprint, wherever it lies; whatever computes otherwise has another.

use std::path::{Path, PathBuf};

use wick_testkit::Scratch;
use wick_weights::gguf::File;
use wick_weights::{OpenOptions, Tensors};

use super::*;
use crate::describe::open;
use crate::log::Log;
use crate::options::{LoadOptions, quantised_type};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures").join(name)
}

fn identity(options: &LoadOptions, source: &Source) -> Identity {
    Identity::of(options, source, source.plan.as_ref().expect("it is not the vocabulary alone"))
}

fn of(options: &LoadOptions) -> Fingerprint {
    let source = open(options, &Log::none()).expect("it opens");
    identity(options, &source).fingerprint(&Stop::default()).expect("its files are whole")
}

fn at(path: &Path) -> LoadOptions {
    LoadOptions { path: path.to_owned(), ..LoadOptions::default() }
}

#[test]
fn a_copy_is_the_same_model_and_one_byte_makes_another() {
    let (folder, original) = (Scratch::new("fingerprint"), fixture("foreign/qwen3.f16.gguf"));
    let (copy, is) = (folder.file("other.gguf"), of(&at(&original)));
    let whole = std::fs::read(&original).expect("a fixture");
    std::fs::write(&copy, &whole).expect("the folder is ours");
    assert_eq!(of(&at(&copy)), is);
    assert_eq!(of(&LoadOptions { no_mmap: true, ..at(&copy) }), is, "however it is read");

    // A byte of each tensor: where its bytes are in the file, found by what they are.
    let file = File::open(&original, &OpenOptions::default()).expect("a fixture");
    for name in file.names() {
        let tensor = file.tensor(name).expect("of a known type");
        let bytes = tensor.bytes().expect("in the file");
        let at_byte = whole.windows(bytes.len()).position(|window| window == bytes).expect("it is in the file");
        let mut changed = whole.clone();
        changed[at_byte + bytes.len() - 1] ^= 1;
        std::fs::write(&copy, &changed).expect("the folder is ours");
        assert_ne!(of(&at(&copy)), is, "{name}");
    }
}

#[test]
fn what_changes_the_arithmetic_makes_another_model() {
    let path = fixture("foreign/llama.f32.gguf");
    let is = of(&at(&path));
    let turned = LoadOptions { metadata: Some(r#"{"llama.rope.freq_base": 777.0}"#.into()), ..at(&path) };
    assert_ne!(of(&turned), is);
    let renamed = LoadOptions { metadata: Some(r#"{"general.name": "another"}"#.into()), ..at(&path) };
    assert_eq!(of(&renamed), is, "a name computes nothing");
    let another = LoadOptions { metadata: Some(r#"{"tokenizer.ggml.bos_token_id": 5}"#.into()), ..at(&path) };
    assert_ne!(of(&another), is, "ids mean something else");
    let quantised: Vec<_> = ["q8_0", "f16"].into_iter().filter_map(|name| quantised_type(name).ok()).collect();
    for mix in quantised {
        assert_ne!(of(&LoadOptions { quantize: Some(mix), ..at(&path) }), is, "{}", mix.name);
    }
    assert_ne!(of(&at(&fixture("checkpoints/llama"))), is, "a folder turns its rows otherwise");
}

#[test]
fn a_cancelled_one_is_made_when_it_is_asked_for_again() {
    let options = at(&fixture("checkpoints/llama"));
    let source = open(&options, &Log::none()).expect("it opens");
    let identity = identity(&options, &source);
    let stop = Stop::default();
    stop.set();
    assert_eq!(identity.fingerprint(&stop).expect_err("stopped").code(), Code::Cancelled);
    assert_eq!(identity.fingerprint(&Stop::default()).expect("not stopped"), of(&options));
    assert_eq!(identity.fingerprint(&stop).expect("known by now"), of(&options));
}
