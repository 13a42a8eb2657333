//! The options of a plan, one by one: each changes the answer as the reference has it, and none may contradict the rest.

use wick_compute::reference::Reference;
use wick_compute::{Activation, Attention, Head, LongRope, Mlp, Norm, Plan, QueryGrowth, Rope, RopeLayout, Step};
use wick_spec::Code;
use wick_testkit::{Extras, Random, Shape, assert_close, largest_difference};
use wick_weights::Tensors;

use crate::{Sequence, backends, batch, prepare_plan, run};

/// An option of a step, and how it is changed.
type Change = (&'static str, fn(&mut Step));

fn attention(step: &mut Step, change: impl Fn(&mut Attention)) {
    if let Step::Attention(a) = step {
        change(a);
    }
}

fn rope(step: &mut Step, change: impl Fn(&mut Rope)) {
    attention(step, |a| change(a.rope.as_mut().expect("plain layers turn")));
}

fn mlp(step: &mut Step, change: impl Fn(&mut Mlp)) {
    if let Step::Mlp(mlp) = step {
        change(mlp);
    }
}

fn head(step: &mut Step, change: impl Fn(&mut Head)) {
    if let Step::Head(head) = step {
        change(head);
    }
}

const CHANGES: [Change; 29] = [
    ("the factor of embeddings", |s| {
        if let Step::Embed(embed) = s {
            embed.scale = 2.0;
        }
    }),
    ("the layout of rope", |s| rope(s, |r| r.layout = RopeLayout::Interleaved)),
    ("the frequencies", |s| rope(s, |r| r.inv_freq[0] *= 0.5)),
    ("the number of rotated pairs", |s| rope(s, |r| r.inv_freq.truncate(2))),
    ("the magnitude of rope", |s| rope(s, |r| r.magnitude = 1.5)),
    ("the frequencies of late rows", |s| {
        rope(s, |r| r.long = Some(LongRope { inv_freq: vec![0.3, 0.2, 0.1], original: 5 }))
    }),
    ("rope", |s| attention(s, |a| a.rope = None)),
    ("the scale", |s| attention(s, |a| a.scale *= 0.5)),
    ("the growth of queries", |s| attention(s, |a| a.growth = Some(QueryGrowth { beta: 0.5, original: 2 }))),
    ("the cap of scores", |s| attention(s, |a| a.softcap = Some(0.3))),
    ("the window", |s| attention(s, |a| a.window = Some(3))),
    ("the norm before attention", |s| attention(s, |a| a.norm = None)),
    ("eps", |s| attention(s, |a| a.norm.iter_mut().for_each(|norm| norm.eps = 0.5))),
    ("the offset of a norm", |s| attention(s, |a| a.norm.iter_mut().for_each(|norm| norm.offset = 0.5))),
    ("the norm after attention", |s| attention(s, |a| a.post_norm = a.norm.clone())),
    ("what attention adds", |s| attention(s, |a| a.residual = 0.5)),
    ("the norm of q", |s| attention(s, |a| a.q_norm = None)),
    ("the norm of k", |s| attention(s, |a| a.k_norm = None)),
    ("the bias of q", |s| attention(s, |a| a.q.bias = None)),
    ("the bias of k", |s| attention(s, |a| a.k.bias = None)),
    ("the bias of v", |s| attention(s, |a| a.v.bias = None)),
    ("the bias of o", |s| attention(s, |a| a.o.bias = None)),
    ("the activation", |s| mlp(s, |m| m.activation = Activation::GeluTanh)),
    ("the norm before the feed-forward", |s| mlp(s, |m| m.norm = None)),
    ("the norm after the feed-forward", |s| mlp(s, |m| m.post_norm = m.norm.clone())),
    ("what the feed-forward adds", |s| mlp(s, |m| m.residual = 0.5)),
    ("the last norm's offset", |s| {
        if let Step::Norm(norm) = s {
            norm.offset = 0.5;
        }
    }),
    ("the factor of logits", |s| head(s, |h| h.scale = 0.5)),
    ("the cap of logits", |s| head(s, |h| h.softcap = Some(1.0))),
];

/// Two layers of what most families have.
fn plain() -> Shape {
    Shape {
        hidden: 20,
        vocab: 41,
        ffn: 17,
        layers: 2,
        heads: 4,
        kv_heads: 2,
        head_dim: 6,
        pairs: 3,
        layout: RopeLayout::Neox,
        qk_norm: true,
        qkv_bias: true,
        other_bias: true,
        window: None,
        tied: false,
        extras: Extras::NONE,
    }
}

#[test]
fn every_option_of_a_plan_changes_the_answer() {
    let (shape, plan) = (plain(), plain().plan());
    for case in backends() {
        let tensors = shape.checkpoint(7);
        let batch = batch(&[Sequence::random(&mut Random::new(1), &shape, 9, vec![0])]);
        let expected = run(&mut *prepare_plan(&*case.backend, &plan, &tensors, 1), &batch);
        for (what, change) in CHANGES {
            let mut plan = plan.clone();
            plan.steps.iter_mut().for_each(change);
            let actual = run(&mut *prepare_plan(&*case.backend, &plan, &tensors, 1), &batch);
            let truth = run(&mut *prepare_plan(&Reference, &plan, &tensors, 1), &batch);
            assert!(largest_difference(&actual.logits, &expected.logits) > 1e-3, "{what} on {}", case.backend.name());
            assert_close(&actual.logits, &truth.logits, case.reference, what);
        }
    }
}

#[test]
fn a_long_sequence_turns_otherwise_from_its_first_row_on() {
    let (shape, mut plan) = (plain(), plain().plan());
    let long = LongRope { inv_freq: vec![0.3, 0.2, 0.1], original: 100 };
    plan.steps.iter_mut().for_each(|step| rope(step, |rope| rope.long = Some(long.clone())));
    let mut always = plan.clone();
    always.steps.iter_mut().for_each(|step| {
        rope(step, |rope| *rope = Rope { inv_freq: long.inv_freq.clone(), long: None, ..rope.clone() });
    });
    for case in backends() {
        let tensors = shape.checkpoint(7);
        let logits = |plan: &Plan, long| {
            let sequence = Sequence { long, ..Sequence::random(&mut Random::new(1), &shape, 9, vec![0]) };
            run(&mut *prepare_plan(&*case.backend, plan, &tensors, 1), &batch(&[sequence])).logits
        };
        assert_eq!(logits(&plan, true), logits(&always, false), "{}", case.backend.name());
        assert!(largest_difference(&logits(&plan, false), &logits(&always, false)) > 1e-3);
    }
}

#[test]
fn rows_that_a_shared_tensor_does_not_have_are_named() {
    for case in backends() {
        let shape = Shape { extras: Extras { fused: true, ..Extras::NONE }, ..plain() };
        for (name, rows) in [("blk.1.attn_qkv.weight", 48), ("blk.0.attn_qkv.bias", 48), ("blk.1.ffn_gate_up.weight", 34)] {
            let mut tensors = shape.checkpoint(7);
            let mut dims = tensors.info(name).expect("it has one").shape.clone();
            assert_eq!(dims[0], rows);
            dims[0] -= 1;
            tensors.insert(name, &dims, &vec![0.0; dims.iter().product()]);
            let error = case.backend.cost(&shape.plan(), &tensors, 1).expect_err("a row is missing");
            assert_eq!(error.code(), Code::ModelInvalid);
            assert!(error.message().contains(name) && error.message().contains(&format!("..{rows}")), "{error}");
        }
    }
}

#[test]
fn a_plan_that_contradicts_itself_is_a_bug() {
    let cases: [Change; 10] = [
        ("rows for other outputs", |s| attention(s, |a| a.q.rows = Some(0..5))),
        ("no rows", |s| attention(s, |a| a.q.rows = Some(7..7))),
        ("two offsets of one weight", |s| {
            attention(s, |a| a.post_norm = a.norm.clone().map(|norm| Norm { offset: 2.0, ..norm }))
        }),
        ("fewer long frequencies", |s| rope(s, |r| r.long = Some(LongRope { inv_freq: vec![0.3], original: 5 }))),
        ("more frequencies than pairs", |s| rope(s, |r| r.inv_freq.push(1.0))),
        ("growth from the start", |s| attention(s, |a| a.growth = Some(QueryGrowth { beta: 0.5, original: 0 }))),
        ("a cap of nothing", |s| attention(s, |a| a.softcap = Some(0.0))),
        ("a cap below nothing", |s| head(s, |h| h.softcap = Some(-1.0))),
        ("no number", |s| mlp(s, |m| m.residual = f32::NAN)),
        ("a window of nothing", |s| attention(s, |a| a.window = Some(0))),
    ];
    for case in backends() {
        for (what, change) in cases {
            let mut plan = plain().plan();
            plan.steps.iter_mut().for_each(change);
            let error = case.backend.cost(&plan, &plain().checkpoint(7), 1).expect_err(what);
            assert_eq!(error.code(), Code::Internal, "{what}: {error}");
        }
    }
}
