//! Sequences alone and together, on a program that looks at nothing but tokens.

mod bench;
mod histories;
mod moving;

use wick_spec::Code;

use bench::{Bench, Computed, FULL, MIXED, POISON, Setup, Wild, expected, prompt};

#[test]
fn a_sequence_that_outgrows_the_original_context_is_computed_again() {
    let (long, computed) = Bench::long_over(40).generate(&prompt(30), 20);
    let mut expected_steps = vec![(0, 30, false)];
    expected_steps.extend((30..40).map(|n| (n, 1, false)));
    expected_steps.push((0, 41, true));
    expected_steps.extend((41..49).map(|n| (n, 1, true)));
    assert_eq!(computed, expected_steps);
    assert_eq!(long, expected(&FULL, &prompt(30), 20), "and no token is sampled twice or lost");
}

#[test]
fn what_long_sequences_computed_is_for_long_ones_alone() {
    let mut bench = Bench::long_over(40);
    let cached = |computed: &[Computed]| (computed[0].0, computed[0].2);
    assert_eq!(cached(&bench.generate(&prompt(50), 1).1), (0, true));
    assert_eq!(cached(&bench.generate(&prompt(30), 1).1), (0, false), "not from the long one's beginning");
    assert_eq!(cached(&bench.generate(&prompt(60), 1).1), (50, true));
    assert_eq!(cached(&bench.generate(&prompt(35), 1).1), (30, false));
    // A model whose window makes all sequences long shares among all.
    let mut bench = Bench::long_over(0);
    bench.generate(&prompt(50), 1);
    assert_eq!(cached(&bench.generate(&prompt(30), 1).1), (29, true));
}

#[test]
fn answers_go_on_together_and_are_what_they_are_alone() {
    for groups in [&FULL[..], &MIXED] {
        let prompts: Vec<Vec<u32>> = (0..5).map(|n| prompt(20 + 30 * n)[n..].to_vec()).collect();
        let mut bench = Bench::new(&Setup { groups, ..Setup::default() });
        let readers: Vec<_> = prompts.iter().zip(0..).map(|(prompt, id)| bench.begin(id, prompt, 40).0).collect();
        let steps = bench.finish();
        for (reader, prompt) in readers.into_iter().zip(&prompts) {
            assert_eq!(reader.ids(), expected(groups, prompt, 40));
        }
        assert!(steps.iter().any(|step| step.len() == 5), "all five in one batch: {steps:?}");
    }
}

#[test]
fn one_that_panics_or_is_cancelled_ends_alone() {
    let (good, other) = (prompt(25), prompt(40)[3..].to_vec());
    let mut bench = Bench::new(&Setup::default());
    let readers = [bench.begin(0, &good, 12).0, bench.begin(1, &other, 12).0];
    (0..8).for_each(|_| drop(bench.step()));
    let poisoned = bench.begin(2, &[5, POISON, 7], 12).0;
    let (cancelled, stop) = bench.begin(3, &prompt(200), 12);
    (0..3).for_each(|_| drop(bench.step()));
    stop.set();
    bench.finish();
    for (reader, prompt) in readers.into_iter().zip([good, other]) {
        assert_eq!(reader.ids(), expected(&FULL, &prompt, 12));
    }
    assert_eq!([poisoned.code(), cancelled.code()], [Code::Internal, Code::Cancelled]);
}

