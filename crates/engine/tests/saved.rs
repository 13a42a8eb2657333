//! What a session that was saved and restored promises.

mod common;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use common::{PATIENCE, Said, greedy, options, read, try_load};
use wick_engine::spec::{ChatPrompt, Code, Error, Event, Prompt, Request, Result, Sampling, Stop};
use wick_engine::{BackendKind, KvType, LoadOptions, Model, Snapshot, quantised_type, verify_session};
use wick_testkit::Scratch;

fn on(backend: BackendKind, kv_type: Option<KvType>, fixture: &str) -> LoadOptions {
    LoadOptions { backend, kv_type, ..options(fixture) }
}

fn on_cpu(fixture: &str) -> LoadOptions {
    on(BackendKind::Cpu, None, fixture)
}

fn prompt(tokens: usize) -> Vec<u32> {
    (0..tokens as u32).map(|n| (n * 37 + n * n % 23 + 11) % 300).collect()
}

/// Sampled, so that a bit in the logits can be seen, and with logprobs.
fn sampled(tokens: &[u32], max_tokens: u32) -> Request {
    let sampling = Sampling { temperature: 0.8, seed: Some(7), logprobs: Some(3), ..Sampling::default() };
    Request { sampling, ..greedy(tokens, max_tokens) }
}

/// What is said after `past`, all figures of all tokens, and where it can be continued.
fn go_on(model: &Model, request: Request, past: Option<&Snapshot>) -> Result<(Said, Vec<f32>, Snapshot)> {
    let session = model.generate_after(past.cloned(), request)?;
    let (mut said, mut figures) = (Said::default(), Vec::new());
    while let Some(events) = common::next(&session)? {
        for event in &events {
            if let Event::TextDelta { tokens, .. } | Event::ReasoningDelta { tokens, .. } = event {
                let of = |token: &wick_engine::spec::TokenInfo| {
                    [token.logprob].into_iter().chain(token.top.iter().map(|other| other.logprob)).collect::<Vec<_>>()
                };
                figures.extend(tokens.iter().flat_map(of));
            }
        }
        said.hear(events);
    }
    Ok((said, figures, session.snapshot().expect("it has finished")))
}

fn start_saving(model: &Model, at: &Snapshot, text: &str, path: &Path, stop: &Stop) -> mpsc::Receiver<Result<()>> {
    let (send, receive) = mpsc::channel();
    model.save(at, text.into(), path.to_owned(), stop.clone(), move |saved| send.send(saved).expect("the test listens"));
    receive
}

fn save(model: &Model, at: &Snapshot, text: &str, path: &Path) -> Result<()> {
    start_saving(model, at, text, path, &Stop::default()).recv_timeout(PATIENCE).expect("a save answers")
}

fn restore(model: &Model, path: &Path) -> Result<(Snapshot, String)> {
    let (send, receive) = mpsc::channel();
    model.restore(path.to_owned(), Stop::default(), move |found| send.send(found).expect("the test listens"));
    receive.recv_timeout(PATIENCE).expect("a restore answers")
}

#[track_caller]
fn refused(model: &Model, path: &Path) -> Error {
    restore(model, path).expect_err("it is refused")
}

/// A session of a prompt of so many tokens and an answer of 30, saved.
fn saved(options: LoadOptions, tokens: usize, folder: &Scratch) -> (Model, Snapshot, PathBuf) {
    let (model, path) = (try_load(options).expect("the fixture loads"), folder.file("a.session"));
    let (_, _, at) = go_on(&model, sampled(&prompt(tokens), 30), None).expect("it answers");
    save(&model, &at, "[]", &path).expect("it is saved");
    (model, at, path)
}

