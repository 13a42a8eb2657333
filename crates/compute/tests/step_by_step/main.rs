//! Every backend against the reference, over random little plans: the promises of `Program::run`, one test each; the options
//! of a plan, one by one, and its groups of layers have files of their own.
//!
//! A backend joins by adding a row to [`backends`]; nothing else here knows which backends there are.

mod groups;
mod options;

use std::collections::BTreeSet;
use std::slice::from_ref;
use std::sync::Mutex;

use wick_compute::cpu::{Cpu, KvType};
use wick_compute::reference::Reference;
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Plan, Program, Row, Span, Step, Want, Wanted};
use wick_kernels::Isa;
use wick_spec::{Code, Result, Stop};
use wick_testkit::{Checkpoint, Random, Shape, assert_close, largest_difference};
use wick_weights::{Tensor, TensorInfo, Tensors};

/// A backend and how far it may stray.
struct Case {
    backend: Box<dyn Backend>,
    /// From the reference, relative to the largest value.
    reference: f32,
    /// From itself when the same rows are computed in another batch.
    itself: f32,
}

fn backends() -> Vec<Case> {
    vec![
        Case { backend: Box::new(Reference), reference: 0.0, itself: 0.0 },
        // Its products of f32 weights are exact but for the order of sums. Roundings of keys and values are magnified by some of these
        // plans forty times; the kernels' own tests hold each type to its bound.
        Case { backend: Box::new(Cpu::with(Isa::SCALAR, KvType::F32)), reference: 1e-4, itself: 0.0 },
        Case { backend: Box::new(Cpu::new(KvType::F32).expect("WICK_CPU is in order")), reference: 1e-4, itself: 0.0 },
        Case { backend: Box::new(Cpu::new(KvType::F16).expect("WICK_CPU is in order")), reference: 2e-2, itself: 0.0 },
        Case { backend: Box::new(Cpu::new(KvType::Q8_0).expect("WICK_CPU is in order")), reference: 3e-1, itself: 0.0 },
        #[cfg(feature = "candle")]
        Case { backend: Box::new(wick_compute::candle::Candle::cpu()), reference: 1e-4, itself: 1e-4 },
        #[cfg(feature = "candle")]
        Case { backend: Box::new(wick_compute::candle::Candle::portable()), reference: 1e-4, itself: 1e-4 },
    ]
}

const SEEDS: std::ops::Range<u64> = 0..24;

/// Each backend with each random plan.
fn each(run: impl Fn(&Case, &Shape, &mut Random)) {
    for case in backends() {
        for seed in SEEDS {
            run(&case, &Shape::with_extras(seed), &mut Random::new(seed + 1000));
        }
    }
}

fn prepare(backend: &dyn Backend, shape: &Shape, blocks: usize) -> Box<dyn Program> {
    prepare_plan(backend, &shape.plan(), &shape.checkpoint(7), blocks)
}

fn prepare_plan(backend: &dyn Backend, plan: &Plan, tensors: &dyn Tensors, blocks: usize) -> Box<dyn Program> {
    let mut program = backend.prepare(plan, tensors, &mut |_| {}, &Stop::default()).expect("the plan fits its tensors");
    for group in 0..program.state().groups().len() {
        program.state().grow(group, blocks).expect("a few blocks");
    }
    program
}

fn run(program: &mut dyn Program, batch: &Batch) -> Outputs {
    let mut outputs = Outputs::default();
    program.run(batch, &mut outputs, &Stop::default()).expect("the batch is in order");
    outputs
}

/// The same table for each of a shape's groups of layers.
fn tables(shape: &Shape, blocks: Vec<u32>) -> Vec<Vec<u32>> {
    let windows: BTreeSet<_> = shape.plan().attention().map(|a| a.window).collect();
    vec![blocks; windows.len()]
}

/// A sequence: its ids, how many are there already, its blocks by group of layers.
#[derive(Clone)]
struct Sequence {
    ids: Vec<u32>,
    cached: usize,
    blocks: Vec<Vec<u32>>,
    long: bool,
}

impl Sequence {
    fn random(random: &mut Random, shape: &Shape, tokens: usize, blocks: Vec<u32>) -> Self {
        let ids = (0..tokens).map(|_| random.below(shape.vocab) as u32).collect();
        Self { ids, cached: 0, blocks: tables(shape, blocks), long: random.coin() }
    }

    fn from(&self, cached: usize) -> Self {
        Self { cached, ..self.clone() }
    }

    fn until(&self, tokens: usize) -> Self {
        Self { ids: self.ids[..tokens].to_vec(), ..self.clone() }
    }
}

