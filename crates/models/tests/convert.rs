//! What `convert` and `quantize` write, held to files that another program wrote of the same weights.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use wick_models::{Converted, Mix, convert, from_gguf, quantize};
use wick_spec::{Code, Result, Stop};
use wick_testkit::{Random, Scratch};
use wick_weights::gguf::{File, Metadata, Value, Writer};
use wick_weights::{DType, OpenOptions, TensorInfo, Tensors};

/// Checkpoint, the type its foreign file has, and that file.
const FOREIGN: [(&str, DType, &str); 17] = [
    ("llama", DType::F32, "llama.f32.gguf"),
    ("llama-tied-rope3", DType::F32, "llama-tied-rope3.f32.gguf"),
    ("llama-q8", DType::Q8_0, "llama-q8.q8_0.gguf"),
    ("qwen2", DType::F16, "qwen2.f16.gguf"),
    ("qwen3", DType::F16, "qwen3.f16.gguf"),
    ("llama-yarn", DType::F16, "llama-yarn.f16.gguf"),
    ("mistral", DType::F32, "mistral.f32.gguf"),
    ("ministral3", DType::F16, "ministral3.f16.gguf"),
    ("smollm3", DType::F16, "smollm3.f16.gguf"),
    ("granite", DType::F16, "granite.f16.gguf"),
    ("olmo2", DType::F16, "olmo2.f16.gguf"),
    ("phi", DType::F32, "phi.f32.gguf"),
    ("phi-long", DType::F16, "phi-long.f16.gguf"),
    ("phi-short", DType::F16, "phi-short.f16.gguf"),
    ("gemma", DType::F16, "gemma.f16.gguf"),
    ("gemma2", DType::F16, "gemma2.f16.gguf"),
    ("gemma3", DType::F16, "gemma3.f16.gguf"),
];

/// Keys that the other writer gives phi3 though they say nothing: no window, and the original context where nothing is scaled.
const IDLE: [&str; 2] = ["phi3.attention.sliding_window", "phi3.rope.scaling.original_context_length"];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures")
}

fn open(path: &Path) -> File {
    File::open(path, &OpenOptions::default()).expect("a GGUF file")
}

fn converted(checkpoint: &str, to: &Path, dtype: Option<DType>) -> Result<Converted> {
    let mix = dtype.map(|dtype| mix(dtype.name()));
    convert(&fixtures().join("checkpoints").join(checkpoint), to, mix, &mut |_, _| {}, &Stop::default())
}

fn mix(name: &str) -> &'static Mix {
    Mix::named(name).expect("a mix")
}

fn quantized(from: &Path, to: &Path, name: &str) -> Result<Converted> {
    quantize(from, to, mix(name), &mut |_, _| {}, &Stop::default())
}