#[test]
fn a_restored_session_goes_on_to_the_bit_and_computes_nothing_again() {
    let kv_types = [KvType::F32, KvType::F16, KvType::Q8_0].map(Some);
    let on_cpu = kv_types.into_iter().map(|kv_type| (BackendKind::Cpu, kv_type));
    let others = [
        BackendKind::Reference,
        #[cfg(feature = "candle")]
        BackendKind::Candle,
    ]
    .map(|backend| (backend, None));
    for (backend, kv_type) in on_cpu.chain(others) {
        for fixture in ["llama", "gemma3", "mistral-window", "qwen2-window", "phi-long"] {
            for tokens in [3, 33, 34, 98] {
                let case = format!("{fixture} on {backend:?}, {kv_type:?}, {tokens} tokens");
                let fixture = format!("checkpoints/{fixture}");
                let folder = Scratch::new("saved");
                let (model, at, path) = saved(on(backend, kv_type, &fixture), tokens, &folder);
                let fresh = try_load(on(backend, kv_type, &fixture)).expect("the fixture loads");
                let (again, text) = restore(&fresh, &path).expect("it is whole");
                assert_eq!((again.tokens(), text.as_str()), (at.tokens(), "[]"), "{case}");
                let next = sampled(&prompt(5), 20);
                let expected = go_on(&model, next.clone(), Some(&at)).expect("it goes on");
                let (said, figures, _) = go_on(&fresh, next, Some(&again)).expect("it goes on");
                assert_eq!(said.ids, expected.0.ids, "{case}");
                // Candle's bits depend on how many rows are computed at once, and the last token was computed with the session.
                assert!(backend == BackendKind::Candle || figures == expected.1, "{case}");
                assert!(figures.len() >= 20, "{case}");
                assert_eq!(said.usage().cached_tokens as usize, at.tokens(), "{case}");
            }
        }
    }
}

#[test]
fn a_session_is_saved_and_restored_in_pieces_while_others_go_on() {
    let options =
        || LoadOptions { context_tokens: Some(24_000), ..on(BackendKind::Cpu, Some(KvType::F32), "checkpoints/llama") };
    let folder = Scratch::new("saved-pieces");
    let (model, path) = (try_load(options()).expect("the fixture loads"), folder.file("a.session"));
    let (_, _, at) = go_on(&model, sampled(&prompt(16_000), 3), None).expect("it answers");
    let alone: Vec<_> =
        (1..4).map(|n| go_on(&model, sampled(&prompt(n * 9), 200), None).expect("it answers").0.ids).collect();
    let others = |model: &Model| -> Vec<_> {
        (1..4).map(|n| model.generate(sampled(&prompt(n * 9), 200)).expect("it starts")).collect()
    };
    let check = |sessions: Vec<_>| {
        for (session, alone) in sessions.iter().zip(&alone) {
            assert_eq!(&read(session).expect("it ends").ids, alone);
        }
    };
    let sessions = others(&model);
    let told = start_saving(&model, &at, "text", &path, &Stop::default());
    check(sessions);
    told.recv_timeout(PATIENCE).expect("a save answers").expect("it is saved");
    assert!(std::fs::metadata(&path).expect("it is there").len() > 6 << 20, "several pieces of 4 MiB");

    let fresh = try_load(options()).expect("the fixture loads");
    let sessions = others(&fresh);
    let (again, _) = restore(&fresh, &path).expect("it is whole");
    check(sessions);
    let expected = go_on(&model, sampled(&[5, 6], 10), Some(&at)).expect("it goes on");
    let (said, figures, _) = go_on(&fresh, sampled(&[5, 6], 10), Some(&again)).expect("it goes on");
    assert_eq!((said.ids.clone(), figures), (expected.0.ids, expected.1));
    assert_eq!(said.usage().cached_tokens as usize, at.tokens());
}

#[test]
fn the_next_turn_of_a_restored_chat_keeps_the_ids_that_were_generated() {
    let folder = Scratch::new("saved-chat");
    let user = |content: &str| serde_json::json!({ "role": "user", "content": content });
    let chat = |messages: serde_json::Value| Request {
        prompt: Prompt::Chat(ChatPrompt { messages: messages.to_string(), ..ChatPrompt::default() }),
        ..greedy(&[], 20)
    };
    let model = try_load(on_cpu("checkpoints/qwen3")).expect("the fixture loads");
    let (first, _, at) = go_on(&model, chat(serde_json::json!([user("Who is <there>?")])), None).expect("it answers");
    let (path, answer) = (folder.file("chat.session"), serde_json::json!({ "role": "assistant", "content": first.text }));
    let next = chat(serde_json::json!([user("Who is <there>?"), answer, user("And now?")]));
    save(&model, &at, &answer.to_string(), &path).expect("it is saved");
    let fresh = try_load(on_cpu("checkpoints/qwen3")).expect("the fixture loads");
    let (again, text) = restore(&fresh, &path).expect("it is whole");
    assert_eq!(text, answer.to_string());
    let expected = go_on(&model, next.clone(), Some(&at)).expect("it goes on").0;
    let said = go_on(&fresh, next, Some(&again)).expect("it goes on").0;
    assert_eq!(said, expected, "with as many tokens from the cache");
}

