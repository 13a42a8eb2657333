//! Prefill and decode rates of the candle backend, for work on its loops.
//!
//! - `speed make FILE.gguf [TYPE [SHAPE]]` writes a model with random weights: the types of Q4_K_M (`q4_k_m`, the default), or all
//!   of TYPE (`q8_0`, `f16`, any that wick decodes); of TinyLlama-1.1B's shape, or another of `SHAPES`. `tinyllama-quotes` is not
//!   random all through: it quotes its prompt (`quotes.rs`).
//! - `speed run FILE.gguf [PROMPT GEN RUNS]` prints the rates as JSON, medians of RUNS; defaults 257, 48, 3. A run that is not
//!   counted comes first. Set `WICK_THREADS`, and for what candle does itself
//!   `CANDLE_NUM_THREADS` and `RAYON_NUM_THREADS`.
//!
//! `bench/candle-peer` takes the same file.

mod quotes;

use std::path::Path;
use std::time::Instant;

use wick_compute::cpu::{Cpu, KvType};
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Program, Row, Span, Want, Wanted, threads};
use wick_spec::{Error, Result, Stop};
use wick_testkit::Random;
use wick_weights::gguf::{File, Metadata, Writer};
use wick_weights::{DType, OpenOptions, TensorInfo, Tensors};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize, or: usize| arguments.get(i).and_then(|n| n.parse().ok()).unwrap_or(or);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", path, ref rest @ ..] => {
            make(Path::new(path), rest.first().unwrap_or(&"q4_k_m"), rest.get(1).unwrap_or(&TINYLLAMA.name))
        }
        ["run", path, ..] => run(Path::new(path), number(2, 257), number(3, 48), number(4, 3)),
        _ => Err(Error::invalid_request("speed make FILE.gguf [TYPE [SHAPE]], or speed run FILE.gguf [PROMPT GEN RUNS]")),
    }
}

/// A model's sizes. Every shape has an output matrix of its own.
struct Shape {
    name: &'static str,
    architecture: &'static str,
    layers: usize,
    hidden: usize,
    ffn: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocab: usize,
    /// Whether queries and keys are normed per head.
    qk_norm: bool,
    rope_base: f32,
    /// Whether its first layers quote what was said, and the others add nothing.
    quotes: bool,
}

const TINYLLAMA: Shape = Shape {
    name: "tinyllama",
    architecture: "llama",
    layers: 22,
    hidden: 2048,
    ffn: 5632,
    heads: 32,
    kv_heads: 4,
    head_dim: 64,
    vocab: 32_000,
    qk_norm: false,
    rope_base: 1e4,
    quotes: false,
};

/// All there are. `chain` is next to nothing but a vocabulary, for the time of the sampler.
const SHAPES: [Shape; 5] = [
    TINYLLAMA,
    Shape { name: "tinyllama-quotes", rope_base: quotes::ROPE_BASE, quotes: true, ..TINYLLAMA },
    Shape {
        name: "qwen3-0.6b",
        architecture: "qwen3",
        layers: 28,
        hidden: 1024,
        ffn: 3072,
        heads: 16,
        kv_heads: 8,
        head_dim: 128,
        vocab: 151_936,
        qk_norm: true,
        rope_base: 1e6,
        quotes: false,
    },
    Shape { name: "llama-267m", layers: 16, hidden: 1024, ffn: 3072, heads: 16, kv_heads: 8, ..TINYLLAMA },
    Shape {
        name: "chain",
        layers: 1,
        hidden: 64,
        ffn: 128,
        heads: 2,
        kv_heads: 1,
        head_dim: 32,
        vocab: 151_936,
        ..TINYLLAMA
    },
];