/// Same names, types, shapes and bytes.
fn assert_same_tensors(actual: &File, expected: &File, what: &str) {
    let sorted = |file: &File| {
        let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(sorted(actual), sorted(expected), "{what}");
    for name in expected.names() {
        let (actual, expected) = (actual.tensor(name).expect("there"), expected.tensor(name).expect("there"));
        assert_eq!(actual.info(), expected.info(), "{what}: {name}");
        if name == "rope_freqs.weight" {
            // Computed in f64 there; in f32 from f32 frequencies here.
            let (actual, expected) = (actual.to_f32().expect("f32"), expected.to_f32().expect("f32"));
            wick_testkit::assert_close(&actual, &expected, 1e-6, name);
        } else {
            assert!(actual.bytes().expect("bytes") == expected.bytes().expect("bytes"), "{what}: {name} has other bytes");
        }
    }
}

#[test]
fn tensors_are_those_of_another_writer_bit_for_bit() {
    let scratch = Scratch::new("convert");
    for (checkpoint, dtype, file) in FOREIGN {
        let to = scratch.file(file);
        converted(checkpoint, &to, Some(dtype)).expect("a file");
        assert_same_tensors(&open(&to), &open(&fixtures().join("foreign").join(file)), file);
    }
}

#[test]
fn keys_of_the_model_are_those_of_another_writer() {
    let scratch = Scratch::new("convert");
    for (checkpoint, dtype, file) in FOREIGN {
        let to = scratch.file(file);
        converted(checkpoint, &to, Some(dtype)).expect("a file");
        let (ours, theirs) = (open(&to), open(&fixtures().join("foreign").join(file)));
        let architecture = theirs.metadata().str("general.architecture").expect("a string").expect("there");
        for (key, value) in theirs.metadata().iter().filter(|(key, _)| key.starts_with(architecture)) {
            let left_out = IDLE.contains(&key) && ours.metadata().get(key).is_none();
            assert!(left_out || ours.metadata().get(key) == Some(value), "{file}: {key} {value:?}");
        }
        assert_eq!(ours.metadata().str("general.architecture").expect("a string"), Some(architecture));
        let tokens = |file: &File| file.metadata().strings("tokenizer.ggml.tokens").expect("strings").map(|all| all.len());
        assert_eq!(tokens(&ours), tokens(&theirs), "a token for each row");
    }
}

#[test]
fn a_folder_keeps_its_type_unless_told_otherwise() {
    let scratch = Scratch::new("convert");
    let types = [("llama", DType::F32, 0), ("llama-tied-rope3", DType::BF16, 32), ("llama-sharded", DType::F16, 1)];
    for (checkpoint, dtype, file_type) in types {
        let to = scratch.file(checkpoint);
        let report = converted(checkpoint, &to, None).expect("a file");
        let file = open(&to);
        assert_eq!((report.bytes, report.tensors), (file.bytes(), file.names().len()));
        assert_eq!(file.metadata().u32("general.file_type").expect("a number"), Some(file_type));
        for name in file.names() {
            let info = file.info(name).expect("listed");
            assert_eq!(info.dtype, if info.shape.len() == 1 { DType::F32 } else { dtype }, "{name}");
        }
        let tied = checkpoint == "llama-tied-rope3";
        assert_eq!(file.info("output.weight").is_none(), tied, "a tied head is written once");
    }
}

#[test]
fn quantising_a_file_equals_converting_to_the_type() {
    let scratch = Scratch::new("convert");
    let whole = scratch.file("whole.gguf");
    converted("llama-q8", &whole, None).expect("a file");
    for dtype in [DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q5_1, DType::Q5_0, DType::Q4_0] {
        let (direct, twice) = (scratch.file("direct.gguf"), scratch.file("twice.gguf"));
        assert!(converted("llama-q8", &direct, Some(dtype)).expect("a file").warnings.is_empty());
        let report = quantized(&whole, &twice, dtype.name()).expect("a file");
        assert!(report.warnings.is_empty(), "{:?}", report.warnings);
        let (direct, twice) = (open(&direct), open(&twice));
        assert_same_tensors(&twice, &direct, dtype.name());
        let pairs = |file: &File| file.metadata().iter().map(|(k, v)| (k.to_owned(), v.clone())).collect::<Vec<_>>();
        assert_eq!(pairs(&twice), pairs(&direct), "only the type differs, and it is noted");
        from_gguf(twice.metadata(), &twice).expect("it still is a model");
    }
}

/// A copy of the checkpoint, with some keys of its config.json replaced.
fn changed(scratch: &Scratch, checkpoint: &str, changes: &[(&str, Json)]) -> PathBuf {
    let to = scratch.file(checkpoint);
    std::fs::create_dir_all(&to).expect("a folder");
    for entry in std::fs::read_dir(fixtures().join("checkpoints").join(checkpoint)).expect("a folder") {
        let entry = entry.expect("a file");
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
    let path = to.join("config.json");
    let mut config: Json = serde_json::from_slice(&std::fs::read(&path).expect("there")).expect("JSON");
    for (key, value) in changes {
        config[*key] = value.clone();
    }
    std::fs::write(&path, config.to_string()).expect("written");
    to
}

#[test]
fn what_gguf_cannot_say_is_refused() {
    let yarn = |more: Json| {
        let mut rope = json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 24 });
        rope.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        ("rope_scaling", rope)
    };
    let long = json!({
        "rope_type": "longrope", "short_factor": [1, 1, 1], "long_factor": [2, 2, 2], "original_max_position_embeddings": 24
    });
    let cases = [
        ("smollm3", ("no_rope_layers", json!([1, 0, 1, 1, 1])), "do not turn"),
        ("llama-yarn", yarn(json!({ "beta_fast": 16 })), "betas"),
        ("llama-yarn", yarn(json!({ "truncate": false })), "truncate"),
        ("olmo2", ("rope_scaling", long), "longrope"),
    ];
    for (checkpoint, change, named) in cases {
        let scratch = Scratch::new("convert");
        let from = changed(&scratch, checkpoint, &[change]);
        let to = scratch.file("model.gguf");
        let error = convert(&from, &to, None, &mut |_, _| {}, &Stop::default()).expect_err(named);
        assert!(error.code() == Code::Unsupported && error.message().contains(named), "{checkpoint}: {error}");
        assert!(!to.exists(), "{checkpoint}");
    }
}