#[test]
fn a_common_prefix_is_computed_once_and_stored_once_by_all_who_begin_together() {
    let common = prompt(320);
    let mut bench = Bench::new(&Setup { kv_bytes: 100_000, most_running: 200, ..Setup::default() });
    let prompts: Vec<Vec<u32>> = (0..100).map(|n| [&common[..], &[n, n + 1, n * 2]].concat()).collect();
    let readers: Vec<_> = prompts.iter().zip(0..).map(|(prompt, id)| bench.begin(id, prompt, 4).0).collect();
    let steps = bench.finish();
    let computed: usize = steps.iter().flatten().map(|&(_, rows, _)| rows).sum();
    assert_eq!(computed, 320 + 100 * 3 + 100 * 3, "the prefix, then of each its own prompt and answer");
    for (reader, prompt) in readers.into_iter().zip(&prompts) {
        assert_eq!(reader.ids(), expected(&FULL, prompt, 4));
    }
    assert_eq!(bench.scheduler.parts.kv.bytes().used, (10 + 100) * 10);
    let stats = bench.scheduler.parts.counters.read();
    assert_eq!((stats.cache_hit_tokens, stats.cache_lookup_tokens), (99 * 320, 100 * 323));
}

#[test]
fn short_prompts_are_computed_together() {
    let mut bench = Bench::new(&Setup::default());
    let readers: Vec<_> = (0..4).map(|n| bench.begin(n, &[n as u32, 5, 7], 3).0).collect();
    let steps = bench.finish();
    assert_eq!(steps[0], [(0, 3, false); 4]);
    assert_eq!(steps.len(), 3);
    for (n, reader) in readers.into_iter().enumerate() {
        assert_eq!(reader.ids(), expected(&FULL, &[n as u32, 5, 7], 3));
    }
}

#[test]
fn who_does_not_fit_waits_and_who_outgrows_the_room_gives_way_to_the_older() {
    // Room for twelve blocks: three prompts of three fit, and do not when each has grown by two.
    let mut bench = Bench::new(&Setup { kv_bytes: 120, keep: 0, ..Setup::default() });
    let prompts: Vec<Vec<u32>> = (0..4).map(|n| prompt(90 + n)[n..].to_vec()).collect();
    let readers: Vec<_> = prompts.iter().zip(0..).map(|(prompt, id)| bench.begin(id, prompt, 60).0).collect();
    let steps = bench.finish();
    for (reader, prompt) in readers.into_iter().zip(&prompts) {
        assert_eq!(reader.ids(), expected(&FULL, prompt, 60));
    }
    assert!(steps.iter().all(|step| step.len() <= 3), "the fourth waited");
    assert!(bench.scheduler.parts.counters.read().preemptions > 0);
    assert_eq!(bench.scheduler.parts.kv.bytes().used, 0);
}

#[test]
fn a_higher_priority_goes_first_and_takes_the_place_of_a_lower_one() {
    let mut bench = Bench::new(&Setup { most_running: 1, ..Setup::default() });
    let low = bench.begin_with(0, &prompt(40), 30, 0, false).0;
    (0..5).for_each(|_| drop(bench.step()));
    let next = bench.begin_with(1, &prompt(50), 30, 0, false).0;
    let high = bench.begin_with(2, &prompt(60), 30, 5, false).0;
    let mut ended = Vec::new();
    while ended.len() < 3 {
        bench.step().expect("somebody can go on");
        ended.extend((0..3).filter(|&id| !bench.has(id) && !ended.contains(&id)).collect::<Vec<_>>());
    }
    assert_eq!(ended, [2, 0, 1]);
    for (reader, tokens) in [(low, 40), (next, 50), (high, 60)] {
        assert_eq!(reader.ids(), expected(&FULL, &prompt(tokens), 30));
    }
}

#[test]
fn one_whose_reader_is_behind_costs_nothing_and_holds_nobody_up() {
    let mut bench = Bench::new(&Setup { most_running: 1, kv_bytes: 400, ..Setup::default() });
    let mut behind = bench.begin(0, &prompt(10), 200).0;
    (0..100).for_each(|_| drop(bench.step()));
    assert_eq!(bench.step(), None, "nothing is computed for nobody");
    let other = bench.begin(1, &prompt(300), 5).0;
    while bench.has(1) {
        bench.step().expect("the one behind gives its place up");
    }
    assert_eq!(other.ids(), expected(&FULL, &prompt(300), 5));
    let mut said = Vec::new();
    while bench.has(0) || said.len() < 200 {
        said.extend(behind.read().into_iter().flat_map(|events| bench::ids_of(&events.unwrap().unwrap())));
        (0..200).for_each(|_| drop(bench.step()));
    }
    assert_eq!(said, expected(&FULL, &prompt(10), 200));
}

