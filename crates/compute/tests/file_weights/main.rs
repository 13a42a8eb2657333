//! What the step-by-step tests, in f32, cannot show of the fast backends: quantised weights, weights in a file.
#![cfg(feature = "candle")]

use std::path::PathBuf;

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use wick_compute::candle::Candle;
use wick_compute::cpu::{Cpu, KvType};
use wick_compute::reference::Reference;
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Program, RopeLayout, Row, Span, Step, Want, Wanted};
use wick_kernels::{Isa, Pool};
use wick_spec::{Code, Stop};
use wick_testkit::{Checkpoint, Extras, Random, Shape, assert_close, random_blocks};
use wick_weights::gguf::{File, Metadata, Writer};
use wick_weights::{DType, OpenOptions, Tensors};

/// Rows of whole blocks of every type.
const SHAPE: Shape = Shape {
    hidden: 256,
    vocab: 64,
    ffn: 512,
    layers: 2,
    heads: 4,
    kv_heads: 2,
    head_dim: 64,
    pairs: 32,
    layout: RopeLayout::Neox,
    qk_norm: true,
    qkv_bias: true,
    other_bias: false,
    window: None,
    tied: false,
    extras: Extras::NONE,
};

/// The same, q, k and v in one tensor, and gate and up in another.
const FUSED: Shape = Shape { extras: Extras { fused: true, ..Extras::NONE }, ..SHAPE };

/// The shape's weights, its matrices in other types by turns.
fn checkpoint(shape: &Shape, types: &[(DType, GgmlDType)]) -> Checkpoint {
    let plain = shape.checkpoint(3);
    let mut file = plain.clone();
    let mut turn = types.iter().cycle();
    for (name, tensor) in plain.iter() {
        let &[n, k] = &tensor.info().shape[..] else { continue };
        let (dtype, ggml) = turn.next().expect("types to take turns");
        let values = Tensor::from_vec(tensor.to_f32().expect("f32"), (n, k), &Device::Cpu).expect("as many");
        let blocks = QTensor::quantize(&values, *ggml).expect("whole blocks");
        file.insert_bytes(name, *dtype, &[n, k], &blocks.data().expect("on the CPU"));
    }
    file
}

/// The fast backends, and what they are called here.
fn backends() -> Vec<(&'static str, Box<dyn Backend>)> {
    vec![
        ("cpu", Box::new(Cpu::new(KvType::F32).expect("WICK_CPU is in order"))),
        ("candle", Box::new(Candle::cpu())),
        ("candle with tensors", Box::new(Candle::portable())),
    ]
}

fn program(backend: &dyn Backend, shape: &Shape, tensors: &dyn Tensors) -> Box<dyn Program> {
    let mut program = backend.prepare(&shape.plan(), tensors, &mut |_| {}, &Stop::default()).expect("it fits the plan");
    program.state().grow(0, 4).expect("small");
    program
}

/// Tokens `cached ..` of a sequence, the last wanted.
fn batch(ids: &[u32], cached: usize) -> Batch {
    let rows = ids.iter().enumerate().skip(cached);
    let rows: Vec<Row> = rows.map(|(n, id)| Row { input: Input::Token(*id), position: n as u32 }).collect();
    Batch {
        spans: vec![Span { rows: 0..rows.len(), cached, blocks: vec![vec![2, 0, 1]], long: false }],
        wanted: vec![Wanted { row: rows.len() - 1, want: Want::Logits }],
        embeddings: Vec::new(),
        rows,
    }
}

fn logits(program: &mut dyn Program, batch: &Batch) -> Vec<f32> {
    let mut outputs = Outputs::default();
    program.run(batch, &mut outputs, &Stop::default()).expect("in order");
    outputs.logits
}

#[test]
fn quantised_weights_give_the_references_logits_at_every_number_of_rows() {
    use DType::*;
    let mixes: [&[(DType, GgmlDType)]; 4] = [
        &[(Q4_K, GgmlDType::Q4K), (Q6_K, GgmlDType::Q6K), (Q8_0, GgmlDType::Q8_0)],
        &[(F16, GgmlDType::F16), (BF16, GgmlDType::BF16)],
        &[(Q4_0, GgmlDType::Q4_0), (Q5_1, GgmlDType::Q5_1), (Q5_0, GgmlDType::Q5_0), (Q4_1, GgmlDType::Q4_1)],
        &[(Q5_K, GgmlDType::Q5K), (Q3_K, GgmlDType::Q3K), (Q2_K, GgmlDType::Q2K)],
    ];
    for types in mixes {
        like_the_reference(&checkpoint(&SHAPE, types), &format!("{types:?}"));
    }
}