#[test]
fn what_llama_cpp_reads_otherwise_is_said_and_read_back_by_wick() {
    let scratch = Scratch::new("convert");
    let changes = [("query_pre_attn_scalar", json!(25)), ("final_logit_softcapping", Json::Null)];
    let from = changed(&scratch, "gemma2", &changes);
    let to = scratch.file("model.gguf");
    let report = convert(&from, &to, None, &mut |_, _| {}, &Stop::default()).expect("a file");
    let said = |what: &str| report.warnings.iter().any(|warning| warning.message.contains(what));
    assert!(said("scaled by 0.2") && said("soft cap"), "{:?}", report.warnings);
    let file = open(&to);
    let model = from_gguf(file.metadata(), &file).expect("a model");
    assert!(model.plan.attention().all(|a| a.scale == 0.2 && a.softcap == Some(6.0)));
    let Some(wick_compute::Step::Head(head)) = model.plan.steps.last() else { panic!("a plan ends with its head") };
    assert_eq!(head.softcap, None);
}

#[test]
fn rows_that_no_block_fills_become_f16_and_that_is_said() {
    let scratch = Scratch::new("convert");
    let to = scratch.file("uneven.gguf");
    let report = converted("llama", &to, Some(DType::Q8_0)).expect("a file");
    assert!(report.warnings[0].message.contains("F16, not Q8_0"), "{:?}", report.warnings);
    let file = open(&to);
    // 36 and 58 columns: nothing here fills blocks of 32.
    assert_eq!(file.info("blk.0.attn_q.weight").map(|info| info.dtype), Some(DType::F16));
    from_gguf(file.metadata(), &file).expect("it still is a model");
}

#[test]
fn quantising_twice_is_warned_of() {
    let scratch = Scratch::new("convert");
    let foreign = fixtures().join("foreign/llama-q8.q8_0.gguf");
    let report = quantized(&foreign, &scratch.file("q4.gguf"), "q4_0").expect("a file");
    assert!(report.warnings[0].message.contains("Q8_0"), "{:?}", report.warnings);
    let same = quantized(&foreign, &scratch.file("q8.gguf"), "q8_0").expect("a file");
    assert!(same.warnings.is_empty(), "{:?}", same.warnings);
    assert_same_tensors(&open(&scratch.file("q8.gguf")), &open(&foreign), "the same type");
    let error = Mix::named("q2_k").expect_err("not written");
    assert!(error.code() == Code::Unsupported && error.message().contains("\"q2_k\""), "{error}");
}

#[test]
fn a_large_matrix_is_written_in_pieces_that_fit() {
    let scratch = Scratch::new("convert");
    let from = scratch.file("large.gguf");
    // More than two chunks, and not a whole number of them.
    let info = TensorInfo { dtype: DType::F32, shape: vec![1100, 2048] };
    let values = Random::new(1).values(1100 * 2048, 1.0);
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let metadata: Metadata = [("split.count", Value::U16(1)), ("general.name", "large".into())].into_iter().collect();
    let mut writer = Writer::create(&from, &metadata, &[("a.weight".into(), info.clone())]).expect("a file");
    writer.write("a.weight", &bytes).and_then(|()| writer.finish()).expect("written");

    let mut seen = Vec::new();
    let to = scratch.file("small.gguf");
    quantize(&from, &to, mix("q8_0"), &mut |done, total| seen.push((done, total)), &Stop::default()).expect("a file");
    let mut expected = Vec::new();
    wick_weights::quantize(DType::Q8_0, &values, 2048, &mut expected).expect("whole blocks");
    let file = open(&to);
    assert!(file.tensor("a.weight").expect("there").bytes().expect("bytes") == expected);
    assert!(seen.len() >= 4 && seen.is_sorted(), "{seen:?}");
    assert_eq!(seen.last(), Some(&(expected.len() as u64, expected.len() as u64)));
    assert!(file.metadata().get("split.count").is_none(), "one file now");
    assert_eq!(file.metadata().str("general.name").expect("a string"), Some("large"));
}

