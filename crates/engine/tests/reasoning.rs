//! Thoughts come apart from answers, within their budget, and the next turn finds what was computed.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Said, generate, greedy, next, options, try_load};
use serde_json::{Value as Json, json};
use wick_engine::spec::{ChatPrompt, Event, Fed, FinishReason, Prompt, Request, Sampling, TokenInfo};
use wick_engine::{LoadOptions, Model};

/// Keeps earlier thoughts, opens a new one unless told not to.
const KEEPS: &str = "{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>\
    {% endif %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% if enable_thinking is defined and not \
    enable_thinking %}<think></think>{% else %}<think>{% endif %}{% endif %}";
/// Knows thoughts, and leaves it to the model to open one.
const LEAVES: &str = "{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>\
    {% endif %}{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";
const PLAIN: &str =
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}";

fn model(template: &str) -> Model {
    try_load(LoadOptions { chat_template: Some(template.into()), ..options("checkpoints/qwen3") }).unwrap()
}

fn chat(messages: Json, budget: Option<u32>, thinking: Option<bool>) -> Request {
    let chat = ChatPrompt { messages: messages.to_string(), thinking, ..ChatPrompt::default() };
    Request { prompt: Prompt::Chat(chat), reasoning_budget: budget, ..greedy(&[], 24) }
}

fn ask(model: &Model, budget: Option<u32>, thinking: Option<bool>) -> Said {
    generate(
        model,
        Request {
            prompt: chat(json!([{ "role": "user", "content": "Who is there?" }]), None, thinking).prompt,
            ..question(budget)
        },
    )
    .unwrap()
}

#[test]
fn a_thought_is_closed_when_its_budget_is_spent() {
    let model = model(KEEPS);
    let closing = closing(&model);
    let free = ask(&model, None, None);
    assert_eq!((free.text.as_str(), free.usage().reasoning_tokens), ("", 24), "this model never closes one itself");
    assert!(!free.thought.is_empty());
    for budget in [0, 1, 5] {
        let said = ask(&model, Some(budget), None);
        let thought = budget as usize;
        assert_eq!(said.ids[..thought], free.ids[..thought], "budget {budget}");
        assert_eq!(said.ids[thought..thought + closing.len()], closing, "budget {budget}");
        assert!(!said.text.is_empty() && !said.text.contains("</think>"), "{said:?}");
        assert!(free.thought.starts_with(said.thought.trim_end_matches('\u{FFFD}')), "{said:?}");
        assert_eq!(said.usage().completion_tokens, 24);
        assert_eq!(said.usage().reasoning_tokens as usize, thought + closing.len());
        assert!(said.warnings.is_empty());
    }
}

#[test]
fn the_templates_own_variable_switches_thinking() {
    let model = model(KEEPS);
    let said = ask(&model, None, Some(false));
    assert_eq!((said.thought.as_str(), said.usage().reasoning_tokens), ("", 0));
    assert!(!said.text.is_empty());
    assert_eq!(ask(&model, None, Some(true)), ask(&model, None, None));
}

#[test]
fn what_a_model_without_thoughts_cannot_do_is_told() {
    let model = model(PLAIN);
    let said = ask(&model, Some(3), Some(true));
    assert_eq!(said.warnings.len(), 2, "{:?}", said.warnings);
    assert_eq!((said.thought.as_str(), said.usage().reasoning_tokens), ("", 0));
    assert!(said.warnings[0].contains("reasoning.budgetTokens") && said.warnings[1].contains("reasoning.enabled"));
}

#[test]
fn the_next_turn_keeps_a_thought_that_the_template_keeps() {
    let model = model(KEEPS);
    let first = ask(&model, Some(4), None);
    let answer = json!({ "role": "assistant", "content": first.text, "reasoning_content": first.thought });
    let user = |content: &str| json!({ "role": "user", "content": content });
    let second = generate(&model, chat(json!([user("Who is there?"), answer, user("And now?")]), None, None)).unwrap();
    let usage = first.usage();
    let kept = if first.text.contains('\u{FFFD}') || first.thought.contains('\u{FFFD}') {
        usage.prompt_tokens
    } else {
        usage.prompt_tokens + usage.completion_tokens
    };
    assert!(second.usage().cached_tokens >= kept - 2, "{:?} after {:?} {first:?}", second.usage(), usage);
}

