//! Many sessions on real, tiny models: what they say is what they say alone, whatever they share, give up or go on from.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{fixture, generate, greedy, read, try_load};
use wick_engine::spec::{Code, Prompt, Request, Sampling};
use wick_engine::{BackendKind, LoadOptions, Model};

/// Models of full attention, of windows, and of both.
const MODELS: [&str; 3] = ["checkpoints/llama", "checkpoints/mistral-window", "checkpoints/gemma3"];

fn load(name: &str, options: LoadOptions) -> Model {
    try_load(LoadOptions { path: fixture(name), backend: BackendKind::Cpu, ..options }).unwrap()
}

fn prompt(name: u32, tokens: u32) -> Vec<u32> {
    (0..tokens).map(|n| 20 + (n * 7 + name * 31) % 150).collect()
}

/// A request that samples, so that one wrong bit of one logit shows sooner or later.
fn sampled(tokens: &[u32], max_tokens: u32, seed: u64) -> Request {
    let sampling = Sampling { temperature: 1.2, seed: Some(seed), logprobs: Some(0), ..Sampling::default() };
    Request { sampling, ignore_end: true, ..greedy(tokens, max_tokens) }
}

#[test]
fn among_sixteen_short_of_room_or_without_a_cache_everybody_says_what_he_says_alone() {
    for name in MODELS {
        let alone = load(name, LoadOptions { prefix_cache_bytes: Some(0), ..LoadOptions::default() });
        // Half of them begin alike.
        let prompts: Vec<Vec<u32>> = (0..16).map(|n| [prompt(n % 2 * n, 70), prompt(n, 5 + n * 3)].concat()).collect();
        let requests: Vec<Request> = prompts.iter().zip(0..).map(|(prompt, seed)| sampled(prompt, 60, seed)).collect();
        let expected: Vec<Vec<u32>> =
            requests.iter().map(|request| generate(&alone, request.clone()).unwrap().ids).collect();
        let block = alone.info().kv_bytes_per_token * 32;
        let crowds = [
            LoadOptions::default(),
            LoadOptions { prefix_cache_bytes: Some(0), ..LoadOptions::default() },
            LoadOptions { kv_bytes: Some(block * 24), context_tokens: Some(200), ..LoadOptions::default() },
            LoadOptions { max_sessions: Some(3), prefix_cache_bytes: Some(block * 3), ..LoadOptions::default() },
        ];
        for (at, options) in crowds.into_iter().enumerate() {
            let tight = options.kv_bytes;
            let model = load(name, options);
            for _ in 0..2 {
                let sessions: Vec<_> = requests.iter().map(|request| model.generate(request.clone()).unwrap()).collect();
                let said: Vec<Vec<u32>> = sessions.iter().map(|session| read(session).unwrap().ids).collect();
                assert_eq!(said, expected, "{name}, crowd {at}");
            }
            let stats = model.stats();
            assert!(stats.kv_used_bytes <= stats.kv_limit_bytes);
            if let Some(bytes) = tight {
                // Where layers have windows they need less than there is.
                assert!(stats.preemptions > 0 || name != MODELS[0], "the room was short");
                assert_eq!(stats.kv_limit_bytes, bytes);
            }
        }
    }
}

#[test]
fn layers_with_a_window_keep_no_more_than_it() {
    let options = LoadOptions { context_tokens: Some(240), prefix_cache_bytes: Some(0), ..LoadOptions::default() };
    // In blocks of all layers, what a session of 150 tokens holds that is not read and stops after 64 more.
    let held = |name| {
        let model = load(name, options.clone());
        let _unread = model.generate(sampled(&prompt(1, 150), 80, 1)).unwrap();
        let mut last = 0;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let used = model.stats().kv_used_bytes;
            if used > 0 && used == last {
                return used as f64 / (model.info().kv_bytes_per_token * 32) as f64;
            }
            last = used;
        }
    };
    assert_eq!(held("checkpoints/llama"), 7.0);
    assert!(held("checkpoints/mistral-window") <= 2.0, "the block of its window, and the one before");
    // One layer of seven has no window.
    assert_eq!(held("checkpoints/gemma3"), (7.0 + 6.0 * 2.0) / 7.0);
}