/// The new tokens of the sequences in one batch, all rows wanted as logits.
fn batch(sequences: &[Sequence]) -> Batch {
    let mut batch = Batch::default();
    for sequence in sequences {
        let first = batch.rows.len();
        for (n, &id) in sequence.ids.iter().enumerate().skip(sequence.cached) {
            batch.rows.push(Row { input: Input::Token(id), position: n as u32 });
        }
        let rows = first..batch.rows.len();
        batch.wanted.extend(rows.clone().map(|row| Wanted { row, want: Want::Logits }));
        batch.spans.push(Span { rows, cached: sequence.cached, blocks: sequence.blocks.clone(), long: sequence.long });
    }
    batch
}

/// Weights that take part in a matrix product.
fn matrices(plan: &Plan) -> usize {
    plan.steps
        .iter()
        .map(|step| match step {
            Step::Attention(_) => 4,
            Step::Mlp(_) => 3,
            Step::Head(_) => 1,
            Step::Embed(_) | Step::Norm(_) => 0,
        })
        .sum()
}

#[test]
fn every_backend_computes_what_the_reference_computes() {
    each(|case, shape, random| {
        let sequence = Sequence::random(random, shape, BLOCK + 7, vec![0, 1]);
        let batch = batch(&[sequence]);
        let expected = run(&mut *prepare(&Reference, shape, 2), &batch);
        let actual = run(&mut *prepare(&*case.backend, shape, 2), &batch);
        assert!(expected.logits.iter().any(|x| x.abs() > 1e-2), "logits of nothing prove nothing");
        assert_close(&actual.logits, &expected.logits, case.reference, &format!("{} on {shape:?}", case.backend.name()));
    });
}

#[test]
fn a_prefill_of_t_tokens_equals_t_steps() {
    each(|case, shape, random| {
        let tokens = BLOCK + 5;
        let sequence = Sequence::random(random, shape, tokens, vec![1, 0]);
        let whole = run(&mut *prepare(&*case.backend, shape, 2), &batch(from_ref(&sequence)));
        let mut program = prepare(&*case.backend, shape, 2);
        let mut steps = Vec::new();
        for n in 0..tokens {
            steps.extend(run(&mut *program, &batch(&[sequence.until(n + 1).from(n)])).logits);
        }
        assert_close(&steps, &whole.logits, case.itself, &format!("{} on {shape:?}", case.backend.name()));
    });
}

#[test]
fn five_ragged_sequences_in_one_call_equal_five_calls_with_one_product_a_weight() {
    each(|case, shape, random| {
        let lengths = [1, BLOCK + 3, 7, 2 * BLOCK, 12];
        let blocks: [Vec<u32>; 5] = [vec![8], vec![5, 0], vec![3], vec![7, 1], vec![2]];
        let all: Vec<Sequence> = lengths
            .into_iter()
            .zip(blocks)
            .map(|(tokens, blocks)| Sequence::random(random, shape, tokens, blocks))
            .collect();
        // Two of them have a part of their tokens there already.
        let cached = [0, BLOCK + 2, 3, 0, 0];
        let mut together = prepare(&*case.backend, shape, 9);
        let mut alone = prepare(&*case.backend, shape, 9);
        for program in [&mut together, &mut alone] {
            for (sequence, cached) in all.iter().zip(cached).filter(|(_, cached)| *cached > 0) {
                run(&mut **program, &batch(&[sequence.until(cached)]));
            }
        }
        let all: Vec<Sequence> = all.iter().zip(cached).map(|(sequence, cached)| sequence.from(cached)).collect();
        let outputs = run(&mut *together, &batch(&all));
        assert_eq!(outputs.matmuls, matrices(&shape.plan()), "one product a weight");
        let mut expected = Vec::new();
        for sequence in all {
            expected.extend(run(&mut *alone, &batch(&[sequence])).logits);
        }
        assert_close(&outputs.logits, &expected, case.itself, &format!("{} on {shape:?}", case.backend.name()));
    });
}

