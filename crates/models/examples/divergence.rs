//! How far rounded weights, keys and values take a model from itself: `divergence MODEL.gguf TEXT [TOKENS]`.
//!
//! Along the tokens of a text file (256 of them unless told) the mean and the largest Kullback-Leibler divergence of the next token's
//! distribution, in nats, and how often the most likely token is the same. The truth is the reference, in f32, on the weights as
//! they are in the file. For each type that weights can be given while they are loaded: the cpu backend beside the reference on the
//! same rounded weights, which is what its eight-bit activations and f16 keys and values cost; and beside the truth, which is what
//! the type costs in all. A file that is quantised already stays as it is: take one of f32. Then the types of keys and values.

use std::path::Path;

use wick_compute::cpu::{Cpu, KvType};
use wick_compute::reference::Reference;
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Plan, Row, Span, Want, Wanted};
use wick_models::{Mix, from_gguf, while_loading};
use wick_spec::{Error, Result, Stop};
use wick_text::{Control, Tokenizer};
use wick_weights::gguf::File;
use wick_weights::{OpenOptions, Recoded, Tensors};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (model, text, tokens) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [model, text] => (model, text, 256),
        [model, text, tokens] => (model, text, tokens.parse().map_err(|_| usage())?),
        _ => return Err(usage()),
    };
    let file = File::open(Path::new(model), &OpenOptions::default())?;
    let plan = from_gguf(file.metadata(), &file)?.plan;
    let text = std::fs::read_to_string(text).map_err(|error| Error::io(format!("{text}: {error}")))?;
    let mut ids = Tokenizer::from_gguf(file.metadata())?.encode(&text, Control::AsText, true)?;
    ids.truncate(tokens);

    let run = |backend: &dyn Backend, tensors: &dyn Tensors| distributions(backend, &plan, tensors, &ids);
    let truth = run(&Reference, &file)?;
    println!(
        "{} tokens                 beside the reference, same weights        beside the file's weights in f32",
        ids.len()
    );
    let cpu = Cpu::new(KvType::F16)?;
    println!("{:>8}  {}  {}", "as it is", compare(&run(&cpu, &file)?, &truth), compare(&run(&cpu, &file)?, &truth));
    for mix in Mix::all().filter(|mix| mix.loadable()) {
        let stop = Stop::default();
        let rounded = Recoded::new(&file, while_loading(&file, mix).types, false, &stop);
        let (fast, slow) = (run(&cpu, &rounded)?, run(&Reference, &rounded)?);
        println!("{:>8}  {}  {}", mix.name, compare(&fast, &slow), compare(&fast, &truth));
    }
    let [f32, f16, q8_0] = [KvType::F32, KvType::F16, KvType::Q8_0].map(|kv| run(&Cpu::new(kv)?, &file));
    let (f32, f16, q8_0) = (f32?, f16?, q8_0?);
    println!("{:>8}  {}  beside keys and values of f32", "kv f16", compare(&f16, &f32));
    println!("{:>8}  {}  beside keys and values of f16", "kv q8_0", compare(&q8_0, &f16));
    Ok(())
}

fn usage() -> Error {
    Error::invalid_request("divergence MODEL.gguf TEXT [TOKENS]")
}

/// Log-probabilities of the token after each of `ids`.
fn distributions(backend: &dyn Backend, plan: &Plan, tensors: &dyn Tensors, ids: &[u32]) -> Result<Vec<Vec<f64>>> {
    let mut program = backend.prepare(plan, tensors, &mut |_| {}, &Stop::default())?;
    let blocks = ids.len().div_ceil(BLOCK);
    let groups = program.state().groups().len();
    (0..groups).try_for_each(|group| program.state().grow(group, blocks))?;
    let batch = Batch {
        rows: ids.iter().enumerate().map(|(n, id)| Row { input: Input::Token(*id), position: n as u32 }).collect(),
        spans: vec![Span { rows: 0..ids.len(), cached: 0, blocks: vec![(0..blocks as u32).collect(); groups], long: false }],
        wanted: (0..ids.len()).map(|row| Wanted { row, want: Want::Logits }).collect(),
        embeddings: Vec::new(),
    };
    let mut outputs = Outputs::default();
    program.run(&batch, &mut outputs, &Stop::default())?;
    Ok(outputs.logits.chunks_exact(plan.vocab).map(log_softmax).collect())
}

fn log_softmax(logits: &[f32]) -> Vec<f64> {
    let max = f64::from(logits.iter().copied().fold(f32::MIN, f32::max));
    let sum: f64 = logits.iter().map(|x| (f64::from(*x) - max).exp()).sum();
    logits.iter().map(|x| f64::from(*x) - max - sum.ln()).collect()
}

fn compare(found: &[Vec<f64>], truth: &[Vec<f64>]) -> String {
    let best = |row: &[f64]| row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(id, _)| id);
    let divergences: Vec<f64> =
        truth.iter().zip(found).map(|(p, q)| p.iter().zip(q).map(|(p, q)| p.exp() * (p - q)).sum()).collect();
    let same = truth.iter().zip(found).filter(|(p, q)| best(p) == best(q)).count();
    let mean = divergences.iter().sum::<f64>() / divergences.len() as f64;
    let most = divergences.iter().copied().fold(0.0, f64::max);
    format!("mean {mean:8.1e}  most {most:8.1e}  same {:5.1} %", 100.0 * same as f64 / truth.len() as f64)
}