fn question(budget: Option<u32>) -> Request {
    chat(json!([{ "role": "user", "content": "Who is there?" }]), budget, None)
}

fn closing(model: &Model) -> Vec<u32> {
    model.tokenizer().encode("</think>", wick_text::Control::Parse, false).unwrap()
}

/// The ids of each run of deltas of one kind: whether of a thought, and which.
fn runs(events: &[Event]) -> Vec<(bool, Vec<u32>)> {
    let mut runs = Vec::<(bool, Vec<u32>)>::new();
    for event in events {
        let (thought, tokens) = match event {
            Event::ReasoningDelta { tokens, .. } => (true, tokens),
            Event::TextDelta { tokens, .. } => (false, tokens),
            _ => continue,
        };
        let ids = tokens.iter().map(|token| token.id);
        match runs.last_mut() {
            Some((kind, run)) if *kind == thought => run.extend(ids),
            _ => runs.push((thought, ids.collect())),
        }
    }
    runs
}

#[test]
fn tokens_wait_until_it_is_known_whether_they_open_a_thought() {
    let model = model(LEAVES);
    let encode = |text: &str| model.tokenizer().encode(text, wick_text::Control::Parse, false).unwrap();
    let (open, close) = (encode("<think>"), closing(&model));
    for opens in [true, false] {
        let session = model.generate(Request { ask_tokens: true, ..question(Some(2)) }).unwrap();
        let (mut heard, mut asked) = (Vec::new(), 0);
        while let Some(events) = next(&session).unwrap() {
            let asks = events.iter().any(|event| matches!(event, Event::Token { .. }));
            heard.extend(events);
            if asks {
                session.feed(if asked == 0 && opens { Fed::Replace(open.clone()) } else { Fed::Keep }).unwrap();
                asked += 1;
            }
        }
        let runs = runs(&heard);
        let Some(Event::Finish { usage, .. }) = heard.last() else { panic!("no finish: {heard:?}") };
        if opens {
            let ([(true, thought), (false, answer)], marks) = (&runs[..], open.len() + close.len()) else {
                panic!("{runs:?}")
            };
            assert_eq!((&thought[..open.len()], &thought[open.len() + 2..]), (&open[..], &close[..]));
            assert_eq!((usage.reasoning_tokens as usize, thought.len() + answer.len()), (2 + marks, 24));
        } else {
            assert!(matches!(&runs[..], [(false, ids)] if ids.len() == 24), "{runs:?}");
            assert_eq!(usage.reasoning_tokens, 0);
        }
    }
}

/// Reads a session whose reader is asked; `answer` is told how many tokens it was asked about before.
fn fed(model: &Model, request: Request, mut answer: impl FnMut(usize) -> Fed) -> (Said, Vec<u32>) {
    let session = model.generate(Request { ask_tokens: true, ..request }).unwrap();
    let (mut said, mut asked) = (Said::default(), Vec::new());
    while let Some(events) = next(&session).unwrap() {
        let token = events.iter().find_map(|event| if let Event::Token { token } = event { Some(token.id) } else { None });
        said.hear(events);
        if let Some(id) = token {
            session.feed(answer(asked.len())).unwrap();
            asked.push(id);
        }
    }
    (said, asked)
}

#[test]
fn a_reader_is_asked_about_tokens_that_close_a_thought_too() {
    let model = model(KEEPS);
    let plain = ask(&model, Some(3), None);
    let (said, asked) = fed(&model, question(Some(3)), |_| Fed::Keep);
    assert_eq!((&said.thought, &said.text, &said.ids), (&plain.thought, &plain.text, &plain.ids));
    assert_eq!(said.usage().reasoning_tokens, plain.usage().reasoning_tokens);
    assert_eq!(asked, plain.ids);
}

