//! A reader that is asked about each token decides what becomes of it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Said, generate, greedy, model, next};
use wick_engine::spec::{Code, Event, Fed, FinishReason, Overflow, Prompt, Request, Result};
use wick_engine::{Model, Session};

const PROMPT: [u32; 5] = [7, 31, 101, 12, 55];

fn asking(max_tokens: u32) -> Request {
    Request { ask_tokens: true, ..greedy(&PROMPT, max_tokens) }
}

/// Reads a session to its end; `answer` is told how many tokens it was asked about before, and the id of this one.
fn fed(session: &Session, mut answer: impl FnMut(usize, u32) -> Fed) -> Result<(Said, Vec<u32>)> {
    let (mut said, mut asked) = (Said::default(), Vec::new());
    while let Some(events) = next(session)? {
        let token = events.iter().find_map(|event| if let Event::Token { token } = event { Some(token.id) } else { None });
        said.hear(events);
        if let Some(id) = token {
            session.feed(answer(asked.len(), id))?;
            asked.push(id);
        }
    }
    Ok((said, asked))
}

/// The most probable token after `ids`.
fn likeliest(model: &Model, ids: &[u32]) -> u32 {
    generate(model, greedy(ids, 1)).unwrap().ids[0]
}

#[test]
fn tokens_that_are_kept_change_nothing() {
    let model = model("checkpoints/llama");
    let plain = generate(&model, greedy(&PROMPT, 12)).unwrap();
    let (said, asked) = fed(&model.generate(asking(12)).unwrap(), |_, _| Fed::Keep).unwrap();
    assert_eq!((&said.ids, &said.text), (&plain.ids, &plain.text));
    assert_eq!(asked, plain.ids);
    assert_eq!(said.finish.unwrap().0, FinishReason::Length);
}

#[test]
fn ids_in_a_tokens_place_are_what_the_model_goes_on_from() {
    let model = model("checkpoints/llama");
    let instead = [3, 200, 41];
    let answer = |n: usize, _| if n == 2 { Fed::Replace(instead.to_vec()) } else { Fed::Keep };
    let (said, asked) = fed(&model.generate(asking(8)).unwrap(), answer).unwrap();
    assert_eq!(said.ids.len(), 8, "those that were fed count");
    assert_eq!(said.ids[2..5], instead);
    assert_eq!(asked.len(), 6);
    let fresh = common::model("checkpoints/llama");
    for n in [0, 1, 5, 6, 7] {
        assert_eq!(said.ids[n], likeliest(&fresh, &[&PROMPT[..], &said.ids[..n]].concat()), "token {n}");
    }
    // Kept for whoever continues, as if it had been sampled.
    let usage = generate(&model, greedy(&[&PROMPT[..], &said.ids[..7]].concat(), 1)).unwrap().usage();
    assert_eq!(usage.cached_tokens, PROMPT.len() as u32 + 6);
}

#[test]
fn the_end_comes_when_the_reader_says_so_or_there_is_no_room() {
    let model = model("checkpoints/llama");
    let (said, asked) = fed(&model.generate(asking(9)).unwrap(), |n, _| if n == 3 { Fed::End } else { Fed::Keep }).unwrap();
    assert_eq!((said.ids.len(), asked.len()), (3, 4));
    let (reason, stop, usage) = said.finish.unwrap();
    assert_eq!((reason, stop, usage.completion_tokens), (FinishReason::Stop, None, 3));

    let (said, _) = fed(&model.generate(asking(5)).unwrap(), |_, _| Fed::Replace(vec![9; 4])).unwrap();
    assert_eq!(said.ids, [9; 5]);
    assert_eq!(said.finish.unwrap().0, FinishReason::Length);
}

#[test]
fn a_window_that_fills_with_what_was_fed_asks_or_ends() {
    let small =
        || common::try_load(wick_engine::LoadOptions { context_tokens: Some(10), ..common::options("checkpoints/llama") });
    let model = small().unwrap();
    let request = Request { max_tokens: None, ..asking(1) };
    let (said, _) = fed(&model.generate(request.clone()).unwrap(), |_, _| Fed::Replace(vec![9; 8])).unwrap();
    assert_eq!((said.ids.len(), said.finish.unwrap().0), (5, FinishReason::Length));

    let session = model.generate(Request { overflow: Overflow::Ask, max_tokens: Some(10), ..request }).unwrap();
    let (mut said, mut shortened) = (Said::default(), false);
    while let Some(events) = next(&session).unwrap() {
        for event in &events {
            match event {
                Event::Token { .. } => session.feed(Fed::Replace(vec![9; 6])).unwrap(),
                Event::Overflow { .. } => {
                    shortened = true;
                    session.resume(Prompt::Tokens(PROMPT[3..].to_vec())).unwrap();
                }
                _ => {}
            }
        }
        said.hear(events);
        if shortened && said.ids.len() == 6 {
            break;
        }
    }
    assert!(shortened);
    assert_eq!(said.ids, [9; 6], "what was fed before the window was full is kept");
}

#[test]
fn wrong_ids_are_refused_and_a_cancel_ends_the_wait() {
    let model = model("checkpoints/llama");
    let session = model.generate(asking(4)).unwrap();
    while !next(&session).unwrap().unwrap().iter().any(|event| matches!(event, Event::Token { .. })) {}
    for wrong in [Fed::Replace(Vec::new()), Fed::Replace(vec![1, 1 << 20])] {
        assert_eq!(session.feed(wrong).unwrap_err().code(), Code::InvalidRequest);
    }
    // Others go on while it waits.
    assert_eq!(generate(&model, greedy(&PROMPT, 3)).unwrap().ids.len(), 3);
    session.cancel();
    assert_eq!(next(&session).unwrap_err().code(), Code::Cancelled);
    // An answer that nobody waits for is nobody's.
    session.feed(Fed::Keep).unwrap();
    assert_eq!(generate(&model, greedy(&PROMPT, 3)).unwrap().ids.len(), 3);
}