#[test]
fn only_wanted_rows_have_results_in_the_order_they_were_wanted() {
    each(|case, shape, random| {
        let sequences = [Sequence::random(random, shape, 5, vec![1]), Sequence::random(random, shape, 4, vec![0])];
        let mut some = batch(&sequences);
        let mut program = prepare(&*case.backend, shape, 2);
        let all = run(&mut *program, &some);
        let row = |row: usize| &all.logits[row * shape.vocab..][..shape.vocab];

        let want = |row, want| Wanted { row, want };
        some.wanted = vec![want(7, Want::Logits), want(2, Want::Hidden), want(0, Want::Logits), want(8, Want::Hidden)];
        let outputs = run(&mut *program, &some);
        let expected = [row(7), row(0)].concat();
        assert_close(&outputs.logits, &expected, case.itself, "rows 7 and 0");
        assert_eq!(outputs.hidden.len(), 2 * shape.hidden);
        assert_close(
            &logits_of(&outputs.hidden, shape),
            &[row(2), row(8)].concat(),
            1e-4,
            "the head's product of rows 2 and 8",
        );

        some.wanted.clear();
        let outputs = run(&mut *program, &some);
        assert!(outputs.logits.is_empty() && outputs.hidden.is_empty());
        assert!(outputs.matmuls < matrices(&shape.plan()), "no head");
    });
}

/// The head, written out.
fn logits_of(hidden: &[f32], shape: &Shape) -> Vec<f32> {
    let (plan, tensors) = (shape.plan(), shape.checkpoint(7));
    let Some(Step::Head(head)) = plan.steps.last() else { panic!("a plan ends with its head") };
    let values = |name: &str| tensors.tensor(name).and_then(|tensor| tensor.to_f32()).expect("there");
    let w = values(&head.linear.weight);
    let bias = head.linear.bias.as_deref().map_or(vec![0.0; shape.vocab], values);
    let product = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
    let rows = hidden.chunks_exact(shape.hidden);
    let shown = |x: f32| head.softcap.map_or(x * head.scale, |cap| cap * (x * head.scale / cap).tanh());
    rows.flat_map(|x| w.chunks_exact(shape.hidden).zip(&bias).map(|(w, b)| shown(product(x, w) + b)).collect::<Vec<f32>>())
        .collect()
}

#[test]
fn embedding_rows_equal_the_tokens_they_are_of() {
    each(|case, shape, random| {
        let mut mixed = batch(&[Sequence::random(random, shape, 6, vec![0])]);
        let mut program = prepare(&*case.backend, shape, 1);
        let expected = run(&mut *program, &mixed);
        let table = shape.checkpoint(7).tensor("token_embd.weight").and_then(|table| table.to_f32()).expect("there");
        for (n, row) in [4usize, 1].into_iter().enumerate() {
            let Input::Token(id) = mixed.rows[row].input else { panic!("a token so far") };
            let given = &table[id as usize * shape.hidden..][..shape.hidden];
            mixed.embeddings.extend(given.iter().map(|x| x * shape.extras.embed_scale));
            mixed.rows[row].input = Input::Embedding(n as u32);
        }
        let actual = run(&mut *program, &mixed);
        assert_close(&actual.logits, &expected.logits, case.itself, case.backend.name());
    });
}

#[test]
fn blocks_may_lie_anywhere() {
    each(|case, shape, random| {
        let sequence = Sequence::random(random, shape, 3 * BLOCK - 1, vec![0, 1, 2]);
        let scattered = Sequence { blocks: tables(shape, vec![6, 0, 3]), ..sequence.clone() };
        let expected = run(&mut *prepare(&*case.backend, shape, 3), &batch(&[sequence]));
        let actual = run(&mut *prepare(&*case.backend, shape, 8), &batch(&[scattered]));
        assert_close(&actual.logits, &expected.logits, case.itself, case.backend.name());
    });
}

#[test]
fn a_fork_shares_full_blocks_and_owns_a_copy_of_the_last() {
    each(|case, shape, random| {
        let mut program = prepare(&*case.backend, shape, 4);
        let trunk = Sequence::random(random, shape, BLOCK + 9, vec![0, 1]);
        run(&mut *program, &batch(from_ref(&trunk)));
        for group in 0..program.state().groups().len() {
            program.state().copy(group, 1, 3).expect("both exist");
        }
        let branch = |last: u32, blocks: Vec<u32>| {
            let mut ids = trunk.ids.clone();
            ids.extend([last, 1, 2]);
            Sequence { ids, cached: trunk.ids.len(), blocks: tables(shape, blocks), long: trunk.long }
        };
        let (left, right) = (branch(5, vec![0, 1]), branch(9, vec![0, 3]));
        let left_logits = run(&mut *program, &batch(from_ref(&left))).logits;
        let right_logits = run(&mut *program, &batch(from_ref(&right))).logits;
        assert!(largest_difference(&left_logits, &right_logits) > 1e-3, "the branches differ");
        for (branch, logits) in [(left, left_logits), (right, right_logits)] {
            let fresh = Sequence { cached: 0, blocks: tables(shape, vec![0, 1]), ..branch };
            let expected = run(&mut *prepare(&*case.backend, shape, 2), &batch(&[fresh])).logits;
            let tail = &expected[expected.len() - logits.len()..];
            assert_close(&logits, tail, case.itself, case.backend.name());
        }
    });
}

