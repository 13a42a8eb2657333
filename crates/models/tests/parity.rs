//! Our answers against transformers' and llama.cpp's, on the tiny checkpoints of `tools/fixtures`.
//!
//! What `expected.json` holds is in `tools/fixtures/README.md`. The same figures must come out of the Hugging Face folder and
//! out of GGUF files that another program wrote, so that a permutation that is wrong twice does not cancel out.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;
use wick_compute::cpu::{Cpu, KvType};
use wick_compute::reference::Reference;
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Program, Row, Span, Want, Wanted};
use wick_models::{LongFrom, Model, convert, from_folder, from_gguf};
use wick_spec::Stop;
use wick_testkit::{Scratch, assert_close};
use wick_weights::{Folder, OpenOptions, Tensors, gguf};

/// Every checkpoint of `tools/fixtures/checkpoints.py`.
const CHECKPOINTS: [&str; 21] = [
    "llama",
    "llama-tied-rope3",
    "llama-sharded",
    "llama-q8",
    "llama-yarn",
    "mistral",
    "mistral-window",
    "ministral3",
    "qwen2",
    "qwen2-window",
    "qwen3",
    "smollm3",
    "granite",
    "olmo2",
    "phi",
    "phi-long",
    "phi-short",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3-legacy",
];

/// Files of another writer.
const FOREIGN: usize = 17;

/// Those with windows that llama.cpp does not have in their architecture, which converting them says.
const WINDOWED: [&str; 2] = ["mistral-window", "qwen2-window"];

/// Tokens that a model is loaded for: llama.cpp's least.
const WINDOW: usize = 256;

/// A backend, and what it is held to.
struct Case {
    name: &'static str,
    backend: Box<dyn Backend>,
    /// How far a log-probability or a logit may be from transformers'.
    tolerance: f32,
    /// By how much llama.cpp's choice in a quantised file must lead to be a choice of this backend, too. Roundings to eight bits
    /// turn on the last bit of what is rounded, so that llama.cpp differs from itself by 0.13, token by token from all at once.
    gap: f32,
}

fn backends() -> Vec<Case> {
    let cpu = |kv| Box::new(Cpu::new(kv).expect("WICK_CPU is in order"));
    vec![
        Case { name: "reference", backend: Box::new(Reference), tolerance: 2e-3, gap: 0.1 },
        Case { name: "candle", backend: Box::new(wick_compute::candle::Candle::cpu()), tolerance: 2e-3, gap: 0.1 },
        Case { name: "cpu, f32", backend: cpu(KvType::F32), tolerance: 2e-3, gap: 0.1 },
        Case { name: "cpu, f16", backend: cpu(KvType::F16), tolerance: 2e-2, gap: 0.2 },
    ]
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures")
}

fn json(path: &Path) -> Json {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).expect("JSON")
}

fn expected(checkpoint: &str) -> Json {
    json(&fixtures().join("checkpoints").join(checkpoint).join("expected.json"))
}

fn ids(value: &Json) -> Vec<u32> {
    value.as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
}

fn floats(value: &Json) -> Vec<f32> {
    value.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

/// A prepared model with one sequence.
struct Running {
    program: Box<dyn Program>,
    vocab: usize,
    cached: usize,
    long_from: Option<LongFrom>,
    long: bool,
}

impl Running {
    fn new(backend: &dyn Backend, model: &Model, tensors: &dyn Tensors) -> Self {
        let mut program = backend.prepare(&model.plan, tensors, &mut |_| {}, &Stop::default()).expect("it loads");
        for group in 0..program.state().groups().len() {
            program.state().grow(group, 8).expect("a few blocks");
        }
        Self { program, vocab: model.vocab, cached: 0, long_from: model.long_from, long: false }
    }

    /// Begins anew.
    fn reset(&mut self) -> &mut Self {
        self.cached = 0;
        self
    }

    /// Logits of each of the next tokens, (t, v).
    fn push(&mut self, ids: &[u32]) -> Vec<f32> {
        let rows =
            ids.iter().zip(self.cached..).map(|(&id, n)| Row { input: Input::Token(id), position: n as u32 }).collect();
        if self.cached == 0 {
            self.long = match self.long_from {
                Some(LongFrom::Tokens(original)) => ids.len() > original,
                Some(LongFrom::Window(original)) => WINDOW > original,
                None => false,
            };
        }
        let table = (0..(self.cached + ids.len()).div_ceil(BLOCK) as u32).collect();
        let blocks = vec![table; self.program.state().groups().len()];
        let batch = Batch {
            rows,
            spans: vec![Span { rows: 0..ids.len(), cached: self.cached, blocks, long: self.long }],
            wanted: (0..ids.len()).map(|row| Wanted { row, want: Want::Logits }).collect(),
            ..Batch::default()
        };
        let mut outputs = Outputs::default();
        self.program.run(&batch, &mut outputs, &Stop::default()).expect("the batch is in order");
        self.cached += ids.len();
        outputs.logits
    }

    /// `steps` greedy tokens after `prompt`, and the logits each was chosen from.
    fn greedy(&mut self, prompt: &[u32], steps: usize) -> (Vec<u32>, Vec<Vec<f32>>) {
        let (mut chosen, mut rows) = (Vec::new(), Vec::new());
        let mut logits = self.reset().push(prompt);
        for _ in 0..steps {
            let last = logits[logits.len() - self.vocab..].to_vec();
            let id = argmax(&last);
            chosen.push(id);
            rows.push(last);
            logits = self.push(&[id]);
        }
        (chosen, rows)
    }
}

fn argmax(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("not empty");
    best.0 as u32
}

fn log_softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|x| f64::from(x - max).exp()).sum();
    logits.iter().map(|x| x - max - sum.ln() as f32).collect()
}