/// The tensors in file order, all of one type or mixed as Q4_K_M is.
fn tensors(shape: &Shape, all: Option<DType>) -> Vec<(String, TensorInfo)> {
    let &Shape { layers, hidden, ffn, vocab, head_dim, .. } = shape;
    let (q, kv) = (head_dim * shape.heads, head_dim * shape.kv_heads);
    let tensor = |name: &str, dtype: DType, shape: &[usize]| (name.to_owned(), TensorInfo { dtype, shape: shape.to_vec() });
    let of = |dtype: DType| all.unwrap_or(dtype);
    let mut list = vec![
        tensor("token_embd.weight", of(DType::Q4_K), &[vocab, hidden]),
        tensor("output.weight", of(DType::Q6_K), &[vocab, hidden]),
        tensor("output_norm.weight", DType::F32, &[hidden]),
    ];
    for layer in 0..layers {
        // As llama.cpp mixes them: the first and last eighth, and every third of the rest.
        let more = !(layers / 8..7 * layers / 8).contains(&layer) || (layer - layers / 8) % 3 == 2;
        let better = if more { DType::Q6_K } else { DType::Q4_K };
        let mut add =
            |part: &str, dtype, shape: &[usize]| list.push(tensor(&format!("blk.{layer}.{part}.weight"), dtype, shape));
        add("attn_norm", DType::F32, &[hidden]);
        add("attn_q", of(DType::Q4_K), &[q, hidden]);
        add("attn_k", of(DType::Q4_K), &[kv, hidden]);
        add("attn_v", of(better), &[kv, hidden]);
        add("attn_output", of(DType::Q4_K), &[hidden, q]);
        if shape.qk_norm {
            add("attn_q_norm", DType::F32, &[head_dim]);
            add("attn_k_norm", DType::F32, &[head_dim]);
        }
        add("ffn_norm", DType::F32, &[hidden]);
        add("ffn_gate", of(DType::Q4_K), &[ffn, hidden]);
        add("ffn_up", of(DType::Q4_K), &[ffn, hidden]);
        add("ffn_down", of(better), &[hidden, ffn]);
    }
    list
}

fn make(path: &Path, dtype: &str, shape: &str) -> Result<()> {
    let unknown = |what: &str, name: &str| Error::invalid_request(format!("There is no {what} {name}."));
    let shape = SHAPES.iter().find(|known| known.name == shape).ok_or_else(|| unknown("shape", shape))?;
    let all = match dtype {
        "q4_k_m" => None,
        name => Some(DType::from_name(name).ok_or_else(|| unknown("type", name))?),
    };
    let list = tensors(shape, all);
    let mut writer = Writer::create(path, &metadata(shape), &list)?;
    let mut random = Random::new(1);
    for (name, info) in &list {
        let made = if shape.quotes { quotes::values(shape, name, info)? } else { None };
        writer.write(name, &made.unwrap_or_else(|| values(info, &mut random)))?;
    }
    writer.finish()
}

fn metadata(shape: &Shape) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", shape.architecture);
    metadata.insert("general.name", format!("random, of the shape {}", shape.name));
    let mut own = |key: &str, value: usize| metadata.insert(format!("{}.{key}", shape.architecture), value as u32);
    own("block_count", shape.layers);
    own("embedding_length", shape.hidden);
    own("feed_forward_length", shape.ffn);
    own("attention.head_count", shape.heads);
    own("attention.head_count_kv", shape.kv_heads);
    own("attention.key_length", shape.head_dim);
    own("attention.value_length", shape.head_dim);
    own("rope.dimension_count", shape.head_dim);
    own("context_length", 4096);
    own("vocab_size", shape.vocab);
    metadata.insert(format!("{}.attention.layer_norm_rms_epsilon", shape.architecture), 1e-5f32);
    metadata.insert(format!("{}.rope.freq_base", shape.architecture), shape.rope_base);
    vocabulary(&mut metadata, shape.vocab);
    metadata
}

/// A vocabulary of bytes and numbered pieces, for engines that will not load a file without one.
fn vocabulary(metadata: &mut Metadata, size: usize) {
    const CONTROL: [&str; 3] = ["<unk>", "<s>", "</s>"];
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), 6));
    let pieces = (0..size - CONTROL.len() - 256).map(|n| (format!("\u{2581}{n}"), 1));
    let control = CONTROL.iter().zip([2, 3, 3]).map(|(&token, kind)| (token.to_owned(), kind));
    let (tokens, kinds): (Vec<String>, Vec<i32>) = control.chain(bytes).chain(pieces).unzip();
    let scores: Vec<f32> = (0..tokens.len()).map(|n| -(n as f32)).collect();
    metadata.insert("tokenizer.ggml.model", "llama");
    metadata.insert("tokenizer.ggml.tokens", tokens);
    metadata.insert("tokenizer.ggml.token_type", kinds);
    metadata.insert("tokenizer.ggml.scores", scores);
    metadata.insert("tokenizer.ggml.bos_token_id", 1u32);
    metadata.insert("tokenizer.ggml.eos_token_id", 2u32);
}

