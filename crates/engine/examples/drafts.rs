//! What drafts do to the pace of answers: tokens a second with each kind, several times in turn, on prompts that are quoted and others.
//!
//! `cargo run -p wick-engine --example drafts -- MODEL [DRAFT MODEL]`. On models of random weights answers repeat nothing of their
//! prompt; there `quoting` stands for an answer whose next tokens were said before: the caller predicts them.

use std::sync::mpsc;

use wick_engine::spec::{Event, Overflow, Prompt, Request, Sampling, Stop};
use wick_engine::{Draft, DraftKind, LoadOptions, Log, Model, Session, load};

const TOKENS: u32 = 160;

/// Seconds of processor time that the process has taken: what it does beside others that are busy, too. 0 where the system does not say.
fn seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split(' ').skip(12).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn open(path: &str, kind: DraftKind) -> Model {
    let (send, receive) = mpsc::channel();
    let draft = Some(Draft { kind, tokens: None });
    let options = LoadOptions { path: path.into(), draft, context_tokens: Some(4096), ..LoadOptions::default() };
    load(options, Box::new(|_, _| ()), Log::none(), Stop::default(), move |model| send.send(model).expect("main waits"));
    receive.recv().expect("a load answers").expect("the model loads")
}

fn request(prompt: &[u32], temperature: f32, predict: bool) -> Request {
    Request {
        prompt: Prompt::Tokens(prompt.to_vec()),
        sampling: Sampling { temperature, seed: Some(1), logprobs: Some(0), ..Sampling::default() },
        max_tokens: Some(TOKENS),
        stop: Vec::new(),
        ignore_end: true,
        ask_tokens: false,
        predict,
        overflow: Overflow::Error,
        priority: 0,
        cache_salt: None,
        reasoning_budget: None,
    }
}

/// The ids and the tokens a second of sampling; a caller who predicts knows them.
fn read(session: &Session, prompt: usize, known: &[u32]) -> (Vec<u32>, f64) {
    let (mut ids, mut seen) = (Vec::new(), 0);
    loop {
        let (send, receive) = mpsc::channel();
        session.next(Box::new(move |events| send.send(events).expect("main waits")));
        for event in receive.recv().expect("it answers").expect("nothing fails").expect("a finish comes first") {
            match event {
                Event::TextDelta { tokens, .. } => ids.extend(tokens.iter().map(|token| token.id)),
                Event::Predict { tokens } => {
                    seen += tokens.len();
                    let next = known.iter().skip(seen - prompt).take(15).copied().collect();
                    session.predicted(next).expect("they are ids");
                }
                Event::Finish { timings, .. } => return (ids, timings.tokens_per_second),
                _ => {}
            }
        }
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("a model");
    let mut kinds = vec![("none", DraftKind::None), ("prompt-lookup", DraftKind::PromptLookup)];
    kinds.extend(arguments.next().map(|path| ("model", DraftKind::Model(path.into()))));
    let models: Vec<_> = kinds.into_iter().map(|(name, kind)| (name, open(&path, kind))).collect();
    let vocab = models[0].1.info().vocab_size as u32;
    let varied: Vec<u32> = (0..300u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 7) % vocab).collect();
    for (workload, temperature, sessions) in
        [("greedy", 0.0, 1), ("sampled", 1.0, 1), ("greedy", 0.0, 8), ("sampled", 1.0, 8)]
    {
        let mut known = Vec::new();
        for round in 0..3 {
            for (name, model) in &models {
                let began = seconds();
                let all: Vec<Session> = (0..sessions)
                    .map(|n| model.generate(request(&varied[n..], temperature, false)).expect("it begins"))
                    .collect();
                let read: Vec<_> = std::thread::scope(|scope| {
                    let readers: Vec<_> = all.iter().map(|session| scope.spawn(|| read(session, 0, &[]))).collect();
                    readers.into_iter().map(|reader| reader.join().expect("it reads")).collect()
                });
                let cpu = seconds() - began;
                let mean = read.iter().map(|(_, rate)| rate).sum::<f64>() / read.len() as f64;
                println!("{workload} x{sessions} round {round} {name}: {mean:.2} tok/s each, {cpu:.2} s of processor time");
                known = read.into_iter().map(|(ids, _)| ids).next().unwrap_or_default();
            }
        }
        if sessions == 1 {
            let (_, model) = &models[0];
            let session = model.generate(request(&varied, temperature, true)).expect("it begins");
            let (ids, rate) = read(&session, varied.len(), &known);
            println!("{workload} quoting: {rate:.2} tok/s; the same tokens: {}", ids == known);
        }
    }
    for (name, model) in &models {
        let stats = model.stats();
        println!("{name}: {} of {} drafts accepted", stats.draft_accepted_tokens, stats.draft_proposed_tokens);
    }
}
