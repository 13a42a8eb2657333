//! Loads a fixture checkpoint and reads sessions to their end, with channels in place of promises.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use wick_engine::spec::{Event, FinishReason, Overflow, Prompt, Request, Result, Sampling, Stop, Usage};
use wick_engine::{BackendKind, LoadOptions, Log, Model, Session, load};

/// Long enough for any test here on a busy machine; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures").join(name)
}

pub(crate) fn options(name: &str) -> LoadOptions {
    LoadOptions { path: fixture(name), backend: BackendKind::Reference, ..LoadOptions::default() }
}

pub(crate) fn try_load(options: LoadOptions) -> Result<Model> {
    let (send, receive) = mpsc::channel();
    load(options, Box::new(|_, _| ()), Log::none(), Stop::default(), move |model| {
        send.send(model).expect("the test listens")
    });
    receive.recv_timeout(PATIENCE).expect("a load answers")
}

pub(crate) fn model(name: &str) -> Model {
    try_load(options(name)).expect("the fixture loads")
}

/// Greedy, from token ids, to a fixed length.
pub(crate) fn greedy(tokens: &[u32], max_tokens: u32) -> Request {
    Request {
        prompt: Prompt::Tokens(tokens.to_vec()),
        sampling: Sampling { temperature: 0.0, logprobs: Some(0), ..Sampling::default() },
        max_tokens: Some(max_tokens),
        stop: Vec::new(),
        ignore_end: true,
        ask_tokens: false,
        overflow: Overflow::Error,
        predict: false,
        reasoning_budget: None,
        priority: 0,
        cache_salt: None,
    }
}

pub(crate) fn next(session: &Session) -> Result<Option<Vec<Event>>> {
    let (send, receive) = mpsc::channel();
    session.next(Box::new(move |events| send.send(events).expect("the test listens")));
    receive.recv_timeout(PATIENCE).expect("a session answers")
}

/// Everything a session said.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Said {
    pub(crate) ids: Vec<u32>,
    pub(crate) text: String,
    /// What came as thought.
    pub(crate) thought: String,
    /// Warnings of the start.
    pub(crate) warnings: Vec<String>,
    pub(crate) finish: Option<(FinishReason, Option<String>, Usage)>,
}

impl Said {
    pub(crate) fn hear(&mut self, events: Vec<Event>) {
        for event in events {
            assert!(self.finish.is_none(), "nothing follows the finish");
            match event {
                Event::TextDelta { text, tokens } => {
                    self.text += &text;
                    self.ids.extend(tokens.iter().map(|token| token.id));
                }
                Event::Finish { reason, stop, usage, .. } => self.finish = Some((reason, stop, usage)),
                Event::ReasoningDelta { text, tokens } => {
                    assert!(self.text.is_empty(), "a thought comes before the answer");
                    self.thought += &text;
                    self.ids.extend(tokens.iter().map(|token| token.id));
                }
                Event::Start { warnings } => {
                    self.warnings.extend(warnings.into_iter().map(|warning| warning.message));
                }
                Event::Overflow { .. } | Event::Token { .. } | Event::Predict { .. } => {}
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        self.finish.as_ref().expect("it finished").2
    }
}

pub(crate) fn read(session: &Session) -> Result<Said> {
    let mut said = Said::default();
    while let Some(events) = next(session)? {
        said.hear(events);
    }
    Ok(said)
}

pub(crate) fn generate(model: &Model, request: Request) -> Result<Said> {
    read(&model.generate(request)?)
}