#[test]
fn what_was_computed_under_a_salt_stays_under_it() {
    let folder = Scratch::new("saved-salt");
    let salted = |tokens: &[u32], salt: Option<&str>| Request { cache_salt: salt.map(str::to_owned), ..sampled(tokens, 3) };
    let model = try_load(on_cpu("checkpoints/llama")).expect("the fixture loads");
    let (_, _, at) = go_on(&model, salted(&prompt(90), Some("a")), None).expect("it answers");
    let path = folder.file("a.session");
    save(&model, &at, "", &path).expect("it is saved");
    let fresh = try_load(on_cpu("checkpoints/llama")).expect("the fixture loads");
    let (again, _) = restore(&fresh, &path).expect("it is whole");
    for model in [&model, &fresh] {
        for (salt, cached) in [(None, 0), (Some("b"), 0), (Some("a"), at.tokens())] {
            let said = go_on(model, salted(&[5, 6], salt), Some(&again)).expect("it goes on").0;
            assert_eq!(said.usage().cached_tokens as usize, cached, "{salt:?}");
        }
    }
}

#[test]
fn whatever_computes_or_keeps_otherwise_refuses_it() {
    let folder = Scratch::new("saved-refused");
    let (_model, _, path) = saved(on_cpu("checkpoints/llama"), 40, &folder);
    let another_model = [
        on_cpu("checkpoints/qwen2"),
        LoadOptions { quantize: Some(quantised_type("q8_0").expect("there is one")), ..on_cpu("checkpoints/llama") },
        LoadOptions { metadata: Some(r#"{"rms_norm_eps": 0.01}"#.into()), ..on_cpu("checkpoints/llama") },
    ];
    for options in another_model {
        let error = refused(&try_load(options).expect("it loads"), &path);
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().contains("another model") && error.message().contains("a.session"), "{error}");
    }
    let kept_otherwise = [
        (on(BackendKind::Cpu, Some(KvType::Q8_0), "checkpoints/llama"), "cpu q8_0"),
        (on(BackendKind::Reference, None, "checkpoints/llama"), "reference"),
    ];
    for (options, named) in kept_otherwise {
        let error = refused(&try_load(options).expect("it loads"), &path);
        assert_eq!(error.code(), Code::InvalidRequest);
        assert!(error.message().contains("\"cpu f16\"") && error.message().contains(named), "{error}");
    }
    let same = LoadOptions { no_mmap: true, ..on_cpu("checkpoints/llama") };
    restore(&try_load(same).expect("it loads"), &path).expect("the same model, however it is read");
}

#[test]
fn damaged_files_are_refused_and_the_model_goes_on() {
    let folder = Scratch::new("saved-damaged");
    let (model, at, path) = saved(on_cpu("checkpoints/llama"), 90, &folder);
    let whole = std::fs::read(&path).expect("it was saved");
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        bytes
    };
    let cases =
        [flipped(20), flipped(whole.len() / 2), flipped(whole.len() - 1), whole[..whole.len() - 7].to_vec(), Vec::new()];
    let fresh = try_load(on_cpu("checkpoints/llama")).expect("the fixture loads");
    for bytes in cases {
        std::fs::write(&path, bytes).expect("the folder is ours");
        assert_eq!(refused(&fresh, &path).code(), Code::InvalidRequest);
    }
    assert_eq!(refused(&fresh, &folder.file("none")).code(), Code::Io);
    // What was read before the damage was found is in the cache, and right.
    let next = sampled(&prompt(4), 10);
    std::fs::write(&path, whole).expect("the folder is ours");
    let (again, _) = restore(&fresh, &path).expect("it is whole again");
    let said = go_on(&fresh, next.clone(), Some(&again)).expect("it goes on").0;
    assert_eq!(said.ids, go_on(&model, next, Some(&at)).expect("it goes on").0.ids);
}