#[test]
fn one_that_is_cancelled_while_others_are_let_in_takes_nobodys_place() {
    let mut bench = Bench::new(&Setup { most_running: 1, ..Setup::default() });
    let low = bench.begin_with(0, &prompt(40), 5, 0, false).0;
    let (high, stop) = bench.begin_with(1, &prompt(50), 5, 5, false);
    (0..2).for_each(|_| drop(bench.step()));
    stop.set();
    bench.scheduler.admit();
    assert_eq!(bench.scheduler.parts.counters.read().preemptions, 0);
    bench.finish();
    assert_eq!((low.ids(), high.code()), (expected(&FULL, &prompt(40), 5), Code::Cancelled));
}

#[test]
fn an_evaluation_that_begins_again_gives_every_position_once() {
    let mut bench = Bench::new(&Setup::default());
    let text = &prompt(200)[5..];
    let reply = bench.evaluate(0, text);
    while bench.scheduler.sequences[0].table.kv == 0 {
        bench.step().expect("it can go on");
    }
    assert!(bench.scheduler.sequences[0].left() > 0, "it is in the middle");
    bench.scheduler.preempt(0);
    bench.finish();
    let found = reply.lock().unwrap().take().unwrap().unwrap();
    let next = |&n: &usize| expected(&FULL, &text[..=n], 1)[0];
    assert_eq!(found, bench::evaluated(text).iter().map(next).collect::<Vec<_>>());
}

#[test]
fn drafts_of_every_kind_of_wrongness_change_no_token() {
    for (groups, seed, wrong) in [(&FULL[..], 1, 0), (&MIXED, 2, 17), (&FULL, 3, 250), (&MIXED, 4, 5)] {
        let mut bench = Bench::new(&Setup { groups, drafts: Some(Wild { seed, wrong }), ..Setup::default() });
        let prompts: Vec<Vec<u32>> = (0..5).map(|n| prompt(20 + 30 * n)[n..].to_vec()).collect();
        let readers: Vec<_> = prompts.iter().zip(0..).map(|(prompt, id)| bench.begin(id, prompt, 50).0).collect();
        let steps = bench.finish();
        for (reader, prompt) in readers.into_iter().zip(&prompts) {
            assert_eq!(reader.ids(), expected(groups, prompt, 50));
        }
        assert!(steps.len() < 50, "what came true saved steps: {}", steps.len());
        let stats = bench.scheduler.parts.counters.read();
        assert!(stats.draft_accepted_tokens > 100 && stats.draft_accepted_tokens < stats.draft_proposed_tokens, "{stats:?}");
    }
}

#[test]
fn a_draft_that_cannot_be_computed_harms_nobody() {
    let mut bench = Bench::new(&Setup { drafts: Some(Wild { seed: 1, wrong: POISON }), ..Setup::default() });
    let readers = [0, 1].map(|id| bench.begin(id, &prompt(20)[id as usize..], 8).0);
    bench.finish();
    for (reader, n) in readers.into_iter().zip(0..) {
        assert_eq!(reader.ids(), expected(&FULL, &prompt(20)[n..], 8));
    }
}

#[test]
fn drafts_stop_where_a_sequence_becomes_a_long_one() {
    let mut bench = Bench::new(&Setup { long_over: 40, drafts: Some(Wild { seed: 5, wrong: 17 }), ..Setup::default() });
    let (ids, computed) = bench.generate(&prompt(30), 30);
    assert_eq!(ids, expected(&FULL, &prompt(30), 30));
    assert!(computed.iter().all(|&(cached, rows, long)| long || cached + rows <= 40), "{computed:?}");
}