/// Everything `expected.json` says of the checkpoint.
fn check(what: &str, checkpoint: &str, model: &Model, tensors: &dyn Tensors) {
    let expected = expected(checkpoint);
    let prompt = ids(&expected["prompt_ids"]);
    let greedy = ids(&expected["greedy_ids"]);
    for Case { name, backend, tolerance, .. } in backends() {
        let what = format!("{what} on {name}");
        let mut running = Running::new(&*backend, model, tensors);
        check_steps(&what, &expected, running.greedy(&prompt, greedy.len()), tolerance);
        if let Some(bos) = expected["bos_greedy_ids"].as_array() {
            let (chosen, _) = running.greedy(&prompt[..1], bos.len());
            assert_eq!(chosen, ids(&expected["bos_greedy_ids"]), "{what}, from the beginning token alone");
        }
        let logits = running.reset().push(&prompt);
        for row in expected["logits"].as_array().expect("rows") {
            let at = row["row"].as_u64().expect("a row") as usize;
            let actual = &logits[at * model.vocab..][..model.vocab];
            assert_close(actual, &floats(&row["values"]), tolerance, &format!("{what}, logits of row {at}"));
        }
    }
}

fn check_steps(what: &str, expected: &Json, (chosen, rows): (Vec<u32>, Vec<Vec<f32>>), tolerance: f32) {
    assert_eq!(chosen, ids(&expected["greedy_ids"]), "{what}");
    let steps = expected["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), rows.len());
    for (at, (step, row)) in steps.iter().zip(rows).enumerate() {
        let logprobs = log_softmax(&row);
        let pairs = step["top"].as_array().expect("pairs").iter().chain([&step["chosen"]]);
        for pair in pairs {
            let (id, expected) = (pair[0].as_u64().expect("an id") as usize, pair[1].as_f64().expect("a number") as f32);
            let actual = logprobs[id];
            assert!((actual - expected).abs() <= tolerance, "{what}, step {at}, token {id}: {actual}, not {expected}");
        }
    }
}

fn open_folder(checkpoint: &str) -> Folder {
    Folder::open(&fixtures().join("checkpoints").join(checkpoint), &OpenOptions::default()).expect("a folder")
}

fn open_gguf(path: &Path) -> gguf::File {
    gguf::File::open(path, &OpenOptions::default()).expect("a GGUF file")
}

#[test]
fn folders_answer_as_transformers_does() {
    for checkpoint in CHECKPOINTS {
        let folder = open_folder(checkpoint);
        let model = from_folder(&folder).expect("a model");
        assert_eq!(model.name.as_deref(), Some(checkpoint));
        assert!(model.warnings.is_empty(), "{:?}", model.warnings);
        check(&format!("folder {checkpoint}"), checkpoint, &model, &folder);
    }
}

#[test]
fn files_converted_from_folders_answer_as_transformers_does() {
    let scratch = Scratch::new("parity");
    for checkpoint in CHECKPOINTS {
        let to = scratch.file(&format!("{checkpoint}.gguf"));
        let from = fixtures().join("checkpoints").join(checkpoint);
        let converted = convert(&from, &to, None, &mut |_, _| {}, &Stop::default()).expect("a file");
        let windowed = converted.warnings.iter().any(|warning| warning.message.contains("window"));
        assert_eq!((windowed, converted.warnings.len()), (WINDOWED.contains(&checkpoint), windowed.into()));
        let gguf = open_gguf(&to);
        let model = from_gguf(gguf.metadata(), &gguf).expect("a model");
        assert_eq!(model.name.as_deref(), Some(checkpoint));
        assert!(model.warnings.is_empty(), "{:?}", model.warnings);
        check(&format!("converted {checkpoint}"), checkpoint, &model, &gguf);
    }
}

#[test]
fn files_of_another_writer_answer_as_transformers_and_llama_cpp_do() {
    let list = json(&fixtures().join("foreign/expected.json"));
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), FOREIGN);
    for entry in list {
        let (file, checkpoint) = (entry["file"].as_str().expect("a name"), entry["checkpoint"].as_str().expect("a name"));
        let gguf = open_gguf(&fixtures().join("foreign").join(file));
        let model = from_gguf(gguf.metadata(), &gguf).expect("a model");
        assert!(model.warnings.is_empty(), "{:?}", model.warnings);
        let quantised = file.contains(".q");
        if !quantised {
            check(file, checkpoint, &model, &gguf);
        }
        for Case { name, backend, tolerance, gap } in backends() {
            let what = format!("{file} on {name}");
            let gap = if quantised { gap } else { tolerance / 2.0 };
            let mut running = Running::new(&*backend, &model, &gguf);
            let prompt = ids(&entry["prompt_ids"]);
            check_peer(&what, &mut running, &prompt, &entry["greedy"], gap);
            if entry["bos_greedy"].is_object() {
                check_peer(&what, &mut running, &prompt[..1], &entry["bos_greedy"], gap);
            }
        }
    }
}

/// Forced along the peer's tokens, our best is the peer's wherever its lead exceeds `gap`.
fn check_peer(what: &str, running: &mut Running, prompt: &[u32], peer: &Json, gap: f32) {
    let (peers, gaps) = (ids(&peer["ids"]), floats(&peer["gaps"]));
    let mut logits = running.reset().push(prompt);
    let mut compared = 0;
    for (at, (id, lead)) in peers.into_iter().zip(gaps).enumerate() {
        if lead > gap {
            assert_eq!(argmax(&logits[logits.len() - running.vocab..]), id, "{what}, step {at}, by {lead}");
            compared += 1;
        }
        logits = running.push(&[id]);
    }
    assert!(compared > 12, "{what}: {compared} steps were decided clearly");
}