/// A file of a model's matrices, by name, rows and columns; the second column of the third row of `broken` is no number.
fn matrices(path: &Path, list: &[(&str, usize, usize)], broken: Option<&str>) {
    let tensors: Vec<_> = list
        .iter()
        .map(|&(name, rows, columns)| (name.to_owned(), TensorInfo { dtype: DType::F32, shape: vec![rows, columns] }))
        .collect();
    let mut writer = Writer::create(path, &Metadata::new(), &tensors).expect("a file");
    for (seed, &(name, rows, columns)) in list.iter().enumerate() {
        let mut values = Random::new(seed as u64 + 1).values(rows * columns, 1.0);
        if broken == Some(name) {
            values[2 * columns + 1] = f32::NAN;
        }
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        writer.write(name, &bytes).expect("written");
    }
    writer.finish().expect("written");
}

#[test]
fn a_mix_gives_each_matrix_its_type_and_says_which_could_not_have_it() {
    let scratch = Scratch::new("mix");
    let (from, to) = (scratch.file("whole.gguf"), scratch.file("mixed.gguf"));
    let list = [
        ("token_embd.weight", 64, 512),
        ("output.weight", 64, 512),
        ("blk.0.attn_q.weight", 8, 256),
        ("blk.0.attn_v.weight", 8, 256),
        ("blk.1.attn_v.weight", 8, 256),
        ("blk.1.ffn_down.weight", 8, 96),
        ("blk.2.ffn_down.weight", 8, 96),
        ("blk.7.ffn_down.weight", 8, 40),
        ("blk.7.attn_norm.weight", 1, 512),
    ];
    matrices(&from, &list, None);
    let report = quantized(&from, &to, "q4_k_m").expect("a file");
    let file = open(&to);
    let types: Vec<DType> = list.iter().map(|(name, ..)| file.info(name).expect("there").dtype).collect();
    use DType::{F16, F32, Q4_K, Q5_0, Q6_K};
    assert_eq!(types, [Q4_K, Q6_K, Q4_K, Q6_K, Q4_K, Q5_0, Q5_0, F16, F32]);
    assert_eq!(file.metadata().u32("general.file_type").expect("a number"), Some(15));
    let messages: Vec<_> = report.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("2 matrices are Q5_0, not Q4_K") && messages[0].contains("blk.1.ffn_down"), "{messages:?}");
    assert!(messages[1].contains("1 matrices are F16, not Q6_K"), "{messages:?}");

    // Written by threads as by one.
    let whole = open(&from);
    let (mut bytes, values) = (Vec::new(), whole.tensor("output.weight").expect("there").to_f32().expect("f32"));
    wick_weights::quantize(Q6_K, &values, 512, &mut bytes).expect("whole blocks");
    assert!(file.tensor("output.weight").expect("there").bytes().expect("bytes") == bytes);

    matrices(&from, &list, Some("blk.1.attn_v.weight"));
    let error = quantized(&from, &to, "q4_k_m").expect_err("NaN");
    assert_eq!(error.code(), Code::ModelInvalid);
    assert!(error.message().contains("blk.1.attn_v.weight") && error.message().contains("NaN"), "{error}");
}

#[test]
fn what_fails_or_is_stopped_leaves_the_old_file_and_nothing_else() {
    let scratch = Scratch::new("convert");
    let to = scratch.file("model.gguf");
    std::fs::write(&to, "the old one").expect("written");
    let stop = Stop::default();
    let from = fixtures().join("checkpoints/llama");
    let error = convert(&from, &to, None, &mut |_, _| stop.set(), &stop).expect_err("stopped");
    assert_eq!(error.code(), Code::Cancelled);
    let stop = Stop::default();
    let file = fixtures().join("foreign/llama.f32.gguf");
    let error = quantize(&file, &to, mix("f16"), &mut |_, _| stop.set(), &stop).expect_err("stopped");
    assert_eq!(error.code(), Code::Cancelled);
    assert_eq!((scratch.names(), std::fs::read(&to).expect("there")), (vec!["model.gguf".into()], b"the old one".to_vec()));

    let error = converted("llama", &scratch.file("no/such/folder.gguf"), None).expect_err("no folder");
    assert_eq!(error.code(), Code::Io);
    let missing = convert(&scratch.file("nothing"), &to, None, &mut |_, _| {}, &Stop::default()).expect_err("no model");
    assert_eq!(missing.code(), Code::ModelNotFound);
}
