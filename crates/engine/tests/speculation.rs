//! Drafts change nothing but the time: whoever makes them, however wrong they are, and whatever the request asks for.

mod common;

use std::sync::mpsc;
use std::time::Duration;

use common::{PATIENCE, fixture, greedy, next, options, try_load};
use wick_compute::{Batch, Outputs, Program, State};
use wick_engine::spec::{Code, Draw, Dry, Event, FinishReason, Mirostat, Overflow, Prompt, Request, Result, Sampling, Stop};
use wick_engine::{BackendKind, Draft, DraftKind, LoadOptions, Model, Session, Stats};
use wick_testkit::Random;

/// What else a load is told.
type More = fn(&mut LoadOptions);

/// Bytes of eight blocks of keys and values or so.
const TIGHT: u64 = 26 << 10;

const MODEL: &str = "checkpoints/llama";

/// A call takes so much longer than its rows do that drafting pays.
struct Slow(Box<dyn Program>);

impl Program for Slow {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        std::thread::sleep(Duration::from_millis(1));
        self.0.run(batch, outputs, stop)
    }

    fn state(&mut self) -> &mut dyn State {
        self.0.state()
    }
}

fn load(name: &str, backend: BackendKind, kind: DraftKind, more: impl FnOnce(&mut LoadOptions)) -> Model {
    let draft = Some(Draft { kind, tokens: None });
    let mut options = LoadOptions { backend, draft, wrap: Some(|program| Box::new(Slow(program))), ..options(name) };
    more(&mut options);
    try_load(options).expect("the fixture loads")
}

/// All that a session said of its tokens, to the bit, and how it ended.
#[derive(Debug, Clone, PartialEq)]
struct Said {
    ids: Vec<u32>,
    logprobs: Vec<(u32, Vec<(u32, u32)>)>,
    text: String,
    end: (FinishReason, Option<String>, u32),
}

/// What a caller expects, who knows what it said before: a beginning of that, and then anything.
fn predict(known: &[u32], seen: usize, random: &mut Random) -> Vec<u32> {
    let right = random.below(6);
    let mut ids: Vec<u32> = known.iter().skip(seen).take(right).copied().collect();
    ids.extend((0..random.below(4)).map(|_| random.below(300) as u32));
    ids
}

fn read(session: &Session, prompt: usize, known: &[u32]) -> Said {
    let mut random = Random::new(4);
    let (mut ids, mut logprobs, mut text, mut seen) = (Vec::new(), Vec::new(), String::new(), 0);
    loop {
        for event in next(session).expect("nothing fails").expect("a finish comes first") {
            match event {
                Event::TextDelta { text: more, tokens } => {
                    text += &more;
                    for token in tokens {
                        ids.push(token.id);
                        let top = token.top.iter().map(|other| (other.id, other.logprob.to_bits())).collect();
                        logprobs.push((token.logprob.to_bits(), top));
                    }
                }
                Event::Predict { tokens } => {
                    seen += tokens.len();
                    session.predicted(predict(known, seen - prompt, &mut random)).expect("they are ids");
                }
                Event::Finish { reason, stop, usage, .. } => {
                    return Said { ids, logprobs, text, end: (reason, stop, usage.completion_tokens) };
                }
                _ => {}
            }
        }
    }
}

fn prompt(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|n| (n % 9 * 37 + 11) as u32 % 300).collect()
}

/// Requests of many kinds.
fn requests() -> Vec<Request> {
    let sampled = |seed| Sampling { temperature: 0.9, seed: Some(seed), logprobs: Some(2), ..Sampling::default() };
    let plain = greedy(&prompt(30), 60);
    let with = |sampling: Sampling| Request { sampling, ..plain.clone() };
    let penalties = Sampling { repetition_penalty: 1.3, frequency_penalty: 0.4, presence_penalty: 0.2, ..sampled(3) };
    let dry = Sampling { dry: Dry { multiplier: 0.8, breakers: Vec::new(), ..Dry::default() }, ..sampled(4) };
    vec![
        plain.clone(),
        greedy(&prompt(70), 90),
        with(sampled(1)),
        with(Sampling { temperature: 1.8, top_k: 0, top_p: 1.0, min_p: 0.0, ..sampled(2) }),
        with(Sampling { temperature: 0.3, ..penalties }),
        with(dry),
        with(Sampling {
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            draw: Draw::MirostatV2(Mirostat { tau: 3.0, eta: 0.2 }),
            ..sampled(5)
        }),
        with(Sampling { xtc_probability: 0.5, ..sampled(6) }),
        Request { max_tokens: Some(7), ..with(sampled(7)) },
        Request { ignore_end: false, ..with(sampled(8)) },
    ]
}

