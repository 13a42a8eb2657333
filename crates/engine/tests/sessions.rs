//! What sessions of one model promise each other and their readers.

mod common;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{PATIENCE, fixture, generate, greedy, model, next, options, read, try_load};
use wick_compute::{Batch, Outputs, Program, State};
use wick_engine::spec::{ChatPrompt, Code, Event, FinishReason, Overflow, Prompt, Request, Result, Sampling, Stop};
use wick_engine::{BackendKind, LoadOptions};

const PROMPT: [u32; 40] = {
    let mut ids = [0; 40];
    let mut i = 0;
    while i < ids.len() {
        ids[i] = (i as u32 * 37 + 11) % 300;
        i += 1;
    }
    ids
};

#[test]
fn a_session_answers_what_transformers_answers() {
    let text = std::fs::read_to_string(fixture("checkpoints/llama/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids = |name: &str| -> Vec<u32> {
        expected[name].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let said = generate(&model("checkpoints/llama"), greedy(&ids("prompt_ids"), 24)).unwrap();
    assert_eq!(said.ids, ids("greedy_ids"));
    assert_eq!(said.finish.as_ref().unwrap().0, FinishReason::Length);
    assert_eq!((said.usage().prompt_tokens, said.usage().completion_tokens), (ids("prompt_ids").len() as u32, 24));
}

#[test]
fn a_session_that_outgrows_the_original_context_goes_on_as_transformers_does() {
    let text = std::fs::read_to_string(fixture("checkpoints/phi-long/expected.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
    let ids = |json: &serde_json::Value| -> Vec<u32> {
        json.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
    };
    let (prompt, outgrown) = (ids(&expected["prompt_ids"]), &expected["outgrown"]);
    let short = &prompt[..outgrown["prompt_tokens"].as_u64().unwrap() as usize];
    let model = model("checkpoints/phi-long");
    let said = generate(&model, greedy(short, 24)).unwrap();
    assert_eq!(said.ids, ids(&outgrown["ids"]));
    // It left behind what it computed as a short one, and what it computed again as a long one: each of use to its own kind alone.
    assert_eq!(generate(&model, greedy(short, 2)).unwrap().usage().cached_tokens as usize, short.len() - 1);
    let on = [short, &said.ids].concat();
    assert_eq!(generate(&model, greedy(&on, 2)).unwrap().usage().cached_tokens as usize, on.len() - 1);
    assert_eq!(generate(&model, greedy(&prompt, 24)).unwrap().ids, ids(&expected["greedy_ids"]));
}

#[test]
fn what_was_computed_before_is_used_and_changes_nothing() {
    let fresh = model("checkpoints/llama");
    let model = model("checkpoints/llama");
    let first = generate(&model, greedy(&PROMPT, 30)).unwrap();
    assert_eq!(first.usage().cached_tokens, 0);
    let again = generate(&model, greedy(&PROMPT, 30)).unwrap();
    assert_eq!(again.usage().cached_tokens, PROMPT.len() as u32 - 1, "all but the last, whose logits are needed");
    assert_eq!(again.ids, first.ids);

    // On from a place in the middle of what is kept, and of a block.
    let mut longer = PROMPT.to_vec();
    longer.extend(&first.ids[..13]);
    longer.push(5);
    let cached = generate(&model, greedy(&longer, 20)).unwrap();
    assert_eq!(cached.usage().cached_tokens as usize, longer.len() - 1);
    assert_eq!(cached.ids, generate(&fresh, greedy(&longer, 20)).unwrap().ids);
}

#[test]
fn a_prepared_prompt_is_computed_once() {
    let model = model("checkpoints/qwen3");
    let (send, receive) = mpsc::channel();
    model.prepare(Prompt::Tokens(PROMPT.to_vec()), Stop::default(), move |usage| send.send(usage).unwrap());
    assert_eq!(receive.recv_timeout(PATIENCE).unwrap().unwrap().prompt_tokens, PROMPT.len() as u32);
    assert_eq!(generate(&model, greedy(&PROMPT, 1)).unwrap().usage().cached_tokens, PROMPT.len() as u32 - 1);
}

#[test]
fn sessions_side_by_side_say_what_they_say_alone_and_take_turns() {
    let alone = model("checkpoints/qwen2");
    let model = model("checkpoints/qwen2");
    let prompts: Vec<Vec<u32>> = (1..4).map(|n| PROMPT[..n * 9].to_vec()).collect();
    let sessions: Vec<_> = prompts.iter().map(|prompt| model.generate(greedy(prompt, 40)).unwrap()).collect();
    let said: Vec<_> = sessions.iter().map(|session| read(session).unwrap()).collect();
    for (prompt, said) in prompts.iter().zip(&said) {
        assert_eq!(said.ids, generate(&alone, greedy(prompt, 40)).unwrap().ids);
    }
}

#[test]
fn a_reader_that_is_behind_holds_nobody_up() {
    let model = model("checkpoints/llama");
    let slow = model.generate(greedy(&PROMPT[..3], 200)).unwrap();
    let quick = generate(&model, greedy(&PROMPT[..5], 200)).unwrap();
    assert_eq!(quick.ids.len(), 200);
    assert_eq!(read(&slow).unwrap().ids.len(), 200, "and nothing of the slow one's is lost");
}

#[test]
fn the_chain_of_one_seed_repeats_and_of_another_differs() {
    let model = model("checkpoints/llama");
    let sampled = |seed| {
        let mut request = greedy(&PROMPT, 30);
        request.sampling = Sampling { temperature: 1.5, seed: Some(seed), logprobs: Some(0), ..Sampling::default() };
        generate(&model, request).unwrap().ids
    };
    assert_eq!(sampled(7), sampled(7));
    assert_ne!(sampled(7), sampled(8));
}

#[test]
fn closing_ends_runs_with_closed_and_is_told_when_done() {
    let model = model("checkpoints/llama");
    let session = model.generate(greedy(&PROMPT, 200)).unwrap();
    next(&session).unwrap();
    let (send, receive) = mpsc::channel();
    for _ in 0..2 {
        let send = send.clone();
        model.close(move || send.send(()).unwrap());
    }
    receive.recv_timeout(PATIENCE).expect("the first close is told");
    receive.recv_timeout(PATIENCE).expect("and so is the second");
    let end = loop {
        match next(&session) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was to be closed"),
            Err(error) => break error,
        }
    };
    assert_eq!(end.code(), Code::Closed);
    assert_eq!(model.generate(greedy(&PROMPT, 1)).err().unwrap().code(), Code::Closed);
}

#[test]
fn a_cancelled_prefill_frees_the_engine() {
    /// Takes a hundredth of a second a call, unless stopped.
    struct Slow(Box<dyn Program>);
    impl Program for Slow {
        fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
            let until = Instant::now() + Duration::from_secs(if batch.rows.len() > 100 { 30 } else { 0 });
            while Instant::now() < until {
                stop.check()?;
                std::thread::sleep(Duration::from_millis(1));
            }
            self.0.run(batch, outputs, stop)
        }
        fn state(&mut self) -> &mut dyn State {
            self.0.state()
        }
    }
    let model =
        try_load(LoadOptions { wrap: Some(|program| Box::new(Slow(program))), ..options("checkpoints/llama") }).unwrap();
    let long: Vec<u32> = (0..200).map(|n| n % 300).collect();
    let session = model.generate(greedy(&long, 1)).unwrap();
    assert!(matches!(next(&session).unwrap().unwrap()[0], Event::Start { .. }), "its first layer has started");
    let began = Instant::now();
    session.cancel();
    assert_eq!(next(&session).unwrap_err().code(), Code::Cancelled);
    generate(&model, greedy(&[1, 2], 1)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "the next request did not wait for the cancelled one");
}

#[test]
fn a_panic_fails_one_request_and_the_model_goes_on() {
    struct Panics(Box<dyn Program>);
    impl Program for Panics {
        fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
            assert!(batch.rows.len() != 7, "seven rows, as the test wants");
            self.0.run(batch, outputs, stop)
        }
        fn state(&mut self) -> &mut dyn State {
            self.0.state()
        }
    }
    let model =
        try_load(LoadOptions { wrap: Some(|program| Box::new(Panics(program))), ..options("checkpoints/llama") }).unwrap();
    assert_eq!(generate(&model, greedy(&PROMPT[..7], 1)).unwrap_err().code(), Code::Internal);
    assert_eq!(generate(&model, greedy(&PROMPT[..8], 4)).unwrap().ids.len(), 4);
}

#[test]
fn a_prompt_that_does_not_fit_is_refused_with_figures() {
    let model = try_load(LoadOptions { context_tokens: Some(32), ..options("checkpoints/llama") }).unwrap();
    let error = generate(&model, greedy(&PROMPT[..32], 1)).unwrap_err();
    assert_eq!(error.code(), Code::ContextOverflow);
    assert_eq!(error.detail(), [("promptTokens", 32), ("contextTokens", 32)]);
    let said = generate(&model, greedy(&PROMPT[..30], 10)).unwrap();
    assert_eq!((said.ids.len(), said.finish.unwrap().0), (2, FinishReason::Length), "the window ends the answer");
}

#[test]
fn a_full_window_asks_for_a_shorter_prompt_and_goes_on() {
    let model = try_load(LoadOptions { context_tokens: Some(48), ..options("checkpoints/llama") }).unwrap();
    let request = Request { overflow: Overflow::Ask, ..greedy(&PROMPT, 20) };
    let session = model.generate(request).unwrap();
    let mut said = common::Said::default();
    let mut asked = 0;
    while let Some(events) = next(&session).unwrap() {
        for event in &events {
            if let Event::Overflow { prompt_tokens: 40, completion_tokens, context_tokens: 48 } = *event {
                asked += 1;
                assert_eq!(completion_tokens, 8);
                session.resume(Prompt::Tokens(PROMPT[30..].to_vec())).unwrap();
            }
        }
        said.hear(events);
    }
    assert_eq!((asked, said.ids.len()), (1, 20));
    assert_eq!(said.usage().prompt_tokens, 10, "the prompt it ended with");
}

#[test]
fn evaluate_gives_the_logits_of_each_position() {
    let model = model("checkpoints/llama");
    let ask = |positions: Vec<u32>| {
        let (send, receive) = mpsc::channel();
        model.evaluate(PROMPT.to_vec(), positions, Stop::default(), move |logits| send.send(logits).unwrap());
        receive.recv_timeout(PATIENCE).unwrap()
    };
    let all = ask((0..40).collect()).unwrap();
    let v = model.info().vocab_size;
    assert_eq!(all.len(), 40 * v);
    assert_eq!(ask(vec![3, 39]).unwrap(), [&all[3 * v..4 * v], &all[39 * v..]].concat());
    let best = all[39 * v..].iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).unwrap().0;
    assert_eq!(generate(&model, greedy(&PROMPT, 1)).unwrap().ids, [best as u32]);
    for wrong in [vec![], vec![40], vec![2, 1]] {
        assert_eq!(ask(wrong).unwrap_err().code(), Code::InvalidRequest);
    }
}