#[test]
fn a_close_that_the_reader_interrupts_begins_again() {
    // No control token of the model: a mark of several tokens.
    let model = model(&KEEPS.replace("think>", "muse>"));
    let mark = model.tokenizer().encode("</muse>", wick_text::Control::Parse, false).unwrap();
    let free = ask(&model, None, None);
    assert!(mark.len() > 2, "a mark of several tokens: {mark:?}");
    let instead = free.ids[0];
    let (said, asked) = fed(&model, question(Some(2)), |n| if n == 3 { Fed::Replace(vec![instead]) } else { Fed::Keep });
    assert_eq!(asked[2..4], mark[..2], "the second of the mark was asked about");
    assert_eq!(said.ids[2..4], [mark[0], instead]);
    assert_eq!(said.ids[4..4 + mark.len()], mark);
    assert_eq!(said.usage().reasoning_tokens as usize, 4 + mark.len());
    assert!(!said.text.is_empty() && !said.text.contains("muse>"), "{said:?}");
}

#[test]
fn a_reader_may_end_the_answer_within_a_thought() {
    let model = model(KEEPS);
    let (said, _) = fed(&model, question(None), |n| if n == 4 { Fed::End } else { Fed::Keep });
    assert_eq!((said.text.as_str(), said.ids.len()), ("", 4));
    assert_eq!(said.finish.unwrap().0, FinishReason::Stop);
}

#[test]
fn a_stop_text_ends_the_answer_and_no_thought() {
    let model = model(KEEPS);
    let said = ask(&model, Some(3), None);
    let stopping = |stop: &str| generate(&model, Request { stop: vec![stop.to_owned()], ..question(Some(3)) }).unwrap();

    let mut pairs =
        said.text.char_indices().skip(1).map(|(at, _)| (at, said.text[at..].chars().take(2).collect::<String>()));
    let (at, stop) = pairs.find(|(at, stop)| said.text.find(stop) == Some(*at)).unwrap();
    let stopped = stopping(&stop);
    assert_eq!((stopped.thought.as_str(), stopped.text.as_str()), (said.thought.as_str(), &said.text[..at]));
    assert_eq!(stopped.finish.as_ref().unwrap().1.as_deref(), Some(stop.as_str()));

    // Of the thought, and of the mark that closes it.
    let thought: String = said.thought.chars().take(2).collect();
    for stop in [thought.as_str(), "think>", "/"].into_iter().filter(|stop| !said.text.contains(*stop)) {
        let whole = stopping(stop);
        assert_eq!((whole.thought, whole.text), (said.thought.clone(), said.text.clone()), "{stop:?}");
    }
}

#[test]
fn a_stop_text_that_begins_as_the_closing_mark_does_not_close_twice() {
    let model = model(KEEPS);
    let plain = ask(&model, Some(3), None);
    let said = generate(&model, Request { stop: vec!["</think>\u{1}".into()], ..question(Some(3)) }).unwrap();
    assert_eq!((said.thought, said.text), (plain.thought, plain.text));
    assert_eq!(said.ids, plain.ids);
}

#[test]
fn forced_tokens_have_the_probability_they_had_and_asking_for_it_changes_nothing() {
    let model = model(KEEPS);
    let sampling = |logprobs| Sampling { temperature: 1.0, seed: Some(7), logprobs, ..Sampling::default() };
    let told = Request { sampling: sampling(Some(2)), ..question(Some(3)) };
    let untold = generate(&model, Request { sampling: sampling(None), ..told.clone() }).unwrap();
    let session = model.generate(told).unwrap();
    let (mut said, mut tokens) = (Said::default(), Vec::<(bool, TokenInfo)>::new());
    while let Some(events) = next(&session).unwrap() {
        for event in &events {
            match event {
                Event::ReasoningDelta { tokens: new, .. } => tokens.extend(new.iter().cloned().map(|token| (true, token))),
                Event::TextDelta { tokens: new, .. } => tokens.extend(new.iter().cloned().map(|token| (false, token))),
                _ => {}
            }
        }
        said.hear(events);
    }
    assert_eq!((&said.thought, &said.text), (&untold.thought, &untold.text));
    assert_eq!(tokens.len(), 24);
    assert!(tokens.iter().all(|(_, token)| token.logprob.is_finite() && token.top.len() == 2), "{tokens:?}");
    let of_thought = tokens.iter().filter(|(thought, _)| *thought).count();
    assert!(of_thought >= 3 && tokens[..of_thought].iter().all(|(thought, _)| *thought), "{tokens:?}");
}