#[test]
fn a_window_forgets_what_is_behind_it() {
    for case in backends() {
        let shape = Shape { layers: 1, window: Some(4), ..Shape::random(3) };
        let mut random = Random::new(5);
        let sequence = Sequence::random(&mut random, &shape, 12, vec![0]);
        let mut other = sequence.clone();
        other.ids[6] = (other.ids[6] + 1) % shape.vocab as u32;
        let logits = |sequence| run(&mut *prepare(&*case.backend, &shape, 1), &batch(&[sequence])).logits;
        let (one, two) = (logits(sequence), logits(other));
        for (row, (one, two)) in one.chunks(shape.vocab).zip(two.chunks(shape.vocab)).enumerate() {
            let sees = (6..10).contains(&row);
            assert_eq!(largest_difference(one, two) > 1e-4, sees, "row {row} of {}", case.backend.name());
        }
    }
}

#[test]
fn a_stop_ends_the_load_and_the_run_and_spoils_nothing_else() {
    for case in backends() {
        let shape = Shape::random(2);
        let stopped = Stop::default();
        stopped.set();
        let during = Stop::default();
        let mut told = 0;
        let load = case.backend.prepare(
            &shape.plan(),
            &shape.checkpoint(7),
            &mut |_| {
                told += 1;
                during.set();
            },
            &during,
        );
        assert_eq!(load.err().map(|error| error.code()), Some(Code::Cancelled));
        assert_eq!(told, 1, "no tensor is loaded after the stop");

        let mut random = Random::new(4);
        let kept = Sequence::random(&mut random, &shape, 10, vec![0]);
        let other = Sequence::random(&mut random, &shape, BLOCK, vec![1]);
        let mut program = prepare(&*case.backend, &shape, 2);
        run(&mut *program, &batch(&[kept.until(9)]));
        let error = program.run(&batch(&[other]), &mut Outputs::default(), &stopped).expect_err("stopped");
        assert_eq!(error.code(), Code::Cancelled);
        let next = run(&mut *program, &batch(&[kept.from(9)])).logits;
        let expected = run(&mut *prepare(&*case.backend, &shape, 1), &batch(&[kept])).logits;
        assert_close(&next, &expected[9 * shape.vocab..], case.itself, case.backend.name());
    }
}

#[test]
fn a_stop_in_the_middle_of_a_prefill_is_seen() {
    for case in backends() {
        let shape = Shape { layers: 3, window: None, ..Shape::random(2) };
        let tokens = 2048;
        let blocks = tokens / BLOCK;
        let long = Sequence::random(&mut Random::new(4), &shape, tokens, (0..blocks as u32).collect());
        let mut program = prepare(&*case.backend, &shape, blocks);
        let stop = Stop::default();
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                stop.set();
            });
            program.run(&batch(&[long]), &mut Outputs::default(), &stop).expect_err("2048 tokens take longer than 5 ms")
        });
        assert_eq!(error.code(), Code::Cancelled);
    }
}

