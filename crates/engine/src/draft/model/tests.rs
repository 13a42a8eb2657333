//! What is drafted is what the draft model says greedily, whatever became of its drafts before.

use std::path::Path;

use wick_compute::Backend;
use wick_compute::reference::Reference;
use wick_spec::Code;
use wick_testkit::Random;

use super::*;
use crate::describe::{Source, open};
use crate::log::Log;
use crate::options::LoadOptions;

fn source(name: &str) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/checkpoints").join(name);
    open(&LoadOptions { path, ..LoadOptions::default() }, &Log::none()).expect("a fixture")
}

/// A draft model with room for so many blocks.
fn model(name: &str, blocks: u64, long_over: usize) -> DraftModel {
    let source = source(name);
    let plan = source.plan.as_ref().expect("a plan");
    let mut program =
        Reference.prepare(plan, &*source.tensors, &mut |_| (), &Stop::default()).expect("the fixture is prepared");
    let groups = program.state().groups().to_vec();
    let limit = blocks * groups.iter().map(|group| group.block).sum::<u64>();
    let kv = Kv::new(&groups, limit, limit);
    DraftModel::new(Parts { program, kv, context: 200, long_over, vocab: plan.vocab })
}

fn drafts(model: &mut DraftModel, id: u64, tokens: &[u32], most: usize) -> Vec<u32> {
    model.draft(&[Sought { id, salt: None, tokens, most }], &Stop::default()).expect("it drafts").remove(0)
}

fn prompt(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|n| (n * 37 + 11) as u32 % 300).collect()
}

/// A draft model of its own for each question.
fn afresh(name: &str, long_over: usize, tokens: &[u32], most: usize) -> Vec<u32> {
    drafts(&mut model(name, 64, long_over), 0, tokens, most)
}

#[test]
fn drafts_are_what_the_model_says_whatever_became_of_earlier_ones() {
    for (name, long_over) in
        [("llama", usize::MAX), ("mistral-window", usize::MAX), ("gemma2", usize::MAX), ("phi-long", 40)]
    {
        let mut random = Random::new(3);
        let mut model = model(name, 64, long_over);
        let mut sequences: Vec<Vec<u32>> = (0..3).map(|n| prompt(20 + 9 * n)).collect();
        for _ in 0..8 {
            let most = [1 + random.below(5), random.below(6), 4];
            let sought: Vec<Sought> =
                (0..3).map(|id| Sought { id: id as u64, salt: None, tokens: &sequences[id], most: most[id] }).collect();
            let drafts = model.draft(&sought, &Stop::default()).unwrap();
            for (n, drafts) in drafts.into_iter().enumerate() {
                assert_eq!(drafts, afresh(name, long_over, &sequences[n], most[n]), "{name}");
                // Some come true, and then comes something else.
                sequences[n].extend(&drafts[..random.below(drafts.len() + 1)]);
                sequences[n].push(random.below(300) as u32);
            }
        }
    }
}

#[test]
fn what_is_known_is_not_computed_again() {
    let mut model = model("llama", 64, usize::MAX);
    let mut tokens = prompt(50);
    assert_eq!(model.behind(7, &tokens), 50);
    for done in [false, false, true] {
        assert_eq!(
            model.catch_up(&Sought { id: 7, salt: None, tokens: &tokens, most: 20 }, &Stop::default()).unwrap(),
            done
        );
    }
    assert_eq!(model.behind(7, &tokens), 1);
    let drafts = drafts(&mut model, 7, &tokens, 4);
    tokens.extend(&drafts[..3]);
    tokens.push(5);
    assert_eq!(model.behind(7, &tokens), 1, "three drafts were computed, and the fourth is not the token that came");
    assert_eq!(self::drafts(&mut model, 7, &tokens, 3), afresh("llama", usize::MAX, &tokens, 3));
    assert_eq!(self::drafts(&mut model, 7, &tokens, 3), afresh("llama", usize::MAX, &tokens, 3), "asked twice");
    // What ended is there for whoever continues it, and for nobody else.
    model.forget(7);
    assert!(model.held.is_empty() && model.parts.kv.bytes().used == model.parts.kv.bytes().cached);
    assert_eq!(self::drafts(&mut model, 8, &tokens[..40], 3), afresh("llama", usize::MAX, &tokens[..40], 3));
}

#[test]
fn what_is_computed_under_a_salt_is_found_under_it_alone() {
    let mut model = model("llama", 64, usize::MAX);
    let tokens = prompt(70);
    model.draft(&[Sought { id: 0, salt: Some("mine"), tokens: &tokens, most: 2 }], &Stop::default()).expect("it drafts");
    model.forget(0);
    let mut rows = |id, salt| {
        let sought = Sought { id, salt, tokens: &tokens, most: 0 };
        model.follow(&sought).expect("it is looked up");
        model.behind(id, &tokens)
    };
    assert_eq!([rows(2, Some("mine")), rows(3, Some("other")), rows(4, None)], [1, 70, 70]);
}

#[test]
fn a_sequence_without_room_is_not_drafted_and_harms_nobody() {
    let mut model = model("llama", 3, usize::MAX);
    let (short, other, long) = (prompt(20), prompt(31)[1..].to_vec(), prompt(150));
    assert_eq!(drafts(&mut model, 0, &short, 3).len(), 3);
    let sought = [(0, &short), (1, &other), (2, &long)].map(|(id, tokens)| Sought { id, salt: None, tokens, most: 4 });
    let made = model.draft(&sought, &Stop::default()).unwrap();
    assert_eq!(made[0], afresh("llama", usize::MAX, &short, 4));
    assert_eq!(made[1], afresh("llama", usize::MAX, &other, 4), "over the edge of a block");
    assert!(made[2].is_empty());
    assert!(
        model.catch_up(&Sought { id: 2, salt: None, tokens: &long, most: 300 }, &Stop::default()).unwrap(),
        "nothing more can be done"
    );
    [0, 1, 2].into_iter().for_each(|id| model.forget(id));
    assert_eq!(drafts(&mut model, 3, &prompt(80), 2).len(), 2, "what ended makes room");
    // Nor is one that holds a token the draft model has no row for, or more than it can hold.
    assert!(drafts(&mut model, 4, &[1, 2, 9999], 2).is_empty());
    assert!(drafts(&mut self::model("llama", 64, usize::MAX), 5, &prompt(201), 2).is_empty());
}

#[test]
fn only_a_model_of_the_same_vocabulary_drafts() {
    let of = |name: &str| source(name).tokenizer;
    assert_eq!(shared_vocabulary(&of("llama"), &of("llama-yarn")).unwrap(), of("llama").vocab_size());
    let error = shared_vocabulary(&of("llama"), &of("qwen2")).unwrap_err();
    assert_eq!(error.code(), Code::Unsupported);
    assert!(error.message().contains("token 0 is") || error.message().contains("token "), "{error}");
}