#[test]
fn the_next_turn_keeps_the_ids_that_were_generated() {
    let model = model("checkpoints/qwen3");
    let chat = |messages: serde_json::Value| Request {
        prompt: Prompt::Chat(ChatPrompt { messages: messages.to_string(), ..ChatPrompt::default() }),
        ..greedy(&[], 20)
    };
    let user = |content: &str| serde_json::json!({ "role": "user", "content": content });
    let first = generate(&model, chat(serde_json::json!([user("Who is there?")]))).unwrap();
    let answer = serde_json::json!({ "role": "assistant", "content": first.text });
    let second = generate(&model, chat(serde_json::json!([user("Who is there?"), answer, user("And now?")]))).unwrap();
    let kept = first.usage().prompt_tokens + first.usage().completion_tokens;
    if first.text.contains('\u{FFFD}') {
        return assert!(second.usage().cached_tokens >= first.usage().prompt_tokens - 1);
    }
    assert!(second.usage().cached_tokens >= kept - 2, "{:?} after {:?}", second.usage(), first.usage());
}

#[test]
fn bad_requests_are_refused_before_work() {
    let model = model("checkpoints/llama");
    let cases = [
        Request { max_tokens: Some(0), ..greedy(&PROMPT, 1) },
        Request { stop: vec![String::new()], ..greedy(&PROMPT, 1) },
        Request { sampling: Sampling { top_p: 2.0, ..Sampling::default() }, ..greedy(&PROMPT, 1) },
        greedy(&[9999], 1),
        greedy(&[], 1),
    ];
    for request in cases {
        assert_eq!(generate(&model, request.clone()).unwrap_err().code(), Code::InvalidRequest, "{request:?}");
    }
}

#[test]
fn what_this_build_cannot_do_is_named() {
    let on_cuda =
        LoadOptions { device: "cuda".parse().unwrap(), backend: BackendKind::Auto, ..options("checkpoints/llama") };
    let cuda = try_load(on_cuda).err().unwrap();
    assert_eq!(cuda.code(), Code::Unsupported);
    assert!(cuda.message().contains("wick-linux-x64-gnu-cuda"), "{cuda}");
    assert_eq!("gpu".parse::<BackendKind>().unwrap_err().code(), Code::InvalidRequest);
    let missing = try_load(options("checkpoints/nothing-here")).err().unwrap();
    assert_eq!(missing.code(), Code::ModelNotFound);
}