/// The fused checkpoint with a tensor for each weight: the same blocks under other names.
fn taken_apart(fused: &Checkpoint) -> Checkpoint {
    let mut apart = fused.clone();
    for (from, to) in FUSED.plan().steps.iter().zip(&SHAPE.plan().steps) {
        let pairs = match (from, to) {
            (Step::Attention(from), Step::Attention(to)) => vec![(&from.q, &to.q), (&from.k, &to.k), (&from.v, &to.v)],
            (Step::Mlp(from), Step::Mlp(to)) => vec![(&from.gate, &to.gate), (&from.up, &to.up)],
            _ => Vec::new(),
        };
        for (from, to) in pairs {
            let names = [(Some(&from.weight), Some(&to.weight)), (from.bias.as_ref(), to.bias.as_ref())];
            for (from_name, to_name) in names.into_iter().filter_map(|(from, to)| from.zip(to)) {
                let rows = from.rows.clone().expect("it is fused");
                let part = fused.tensor(from_name).and_then(|tensor| tensor.rows(rows)).expect("it has them");
                let info = part.info();
                apart.insert_bytes(to_name, info.dtype, &info.shape, part.bytes().expect("in memory"));
            }
        }
    }
    apart
}

#[test]
fn rows_of_one_tensor_are_as_good_as_tensors_of_their_own() {
    use DType::*;
    let mixes: [&[(DType, GgmlDType)]; 3] = [
        &[(Q4_K, GgmlDType::Q4K), (Q6_K, GgmlDType::Q6K), (Q8_0, GgmlDType::Q8_0)],
        &[(F16, GgmlDType::F16), (F32, GgmlDType::F32), (BF16, GgmlDType::BF16)],
        &[(Q5_0, GgmlDType::Q5_0), (Q3_K, GgmlDType::Q3K)],
    ];
    let ids: Vec<u32> = (0..40).map(|n| n * 29 % SHAPE.vocab as u32).collect();
    for types in mixes {
        let fused = checkpoint(&FUSED, types);
        let apart = taken_apart(&fused);
        for (name, backend) in backends() {
            let cost = |shape: &Shape, tensors| backend.cost(&shape.plan(), tensors, 1).expect("it fits the plan").weights;
            assert_eq!(cost(&FUSED, &fused), cost(&SHAPE, &apart), "{types:?}, {name}: nothing counts twice");
            let (mut one, mut other) = (program(&*backend, &FUSED, &fused), program(&*backend, &SHAPE, &apart));
            for rows in [0..30, 30..31, 31..34, 34..40] {
                let batch = batch(&ids[..rows.end], rows.start);
                let (actual, expected) = (logits(&mut *one, &batch), logits(&mut *other, &batch));
                assert_eq!(actual, expected, "{types:?}, {name}, {rows:?}");
            }
        }
    }
}

#[test]
fn types_candle_has_no_name_for_give_the_references_logits() {
    use DType::*;
    let plain = SHAPE.checkpoint(3);
    let mut tensors = plain.clone();
    let mut types = [IQ4_NL, IQ4_XS, MXFP4, NVFP4].into_iter().cycle();
    for (seed, (name, tensor)) in plain.iter().enumerate() {
        let &[n, k] = &tensor.info().shape[..] else { continue };
        let dtype = types.next().expect("types to take turns");
        tensors.insert_bytes(name, dtype, &[n, k], &random_blocks(dtype, n * k, seed as u64));
    }
    like_the_reference(&tensors, "tables");
}

/// Every fast backend gives the reference's logits, for a prompt and for few rows.
fn like_the_reference(tensors: &Checkpoint, what: &str) {
    let mut random = Random::new(5);
    let ids: Vec<u32> = (0..2 * BLOCK + 12).map(|_| random.below(SHAPE.vocab) as u32).collect();
    for (name, backend) in backends() {
        let (mut truth, mut fast) = (program(&Reference, &SHAPE, tensors), program(&*backend, &SHAPE, tensors));
        for rows in [0..2 * BLOCK, 2 * BLOCK..2 * BLOCK + 1, 2 * BLOCK + 1..2 * BLOCK + 4, 2 * BLOCK + 4..ids.len()] {
            let batch = batch(&ids[..rows.end], rows.start);
            let (expected, actual) = (logits(&mut *truth, &batch), logits(&mut *fast, &batch));
            // Products of blocks round x to eight bits.
            assert_close(&actual, &expected, 3e-2, &format!("{what}, {name}, {rows:?}"));
        }
    }
}

/// A GGUF file of the tensors that goes when it is dropped.
struct Gguf(PathBuf);

impl Gguf {
    fn new(name: &str, tensors: &Checkpoint) -> Self {
        let path = std::env::temp_dir().join(format!("wick-weights-{}-{name}.gguf", std::process::id()));
        let list: Vec<_> = tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.info().clone())).collect();
        let mut writer = Writer::create(&path, &Metadata::new(), &list).expect("a folder to write in");
        for (name, tensor) in tensors.iter() {
            writer.write(name, tensor.bytes().expect("in memory")).expect("room");
        }
        writer.finish().expect("room");
        Self(path)
    }
}