/// The code that is due, what is wrong, and how it comes to be.
type Spoiled = (Code, &'static str, fn(&mut Batch));

#[test]
fn a_batch_that_refers_to_what_is_not_there_is_an_error() {
    let shape = Shape::random(6);
    let good = batch(&[Sequence::random(&mut Random::new(8), &shape, BLOCK + 2, vec![1, 0])]);
    let cases: [Spoiled; 13] = [
        (Code::InvalidRequest, "id", |b| b.rows[3].input = Input::Token(u32::MAX)),
        (Code::InvalidRequest, "the first id past the table", |b| b.rows[0].input = Input::Token(shape_vocab())),
        (Code::Internal, "embedding", |b| b.rows[3].input = Input::Embedding(0)),
        (Code::Internal, "embedding row", |b| b.embeddings = vec![0.0; 1]),
        (Code::Internal, "block id", |b| b.spans[0].blocks[0][1] = 2),
        (Code::Internal, "too few blocks", |b| b.spans[0].blocks[0].truncate(1)),
        (Code::Internal, "no table for a group", |b| drop(b.spans[0].blocks.pop())),
        (Code::Internal, "a table for no group", |b| b.spans[0].blocks.push(vec![0, 1])),
        (Code::Internal, "cached overflows", |b| b.spans[0].cached = usize::MAX),
        (Code::Internal, "gap", |b| b.spans[0].rows.start = 1),
        (Code::Internal, "rows without a span", |b| b.spans[0].rows.end -= 1),
        (Code::Internal, "span past the rows", |b| b.spans[0].rows.end += 1),
        (Code::Internal, "wanted", |b| b.wanted[0].row = b.rows.len()),
    ];
    for case in backends() {
        let mut program = prepare(&*case.backend, &shape, 2);
        for (code, what, spoil) in &cases {
            let mut bad = good.clone();
            spoil(&mut bad);
            let error = program.run(&bad, &mut Outputs::default(), &Stop::default()).expect_err(what);
            assert_eq!(error.code(), *code, "{what}: {error}");
        }
        let empty = run(&mut *program, &Batch::default());
        assert!(empty.logits.is_empty() && empty.matmuls == 0);
        run(&mut *program, &good);
    }
}

fn shape_vocab() -> u32 {
    Shape::random(6).vocab as u32
}

#[test]
fn a_tensor_that_differs_from_the_plan_is_named() {
    for case in backends() {
        let shape = Shape { qk_norm: true, qkv_bias: true, tied: false, ..Shape::random(9) };
        let plan = shape.plan();
        let names: Vec<String> = shape.checkpoint(7).names().into_iter().map(str::to_owned).collect();
        for name in &names {
            let mut missing = shape.checkpoint(7);
            missing.remove(name);
            // A square matrix stays what it is when its sides are swapped; one more column is wrong for all.
            let mut longer = shape.checkpoint(7);
            let mut dims = longer.info(name).expect("listed").shape.clone();
            *dims.last_mut().expect("no scalars here") += 1;
            longer.insert(name, &dims, &vec![0.0; dims.iter().product()]);
            for tensors in [missing, longer] {
                let error = case.backend.prepare(&plan, &tensors, &mut |_| {}, &Stop::default()).err().expect("it differs");
                assert_eq!(error.code(), Code::ModelInvalid);
                assert!(error.message().contains(name.as_str()), "{error} names {name}");
                assert_eq!(case.backend.cost(&plan, &tensors, 1).expect_err("it differs").code(), Code::ModelInvalid);
            }
        }
    }
}

/// Tensors that count how often they are asked for.
struct Counted {
    tensors: Checkpoint,
    asked: Mutex<usize>,
}

impl Tensors for Counted {
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.info(name)
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        *self.asked.lock().expect("nobody panicked") += 1;
        self.tensors.tensor(name)
    }

    fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }
}

#[test]
fn tensors_are_asked_for_once_and_not_to_count_their_bytes() {
    each(|case, shape, _| {
        let tensors = Counted { tensors: shape.checkpoint(7), asked: Mutex::new(0) };
        let asked = || *tensors.asked.lock().expect("nobody panicked");
        case.backend.cost(&shape.plan(), &tensors, 1).expect("the plan fits its tensors");
        assert_eq!(asked(), 0, "one that is quantised while loading would be quantised for it");
        case.backend.prepare(&shape.plan(), &tensors, &mut |_| {}, &Stop::default()).expect("it loads");
        // A tied head is asked for as table and as matrix; of shared tensors each part is, while another is held.
        let a_layer = 2 * (1 + usize::from(shape.qkv_bias)) + 1 + usize::from(shape.other_bias);
        let parts = if shape.extras.fused { a_layer * shape.layers } else { 0 };
        assert!(asked() <= tensors.names().len() + usize::from(shape.tied) + parts, "{} times", asked());
    });
}

#[test]
fn what_a_plan_costs_is_what_it_takes() {
    each(|case, shape, _| {
        let (plan, tensors) = (shape.plan(), shape.checkpoint(7));
        let cost = case.backend.cost(&plan, &tensors, 10).expect("the plan fits its tensors");
        let mut loaded = Vec::new();
        let mut program =
            case.backend.prepare(&plan, &tensors, &mut |bytes| loaded.push(bytes), &Stop::default()).expect("it loads");
        assert!(loaded.is_sorted(), "{loaded:?}");
        assert_eq!(loaded.last(), Some(&cost.weights), "progress ends where the cost said");
        assert!(cost.scratch > 0 && cost.scratch > case.backend.cost(&plan, &tensors, 1).expect("the same").scratch);
        assert_eq!(program.state().groups(), cost.groups);
        for (group, blocks) in (0..cost.groups.len()).zip([5, 3]) {
            let before = program.state().bytes();
            program.state().grow(group, blocks).expect("a few blocks");
            let more = program.state().bytes() - before;
            assert_eq!((program.state().blocks(group), more), (blocks, blocks as u64 * cost.groups[group].block));
        }
    });
}