/// What each request is answered, alone, one after the other, and then all of them at once.
fn answers(model: &Model, requests: &[Request], known: &[Said]) -> Vec<Said> {
    let none = Vec::new();
    let begin = |request: &Request| model.generate(request.clone()).expect("it begins");
    let told = |n: usize| known.get(n).map_or(&none, |said| &said.ids);
    let length = |request: &Request| if let Prompt::Tokens(ids) = &request.prompt { ids.len() } else { 0 };
    let mut said: Vec<Said> =
        requests.iter().enumerate().map(|(n, request)| read(&begin(request), length(request), told(n))).collect();
    let sessions: Vec<Session> = requests.iter().map(begin).collect();
    std::thread::scope(|scope| {
        let read = |(n, session)| move || read(session, length(&requests[n]), told(n));
        let readers: Vec<_> = sessions.iter().enumerate().map(|reader| scope.spawn(read(reader))).collect();
        said.extend(readers.into_iter().map(|reader| reader.join().expect("a reader reads")));
    });
    said
}

fn with_stops(mut requests: Vec<Request>, said: &[Said]) -> Vec<Request> {
    // A stop text in the midst of what is said, and the same of a request that is sampled.
    for n in [0, 2] {
        let text = &said[n].text;
        let stop: String = text.chars().skip(text.chars().count() / 2).take(3).collect();
        requests.push(Request { stop: vec![stop], ..requests[n].clone() });
    }
    requests
}