impl Drop for Gguf {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_file_cut_under_a_loaded_model_is_an_error_and_not_the_end() {
    let tensors =
        checkpoint(&SHAPE, &[(DType::Q4_K, GgmlDType::Q4K), (DType::F16, GgmlDType::F16), (DType::Q5_0, GgmlDType::Q5_0)]);
    for (name, backend) in backends().into_iter().take(2) {
        let path = Gguf::new(name, &tensors);
        let file = File::open(&path.0, &OpenOptions::default()).expect("just written");
        let mut program = program(&*backend, &SHAPE, &file);
        let ids: Vec<u32> = (0..20).collect();
        assert_eq!(logits(&mut *program, &batch(&ids, 0)).len(), SHAPE.vocab);
        let cut =
            std::fs::OpenOptions::new().write(true).open(&path.0).and_then(|file| file.set_len(file.metadata()?.len() / 3));
        cut.expect("it is ours");
        for (first, last) in [(0, 20), (19, 20)] {
            let error =
                program.run(&batch(&ids[..last], first), &mut Outputs::default(), &Stop::default()).expect_err("it was cut");
            assert_eq!(error.code(), Code::ModelInvalid, "{name}: {error}");
        }
    }
}

#[test]
fn a_scale_beside_a_weight_of_nvfp4_is_heeded() {
    let mut tensors = SHAPE.checkpoint(3);
    let name = "blk.0.attn_q.weight";
    let shape = tensors.info(name).expect("it is there").shape.clone();
    tensors.insert_bytes(name, DType::NVFP4, &shape, &random_blocks(DType::NVFP4, shape.iter().product(), 1));
    let ids: Vec<u32> = (0..20).collect();
    let of = |backend: &dyn Backend, tensors: &Checkpoint| {
        let path = Gguf::new("scale", tensors);
        let file = File::open(&path.0, &OpenOptions::default()).expect("just written");
        logits(&mut *program(backend, &SHAPE, &file), &batch(&ids, 0))
    };
    let cpu = Cpu::new(KvType::F32).expect("WICK_CPU is in order");
    let without = of(&cpu, &tensors);
    tensors.insert("blk.0.attn_q.scale", &[1], &[30.0]);
    let with = of(&cpu, &tensors);
    assert_close(&with, &of(&Reference, &tensors), 3e-2, "with a scale");
    assert!(with.iter().zip(&without).any(|(with, without)| (with - without).abs() > 1e-2), "it makes a difference");
}

#[test]
fn on_cpu_a_prompt_gives_the_same_bits_in_any_pieces_on_any_threads_and_beside_others() {
    use DType::*;
    let tensors = checkpoint(&SHAPE, &[(Q4_K, GgmlDType::Q4K), (Q6_K, GgmlDType::Q6K), (Q8_0, GgmlDType::Q8_0)]);
    let ids: Vec<u32> = (0..2 * BLOCK as u32 + 9).map(|n| n * 29 % SHAPE.vocab as u32).collect();
    for (isa, kv) in Isa::all().flat_map(|isa| [KvType::F16, KvType::Q8_0].map(|kv| (isa, kv))) {
        let backend = Cpu::with(isa, kv);
        let whole = logits(&mut *program(&backend, &SHAPE, &tensors), &batch(&ids, 0));
        for piece in [1, 7, BLOCK] {
            let mut program = program(&backend, &SHAPE, &tensors);
            let mut last = Vec::new();
            for start in (0..ids.len()).step_by(piece) {
                last = logits(&mut *program, &batch(&ids[..ids.len().min(start + piece)], start));
            }
            assert_eq!(last, whole, "{} {kv:?}, {piece} at a time", isa.name());
        }
        for threads in [1, 2, 3] {
            let alone = std::thread::scope(|scope| {
                let run = || {
                    Pool::of_process(threads).keep();
                    logits(&mut *program(&backend, &SHAPE, &tensors), &batch(&ids, 0))
                };
                scope.spawn(run).join().expect("no panic")
            });
            assert_eq!(alone, whole, "{} {kv:?}, {threads} threads", isa.name());
        }
        let mut both = batch(&ids, 0);
        let first = both.rows.len();
        both.rows.extend((0..5).map(|n| Row { input: Input::Token(n), position: n }));
        both.spans.push(Span { rows: first..first + 5, cached: 0, blocks: vec![vec![3]], long: false });
        assert_eq!(logits(&mut *program(&backend, &SHAPE, &tensors), &both), whole, "{} {kv:?}, beside", isa.name());
    }
}
