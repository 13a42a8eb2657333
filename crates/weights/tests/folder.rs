//! Hugging Face folders.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder as Temporary, assert_fails, fixture, read_all};
use wick_spec::Code;
use wick_weights::{DType, Folder, OpenOptions, TensorInfo, Tensors};

fn open(path: impl AsRef<std::path::Path>) -> wick_spec::Result<Folder> {
    Folder::open(path.as_ref(), &OpenOptions::default())
}

#[test]
fn one_file_and_shards_give_the_same() {
    for name in ["single", "sharded"] {
        let folder = open(fixture(name)).unwrap();
        assert_eq!(folder.config()["model_type"], "llama");
        assert_eq!(folder.generation_config().unwrap()["eos_token_id"][1], 2);
        assert_eq!(folder.path(), fixture(name));
        let mut names = folder.names();
        names.sort();
        assert_eq!(names, ["model.f16", "model.f32", "model.ids"]);
        assert_eq!(folder.info("model.f32"), Some(&TensorInfo { dtype: DType::F32, shape: vec![2, 3] }));
        assert_eq!(folder.tensor("model.f32").unwrap().to_f32().unwrap(), [0.0, 0.125, 0.25, 0.375, 0.5, 0.625]);
        let f16 = folder.tensor("model.f16").unwrap();
        assert_eq!((f16.info().dtype, f16.to_f32().unwrap()[7]), (DType::F16, 0.875));
        assert_fails(folder.tensor("model.ids"), Code::Unsupported, &["model.ids", "I64"]);
        assert_eq!(read_all(&folder).unwrap(), 14);
        let vocab_only = Folder::open(&fixture(name), &OpenOptions { vocab_only: true, ..Default::default() }).unwrap();
        assert_eq!((vocab_only.names().len(), vocab_only.bytes()), (0, 0));
    }
}

#[test]
fn what_is_missing_is_named() {
    assert_fails(open("/no/such/folder"), Code::ModelNotFound, &["/no/such/folder"]);
    assert_fails(open(fixture("tiny.gguf")), Code::ModelInvalid, &["no folder"]);
    let folder = Temporary::new();
    assert_fails(open(&folder.0), Code::ModelInvalid, &["no config.json"]);
    folder.file("config.json", "{}");
    assert_fails(open(&folder.0), Code::ModelInvalid, &["neither model.safetensors nor"]);
    folder.file("pytorch_model.bin", "");
    assert_fails(open(&folder.0), Code::Unsupported, &["pytorch_model.bin", "safetensors"]);
    folder.file("config.json", "[]");
    assert_fails(open(&folder.0), Code::ModelInvalid, &["config.json", "line 1"]);
    folder.file("config.json", vec![b' '; (4 << 20) + 1]);
    assert_fails(open(&folder.0), Code::ModelInvalid, &["config.json", "more than"]);
}

#[test]
fn an_index_stays_within_its_folder() {
    for (map, words) in [
        (r#"{"weight_map": {"a": "../../etc/passwd"}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": ".."}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": ""}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": "sub/model.safetensors"}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": "model\u0000.safetensors"}}"#, "the name of a file"),
        (r#"{"weight_map": {"a": 3}}"#, "integer `3`"),
        (r#"{"weight_map": []}"#, "weight_map"),
        (r#"{}"#, "weight_map"),
        (r#"{"weight_map": {"a": "absent.safetensors"}}"#, "absent.safetensors"),
        (r#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#, "\"a\""),
        (r#"{"weight_map": {"model.ids": "model-00001-of-00002.safetensors"}}"#, "\"model.ids\""),
    ] {
        let folder = Temporary::copy_of("sharded");
        folder.file("model.safetensors.index.json", map);
        let words = if map == "{}" || map.contains("[]") { "JSON" } else { words };
        assert_fails(open(&folder.0), Code::ModelInvalid, &["model.safetensors.index.json", words]);
    }
    let folder = Temporary::copy_of("sharded");
    std::fs::copy(folder.0.join("model-00001-of-00002.safetensors"), folder.0.join("model-00002-of-00002.safetensors"))
        .unwrap();
    assert_fails(open(&folder.0), Code::ModelInvalid, &["\"model.f32\"", "twice"]);
}

/// A folder whose weights have this header, `data` zeros after it.
fn with_header(header: &str, data: usize) -> Temporary {
    let folder = Temporary::new();
    folder.file("config.json", "{}");
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    folder.file("model.safetensors", bytes);
    folder
}

#[test]
fn hostile_headers_are_refused() {
    let a = r#""a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
    for (header, data, words) in [
        (format!("{{{a}}}"), 7, &["\"a\"", "needs 8 bytes", "7 from there"][..]),
        (format!("{{{a}}}"), 9, &["8 bytes", "9", "gaps"]),
        (format!("{{{a},{a}}}"), 8, &["\"a\"", "twice"]),
        (format!(r#"{{{a},"b":{{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}}}"#), 8, &["\"a\"", "\"b\"", "overlap"]),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#.into(), 8, &["\"a\"", "needs 8", "0 to 4"]),
        (r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#.into(), 8, &["\"a\"", "8 to 0"]),
        (
            r#"{"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]}}"#.into(),
            8,
            &["\"a\""],
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551614,18446744073709551615]}}"#.into(),
            8,
            &["\"a\""],
        ),
        (
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,8]}}"#.into(),
            8,
            &["\"a\"", "no file can have"],
        ),
        (r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#.into(), 8, &["\"a\"", "-1"]),
        (r#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#.into(), 8, &["\"a\"", "shape"]),
        ("[]".into(), 0, &["object of tensors"]),
        ("[".repeat(100_000), 0, &["object of tensors"]),
        (format!(r#"{{"__metadata__":{}"#, "[".repeat(100_000)), 0, &["column"]),
    ] {
        assert_fails(open(&with_header(&header, data).0), Code::ModelInvalid, &[&["model.safetensors"], words].concat());
    }
    for dtype in ["Q4_K", "f32", "F128"] {
        let header = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[2],"data_offsets":[0,8]}}}}"#);
        assert_fails(open(&with_header(&header, 8).0), Code::Unsupported, &["\"a\"", dtype]);
    }
    let folder = with_header("{}", 0);
    for (prefix, words) in [(u64::MAX, "18446744073709551615"), (3, "2 are left"), (200_000_000, "100000000")] {
        folder.file("model.safetensors", [&prefix.to_le_bytes()[..], b"{}"].concat());
        assert_fails(open(&folder.0), Code::ModelInvalid, &["model.safetensors", words]);
    }
    folder.file("model.safetensors", [0; 7]);
    assert_fails(open(&folder.0), Code::ModelInvalid, &["7 bytes"]);
}