/// Random blocks, of values of a few hundredths; norms near 1.
fn values(info: &TensorInfo, random: &mut Random) -> Vec<u8> {
    if info.shape.len() == 1 {
        return (0..info.shape[0]).flat_map(|_| (1.0 + random.signed(0.1)).to_le_bytes()).collect();
    }
    let size = info.bytes().expect("whole blocks");
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| random.bits().to_le_bytes()).take(size).collect();
    let mut scales = |places: &[(usize, f32)]| {
        for block in bytes.chunks_exact_mut(info.dtype.layout().bytes) {
            for &(at, value) in places {
                block[at..at + 2].copy_from_slice(&half::f16::from_f32(value).to_le_bytes());
            }
        }
    };
    match info.dtype {
        DType::Q4_K | DType::Q5_K => scales(&[(0, 1e-4), (2, 7.5e-4)]),
        DType::Q6_K => scales(&[(208, 2e-5)]),
        DType::Q2_K => scales(&[(80, 2e-3), (82, 3e-3)]),
        DType::Q3_K => scales(&[(108, 1e-3)]),
        DType::Q8_0 => scales(&[(0, 3e-4)]),
        DType::Q4_0 | DType::Q5_0 => scales(&[(0, 3e-3)]),
        DType::Q4_1 | DType::Q5_1 => scales(&[(0, 3e-3), (2, -0.03)]),
        DType::F16 => bytes
            .chunks_exact_mut(2)
            .for_each(|x| x.copy_from_slice(&half::f16::from_f32(random.signed(0.03)).to_le_bytes())),
        DType::BF16 => bytes
            .chunks_exact_mut(2)
            .for_each(|x| x.copy_from_slice(&half::bf16::from_f32(random.signed(0.03)).to_le_bytes())),
        _ => bytes.chunks_exact_mut(4).for_each(|x| x.copy_from_slice(&random.signed(0.03).to_le_bytes())),
    }
    bytes
}

fn run(path: &Path, prompt: usize, generate: usize, runs: usize) -> Result<()> {
    let started = Instant::now();
    let file = File::open(path, &OpenOptions::default())?;
    let model = wick_models::from_gguf(file.metadata(), &file as &dyn Tensors)?;
    let backend = Cpu::new(KvType::F16)?;
    let mut program = backend.prepare(&model.plan, &file, &mut |_| {}, &Stop::default())?;
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let blocks = (prompt + generate + 1).div_ceil(BLOCK);
    let groups = program.state().groups().len();
    (0..groups).try_for_each(|group| program.state().grow(group, blocks))?;
    let (mut prefill, mut decode) = (Vec::new(), Vec::new());
    for n in 0..=runs {
        let (p, d) = measure(&mut *program, prompt, generate)?;
        if n > 0 {
            prefill.push(p);
            decode.push(d);
        }
    }
    println!(
        "{{\"prefillTokensPerSecond\": {:.2}, \"decodeTokensPerSecond\": {:.2}, \"loadMs\": {load_ms:.0}, \"threads\": {}}}",
        median(&mut prefill),
        median(&mut decode),
        threads()
    );
    Ok(())
}

/// One prompt, then one token at a time, the most probable one: tokens a second of both.
fn measure(program: &mut dyn Program, prompt: usize, generate: usize) -> Result<(f64, f64)> {
    let table: Vec<u32> = (0..(prompt + generate + 1).div_ceil(BLOCK) as u32).collect();
    let blocks = vec![table; program.state().groups().len()];
    let ids: Vec<u32> = (0..prompt as u32).map(|i| 3 + i * 37 % 1000).collect();
    let mut outputs = Outputs::default();
    let mut step = |ids: &[u32], cached: usize| -> Result<u32> {
        let row = |(i, &id): (usize, &u32)| Row { input: Input::Token(id), position: (cached + i) as u32 };
        let batch = Batch {
            rows: ids.iter().enumerate().map(row).collect(),
            embeddings: Vec::new(),
            spans: vec![Span { rows: 0..ids.len(), cached, blocks: blocks.clone(), long: false }],
            wanted: vec![Wanted { row: ids.len() - 1, want: Want::Logits }],
        };
        program.run(&batch, &mut outputs, &Stop::default())?;
        let best = outputs.logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        Ok(best.map_or(0, |(id, _)| id as u32))
    };
    let started = Instant::now();
    let mut token = step(&ids, 0)?;
    let prefill = prompt as f64 / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for i in 0..generate {
        token = step(&[token], prompt + i)?;
    }
    Ok((prefill, generate as f64 / started.elapsed().as_secs_f64()))
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