fn kinds() -> [(&'static str, DraftKind); 3] {
    [
        ("prompt lookup", DraftKind::PromptLookup),
        ("itself", DraftKind::Model(fixture(MODEL))),
        ("another model", DraftKind::Model(fixture("checkpoints/llama-yarn"))),
    ]
}

#[test]
fn answers_are_the_same_tokens_whoever_drafts() {
    for backend in [BackendKind::Cpu, BackendKind::Reference] {
        let plain = load(MODEL, backend, DraftKind::None, |_| ());
        // The reference takes its time.
        let most = if backend == BackendKind::Cpu { usize::MAX } else { 4 };
        let requests: Vec<Request> = requests().into_iter().take(most).collect();
        let first = answers(&plain, &requests, &[]);
        let requests = with_stops(requests, &first);
        let expected = answers(&plain, &requests, &[]);
        assert_eq!(plain.stats().draft_proposed_tokens, 0);
        assert!(expected.iter().any(|said| said.end.1.is_some()), "some are ended by a stop text");
        for (name, kind) in kinds() {
            let model = load(MODEL, backend, kind, |_| ());
            assert_eq!(answers(&model, &requests, &[]), expected, "{name} on {backend:?}");
            assert!(model.stats().draft_proposed_tokens > 0, "{name} on {backend:?} drafts");
        }
        let predicted: Vec<Request> = requests.iter().map(|r| Request { predict: true, ..r.clone() }).collect();
        assert_eq!(answers(&plain, &predicted, &expected), expected, "predicted on {backend:?}");
        let Stats { draft_proposed_tokens: proposed, draft_accepted_tokens: accepted, .. } = plain.stats();
        assert!(0 < accepted && accepted < proposed, "{accepted} of {proposed}");
    }
}

#[test]
fn what_comes_true_saves_steps() {
    let model = load(MODEL, BackendKind::Cpu, DraftKind::Model(fixture(MODEL)), |_| ());
    read(&model.generate(greedy(&prompt(30), 100)).unwrap(), 30, &[]);
    let stats = model.stats();
    assert!(stats.draft_accepted_tokens > 50, "what it would say itself: {stats:?}");
}

#[test]
fn windows_long_sequences_and_few_blocks_change_nothing_either() {
    // The window ends within a draft.
    let narrow: More = |options| options.context_tokens = Some(64);
    // Six sequences of 96 tokens, and room for two or three.
    let tight: More = |options| {
        options.context_tokens = Some(96);
        options.kv_bytes = Some(TIGHT);
    };
    let cases: [(&str, More); 5] = [
        (MODEL, narrow),
        (MODEL, tight),
        ("checkpoints/mistral-window", |_| ()),
        ("checkpoints/gemma2", |_| ()),
        ("checkpoints/phi-long", |_| ()),
    ];
    for (name, more) in cases {
        let requests: Vec<Request> = (0..6).map(|n| greedy(&prompt(30 + n), 200)).collect();
        let long = |mut requests: Vec<Request>| {
            requests.iter_mut().for_each(|r| r.max_tokens = Some(60));
            requests
        };
        let requests = if name == MODEL { requests } else { long(requests) };
        let expected = answers(&load(name, BackendKind::Cpu, DraftKind::None, more), &requests, &[]);
        for kind in [DraftKind::PromptLookup, DraftKind::Model(fixture(name))] {
            let model = load(name, BackendKind::Cpu, kind.clone(), more);
            assert_eq!(answers(&model, &requests, &[]), expected, "{name}, {kind:?}");
            let stats = model.stats();
            assert!(stats.draft_accepted_tokens > 0, "{name}, {kind:?}");
            assert!(stats.preemptions > 0 || stats.kv_limit_bytes > TIGHT, "some give way: {stats:?}");
        }
    }
}

#[test]
fn a_full_window_that_is_asked_about_goes_on_the_same() {
    let shorten = |session: &Session, known: &[u32]| {
        let mut ids = Vec::new();
        let mut shifts = 0;
        while let Some(events) = next(session).unwrap() {
            for event in events {
                match event {
                    Event::TextDelta { tokens, .. } => ids.extend(tokens.iter().map(|token| token.id)),
                    Event::Overflow { .. } => {
                        shifts += 1;
                        // The first shift halves the prompt; the second leaves no room, and ends it.
                        session.resume(Prompt::Tokens(prompt(if shifts == 1 { 10 } else { 1 }))).unwrap();
                        if shifts > 2 {
                            session.cancel();
                            return (ids, shifts);
                        }
                    }
                    Event::Predict { tokens } => {
                        let _ = tokens;
                        session.predicted(known.iter().skip(ids.len()).take(5).copied().collect()).unwrap();
                    }
                    _ => {}
                }
            }
        }
        (ids, shifts)
    };
    let request = Request { overflow: Overflow::Ask, max_tokens: Some(55), ..greedy(&prompt(30), 55) };
    let narrow = |options: &mut LoadOptions| options.context_tokens = Some(64);
    let plain = load(MODEL, BackendKind::Cpu, DraftKind::None, narrow);
    let expected = shorten(&plain.generate(request.clone()).unwrap(), &[]);
    assert!(expected.1 >= 1 && expected.0.len() == 55, "{expected:?}");
    for kind in [DraftKind::PromptLookup, DraftKind::Model(fixture(MODEL))] {
        let model = load(MODEL, BackendKind::Cpu, kind, narrow);
        assert_eq!(shorten(&model.generate(request.clone()).unwrap(), &[]), expected);
    }
    let predicted = Request { predict: true, ..request };
    assert_eq!(shorten(&plain.generate(predicted).unwrap(), &expected.0), expected);
}

#[test]
fn what_cannot_be_drafted_is_refused() {
    let with = |draft: Draft, backend| try_load(LoadOptions { backend, draft: Some(draft), ..options(MODEL) }).err();
    let code = |error: Option<wick_engine::spec::Error>| error.map(|error| error.code());
    let lookup = Draft { kind: DraftKind::PromptLookup, tokens: None };
    assert_eq!(code(with(lookup.clone(), BackendKind::Candle)), Some(Code::Unsupported));
    for tokens in [0, 64] {
        assert_eq!(
            code(with(Draft { tokens: Some(tokens), ..lookup.clone() }, BackendKind::Cpu)),
            Some(Code::InvalidRequest)
        );
    }
    let other = Draft { kind: DraftKind::Model(fixture("checkpoints/qwen2")), tokens: None };
    let error = with(other, BackendKind::Cpu).expect("it has other tokens");
    assert!(error.code() == Code::Unsupported && error.message().contains("token "), "{error}");
    let none = Draft { kind: DraftKind::Model(fixture("checkpoints/nowhere")), tokens: None };
    assert!(with(none, BackendKind::Cpu).is_some());
    // And so is what cannot be predicted.
    let predicts = Request { predict: true, ..greedy(&prompt(5), 5) };
    let candle = try_load(LoadOptions { backend: BackendKind::Candle, ..options(MODEL) }).unwrap();
    assert_eq!(candle.generate(predicts.clone()).err().unwrap().code(), Code::Unsupported);
    let model = load(MODEL, BackendKind::Cpu, DraftKind::None, |_| ());
    let asks = Request { ask_tokens: true, ..predicts.clone() };
    assert_eq!(model.generate(asks).err().unwrap().code(), Code::InvalidRequest);
    let session = model.generate(predicts).unwrap();
    assert_eq!(session.predicted(vec![1, 1 << 20]).unwrap_err().code(), Code::InvalidRequest);
    session.predicted(vec![1; 10_000]).expect("what was not asked for is nobody's");
}

/// Logits behind the last of these tokens.
fn logits(model: &Model, tokens: &[u32]) -> Vec<f32> {
    let (send, receive) = mpsc::channel();
    let last = tokens.len() as u32 - 1;
    model.evaluate(tokens.to_vec(), vec![last], Stop::default(), move |logits| send.send(logits).expect("the test waits"));
    receive.recv_timeout(PATIENCE).expect("it answers").expect("nothing fails")
}

/// The four most probable tokens with their probabilities among themselves, the most probable first.
fn likely(logits: &[f32]) -> Vec<(u32, f64)> {
    let mut ids: Vec<u32> = (0..logits.len() as u32).collect();
    ids.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    let of: Vec<(u32, f64)> = ids[..4].iter().map(|&id| (id, f64::from(logits[id as usize]).exp())).collect();
    let sum: f64 = of.iter().map(|(_, weight)| weight).sum();
    of.into_iter().map(|(id, weight)| (id, weight / sum)).collect()
}

/// Pearson's statistic (1900) of counted pairs, in standard deviations from its mean; pairs that are expected less than five times
/// count as one.
fn deviation(pairs: &[(u32, u32)], expected: &[((u32, u32), f64)]) -> f64 {
    let mut rare = (0.0, 0.0);
    let mut cells = Vec::new();
    for &(pair, chance) in expected {
        let cell = (pairs.iter().filter(|&&other| other == pair).count() as f64, chance * pairs.len() as f64);
        if cell.1 < 5.0 { rare = (rare.0 + cell.0, rare.1 + cell.1) } else { cells.push(cell) }
    }
    cells.extend((rare.1 > 0.0).then_some(rare));
    let statistic: f64 = cells.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    let freedom = cells.len() as f64 - 1.0;
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn tokens_behind_drafts_have_the_models_distribution() {
    const ANSWERS: u64 = 1600;
    let model = load(MODEL, BackendKind::Cpu, DraftKind::None, |_| ());
    let prompt = prompt(30);
    let first = likely(&logits(&model, &prompt));
    let after = |id: u32| likely(&logits(&model, &[&prompt[..], &[id]].concat()));
    let second: Vec<(u32, Vec<(u32, f64)>)> = first.iter().map(|&(id, _)| (id, after(id))).collect();
    // What is most probable is what is drafted.
    let draft = |id: u32| second.iter().find(|(first, _)| *first == id).expect("one of four").1[0];
    let sampling = |seed| Sampling {
        temperature: 1.0,
        seed: Some(seed),
        top_k: 4,
        top_p: 1.0,
        min_p: 0.0,
        logprobs: Some(0),
        ..Sampling::default()
    };
    let pair = |seed: u64| {
        let request = Request { sampling: sampling(seed), predict: true, ..greedy(&prompt, 3) };
        let session = model.generate(request).expect("it begins");
        let mut ids = Vec::new();
        while let Some(events) = next(&session).expect("nothing fails") {
            for event in events {
                match event {
                    Event::TextDelta { tokens, .. } => ids.extend(tokens.iter().map(|token| token.id)),
                    Event::Predict { tokens } if tokens.len() > 1 => {
                        session.predicted(vec![draft(tokens[tokens.len() - 1]).0]).expect("it is an id");
                    }
                    Event::Predict { .. } => session.predicted(Vec::new()).expect("nothing is"),
                    _ => {}
                }
            }
        }
        (ids[0], ids[1])
    };
    let pairs: Vec<(u32, u32)> = std::thread::scope(|scope| {
        let some = |n: u64| move || (n..ANSWERS).step_by(8).map(pair).collect::<Vec<_>>();
        let readers: Vec<_> = (0..8).map(|n| scope.spawn(some(n))).collect();
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader reads")).collect()
    });
    let of = |&(a, pa): &(u32, f64)| {
        let second = second.iter().find(|(first, _)| *first == a).expect("one of four").1.clone();
        second.into_iter().map(move |(b, pb)| ((a, b), pa * pb))
    };
    let expected: Vec<((u32, u32), f64)> = first.iter().flat_map(of).collect();
    let accepted = model.stats().draft_accepted_tokens;
    assert!(accepted > ANSWERS / 20, "many of them were drafts: {accepted}");
    let found = deviation(&pairs, &expected);
    assert!(found < 4.0, "{found} standard deviations");
    // A rule that accepts every other of the drafts that were refused is found out.
    let mut random = Random::new(1);
    let mut hasty = |(a, b): (u32, u32)| if random.coin() { (a, draft(a).0) } else { (a, b) };
    let wrong: Vec<(u32, u32)> = pairs.iter().map(|&pair| hasty(pair)).collect();
    let found = deviation(&wrong, &expected);
    assert!(found > 6.0, "{found} standard deviations; {expected:?}");
}