#[test]
fn a_session_goes_on_from_a_snapshot_as_often_as_one_likes() {
    for name in MODELS {
        let model = load(name, LoadOptions::default());
        let unread = model.generate(greedy(&prompt(1, 50), 200)).unwrap();
        assert!(unread.snapshot().is_none(), "it cannot have finished");
        let first = model.generate(greedy(&prompt(1, 50), 20)).unwrap();
        let said = read(&first).unwrap();
        let snapshot = first.snapshot().unwrap();
        let past = [prompt(1, 50), said.ids].concat();
        assert_eq!(snapshot.tokens(), past.len());
        for seed in 0..3 {
            let more = prompt(9, 10);
            let on = model.generate_after(Some(snapshot.clone()), sampled(&more, 20, seed)).unwrap();
            let on = read(&on).unwrap();
            assert_eq!(on.usage().prompt_tokens as usize, past.len() + more.len());
            assert!(on.usage().cached_tokens as usize >= past.len() - 1, "{name}: nothing is computed twice");
            let whole = sampled(&[&past[..], &more].concat(), 20, seed);
            let fresh = load(name, LoadOptions::default());
            assert_eq!(on.ids, generate(&fresh, whole).unwrap().ids);
        }
    }
}

#[test]
fn what_is_computed_is_shared_under_one_salt_alone() {
    let model = load(MODELS[0], LoadOptions::default());
    let cached = |salt: Option<&str>| {
        let request = Request { cache_salt: salt.map(str::to_owned), ..greedy(&prompt(1, 80), 4) };
        let said = generate(&model, request).unwrap();
        (said.usage().cached_tokens, said.ids)
    };
    let (first, ids) = cached(None);
    assert_eq!(first, 0);
    for (salt, expected) in [(Some("a"), 0), (Some("b"), 0), (None, 79), (Some("a"), 79)] {
        assert_eq!(cached(salt), (expected, ids.clone()), "{salt:?}");
    }
}

#[test]
fn a_gap_does_not_go_on_from_a_snapshot() {
    let model = load(MODELS[0], LoadOptions::default());
    let first = model.generate(greedy(&prompt(1, 5), 2)).unwrap();
    read(&first).unwrap();
    let infill = Request { prompt: Prompt::Infill(Default::default()), ..greedy(&[1], 2) };
    // A model that cannot fill gaps says so first.
    let refused = model.generate_after(first.snapshot(), infill).and_then(|session| read(&session)).err().unwrap();
    assert!(matches!(refused.code(), Code::InvalidRequest | Code::Unsupported), "{refused}");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let refused = |options: LoadOptions| {
        let path = fixture(MODELS[0]);
        try_load(LoadOptions { path, ..options }).err().unwrap()
    };
    for sessions in [0, 1025] {
        let error = refused(LoadOptions { max_sessions: Some(sessions), ..LoadOptions::default() });
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().starts_with("maxSessions is"), "{error}");
    }
    let error = refused(LoadOptions { kv_bytes: Some(1000), ..LoadOptions::default() });
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.detail()[0].1 > 1000, "{error}");
}

#[test]
fn a_line_that_is_full_is_busy_until_somebody_leaves() {
    let model = load(MODELS[0], LoadOptions { max_sessions: Some(1), ..LoadOptions::default() });
    // Nobody reads, so nobody ends.
    let request = || greedy(&prompt(1, 5), 200);
    let mut sessions: Vec<_> = (0..1025).map(|_| model.generate(request()).unwrap()).collect();
    let refused = model.generate(request()).err().unwrap();
    assert_eq!((refused.code(), refused.detail()), (Code::Busy, &[("requests", 1025)][..]));
    sessions.truncate(1000);
    let next = loop {
        match model.generate(request()) {
            Ok(session) => break session,
            Err(error) => assert_eq!(error.code(), Code::Busy),
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    drop(sessions);
    assert_eq!(read(&next).unwrap().ids.len(), 200);
}