#[test]
fn without_room_in_the_cache_it_is_computed_again() {
    let folder = Scratch::new("saved-room");
    let (model, at, path) = saved(on_cpu("checkpoints/gemma3"), 98, &folder);
    let next = sampled(&prompt(5), 20);
    let expected = go_on(&model, next.clone(), Some(&at)).expect("it goes on");
    for prefix_cache_bytes in [Some(0), Some(20_000)] {
        let options = || LoadOptions { prefix_cache_bytes, ..on_cpu("checkpoints/gemma3") };
        let fresh = try_load(options()).expect("the fixture loads");
        let (again, _) = restore(&fresh, &path).expect("it is whole");
        let (said, figures, then) = go_on(&fresh, next.clone(), Some(&again)).expect("it goes on");
        assert_eq!((&said.ids, &figures), (&expected.0.ids, &expected.1));
        assert!((said.usage().cached_tokens as usize) < at.tokens());
        // And what is not kept can be saved.
        save(&fresh, &then, "", &folder.file("b.session")).expect("it is computed for that");
        verify_session(&folder.file("b.session")).expect("it is whole");
    }
}

#[test]
fn a_cancelled_or_closed_save_leaves_the_old_file_and_nothing_else() {
    let folder = Scratch::new("saved-cancelled");
    let (model, at, path) = saved(on_cpu("checkpoints/llama"), 98, &folder);
    let old = std::fs::read(&path).expect("it was saved");
    let stop = Stop::default();
    stop.set();
    let told = start_saving(&model, &at, "new", &path, &stop);
    assert_eq!(told.recv_timeout(PATIENCE).expect("a save answers").expect_err("cancelled").code(), Code::Cancelled);
    model.close(|| ());
    let told = start_saving(&model, &at, "new", &path, &Stop::default());
    assert_eq!(told.recv_timeout(PATIENCE).expect("a save answers").expect_err("closed").code(), Code::Closed);
    assert_eq!(refused(&model, &path).code(), Code::Closed);
    assert_eq!(std::fs::read(&path).expect("the old file"), old);
    assert_eq!(folder.names(), ["a.session"]);
}

#[test]
fn a_save_is_answered_though_its_model_is_dropped() {
    let folder = Scratch::new("saved-dropped-model");
    let (model, at, _) = saved(on_cpu("checkpoints/llama"), 60, &folder);
    let path = folder.file("b.session");
    let told = start_saving(&model, &at, "", &path, &Stop::default());
    drop(model);
    told.recv_timeout(PATIENCE).expect("a save answers").expect("it is saved");
    verify_session(&path).expect("it is whole");
}

/// Of the test below: what runs with little room for files.
#[test]
#[ignore = "run by another test, in a process of its own"]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn with_little_room() {
    let Some(folder) = std::env::var_os("WICK_TEST_FOLDER").map(PathBuf::from) else { return };
    let model = try_load(on_cpu("checkpoints/llama")).expect("the fixture loads");
    let (_, _, at) = go_on(&model, sampled(&prompt(200), 3), None).expect("it answers");
    // SAFETY: the limit lives as long as the call; the signal's default is taken from nobody.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        let limit = libc::rlimit { rlim_cur: 8192, rlim_max: 8192 };
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
    let error = save(&model, &at, "new", &folder.join("a.session")).expect_err("there is no room");
    assert_eq!(error.code(), Code::Io);
    assert!(error.message().contains("a.session"), "{error}");
    assert!(error.detail()[0].1 > 8192, "what it takes: {:?}", error.detail());
    // The model goes on.
    go_on(&model, sampled(&prompt(5), 3), None).expect("it answers");
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_full_disk_leaves_the_old_file_and_nothing_else() {
    let folder = Scratch::new("saved-full");
    let path = folder.file("a.session");
    std::fs::write(&path, "old").expect("the folder is ours");
    let own = std::env::current_exe().expect("this test");
    let run = std::process::Command::new(own)
        .args(["--exact", "with_little_room", "--ignored"])
        .env("WICK_TEST_FOLDER", folder.path())
        .output()
        .expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
    assert_eq!(std::fs::read_to_string(&path).expect("the old file"), "old");
    assert_eq!(folder.names(), ["a.session"]);
}
