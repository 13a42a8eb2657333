//! A loaded model, as its users hold it: any number of sessions on one owning thread.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wick_spec::{ChatPrompt, Error, Fed, Prompt, Request, Result, Stop, Usage};
use wick_text::Tokenizer;

use crate::answer::Answer;
use crate::channel::{Reader, Ready, channel};
use crate::draft::{Guesses, drafts_change_nothing};
use crate::info::Info;
use crate::prompt::Prompter;
use crate::saved::{self, Keeper};
use crate::scheduler::{Command, Done};
use crate::sequence::{Reply, Sequence, Work};
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Stats};

/// Most bytes of logits one [`Model::evaluate`] may return.
const MAX_LOGITS_BYTES: usize = 1 << 30;

/// Most texts that may end an answer.
const MAX_STOPS: usize = 64;

/// Most requests that wait in line, beside those that run.
const MAX_WAITING: usize = 1024;

/// A handle to a loaded model; clones share it. The model's thread ends when the last handle and session are dropped, or by
/// [`Model::close`].
#[derive(Clone)]
pub struct Model {
    pub(crate) info: Arc<Info>,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) prompter: Arc<Prompter>,
    /// `None` when only the vocabulary was loaded.
    pub(crate) engine: Option<Engine>,
}

/// The way to the owning thread.
#[derive(Clone)]
pub(crate) struct Engine {
    pub commands: Sender<Command>,
    pub closing: Stop,
    pub running: Running,
    pub counters: Counters,
    /// Whose saved sessions it takes.
    pub keeper: Arc<Keeper>,
}

/// The flags of the requests that a model has, so that a close can end them between layers.
#[derive(Clone)]
pub(crate) struct Running {
    all: Arc<Mutex<HashMap<u64, Stop>>>,
    most: usize,
}

impl Running {
    /// Of a model that runs so many requests at once.
    pub(crate) fn new(most_running: usize) -> Self {
        Self { all: Arc::default(), most: most_running + MAX_WAITING }
    }

    fn with<T>(&self, f: impl FnOnce(&mut HashMap<u64, Stop>) -> T) -> T {
        f(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lists a new sequence. `busy` when there are too many.
    fn add(&self, stop: &Stop) -> Result<u64> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.with(|all| {
            if all.len() >= self.most {
                return Err(Error::busy(format!(
                    "The model has {} requests already, those in line included. Wait for some to end.",
                    self.most
                ))
                .with("requests", self.most as u64));
            }
            all.insert(id, stop.clone());
            Ok(id)
        })
    }

    pub(crate) fn remove(&self, id: u64) {
        self.with(|all| all.remove(&id));
    }
}

/// One generation: its reader. Dropping it cancels the work.
pub struct Session {
    id: u64,
    vocab: usize,
    reader: Reader,
    commands: Sender<Command>,
}

impl Model {
    /// What is known of the model and of this load.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// What the template makes of a conversation. `unsupported` without a template.
    fn render(&self, chat: &ChatPrompt) -> Result<String> {
        Ok(self.prompter.render(chat)?.text().to_owned())
    }

    /// A prompt as text, its control tokens by name.
    pub fn show(&self, prompt: &Prompt) -> Result<String> {
        match prompt {
            Prompt::Chat(chat) => self.render(chat),
            Prompt::Text { text, .. } => Ok(text.clone()),
            Prompt::Infill(gap) => self.tokenizer.decode(&self.tokenizer.encode_infill(gap)?, true),
            Prompt::Tokens(ids) => self.tokenizer.decode(ids, true),
        }
    }

    /// How many tokens a prompt is.
    pub fn count_tokens(&self, prompt: &Prompt) -> Result<usize> {
        Ok(self.prompter.encode(prompt, None, std::iter::empty())?.ids.len())
    }

    /// What it does at the moment. All zero where only the vocabulary was loaded.
    pub fn stats(&self) -> Stats {
        self.engine.as_ref().map(|engine| engine.counters.read()).unwrap_or_default()
    }

    /// Starts a generation. Everything that can be refused without computing is refused here.
    pub fn generate(&self, request: Request) -> Result<Session> {
        self.generate_after(None, request)
    }

    /// Starts a generation that goes on from a `past`: text and tokens follow its end; a conversation repeats its messages, and
    /// finds its ids.
    pub fn generate_after(&self, past: Option<Snapshot>, request: Request) -> Result<Session> {
        let engine = self.engine()?;
        if request.max_tokens == Some(0) {
            return Err(Error::invalid_request("maxTokens is 0; it must be 1 or more."));
        }
        if request.stop.iter().any(String::is_empty) || request.stop.len() > MAX_STOPS {
            return Err(Error::invalid_request(format!("stop takes up to {MAX_STOPS} texts, none of them empty.")));
        }
        let guesses = self.guesses(&request)?;
        let answer = Answer::new(&request, self.tokenizer.clone(), self.info.vocab_size, Instant::now())?;
        let (writer, reader, stop) = channel();
        let work =
            Work::Generate { answer: Box::new(answer), writer, overflow: request.overflow, max_tokens: request.max_tokens };
        let mut sequence = Sequence::new(stop, work, request.prompt);
        sequence.priority = request.priority;
        sequence.salt = request.cache_salt;
        sequence.past = past;
        sequence.guesses = guesses;
        let id = engine.start(sequence)?;
        Ok(Session { id, vocab: self.info.vocab_size, reader, commands: engine.commands.clone() })
    }

    /// What is known of a request's drafts: whether its caller makes them.
    fn guesses(&self, request: &Request) -> Result<Guesses> {
        if !request.predict {
            return Ok(Guesses::default());
        }
        if request.ask_tokens {
            return Err(Error::invalid_request("A reader who is asked about each token cannot predict them as well."));
        }
        match drafts_change_nothing(self.info.backend) {
            true => Ok(Guesses::predicted()),
            false => Err(Error::unsupported(format!(
                "predict is for the cpu and reference backends: on {} a draft could change the answer.",
                self.info.backend
            ))),
        }
    }

    /// Computes a prompt's keys and values and keeps them for the next generation that begins with it.
    pub fn prepare(&self, prompt: Prompt, stop: Stop, reply: impl FnOnce(Result<Usage>) + Send + 'static) {
        self.ask(stop, prompt, Box::new(reply), |reply| Work::Prepare(Some(reply)));
    }

    /// Logits (positions, v) of chosen positions of `tokens`, which must be in ascending order. Nothing is kept.
    pub fn evaluate(
        &self,
        tokens: Vec<u32>,
        positions: Vec<u32>,
        stop: Stop,
        reply: impl FnOnce(Result<Vec<f32>>) + Send + 'static,
    ) {
        if let Err(error) = self.check_evaluate(&tokens, &positions) {
            return reply(Err(error));
        }
        let logits = Vec::new();
        self.ask(stop, Prompt::Tokens(tokens), Box::new(reply), |reply| Work::Evaluate {
            positions,
            logits,
            reply: Some(reply),
        });
    }

    /// Writes what a session has heard and said to the file `path`, with its keys and values; those that were evicted are computed again.
    /// Others go on meanwhile. `text` is the caller's, and comes back with it. What the file had is replaced when all is written, or not
    /// at all.
    ///
    /// # Errors
    /// `io` when the system refuses, with `neededBytes`; `invalid-request` when tokens and texts have more than 1 GiB; `context-overflow`
    /// for a snapshot of more tokens than this window holds; `cancelled` when `stop` is set.
    pub fn save(
        &self,
        snapshot: &Snapshot,
        text: String,
        path: PathBuf,
        stop: Stop,
        reply: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        match self.engine() {
            Err(error) => reply(Err(error)),
            Ok(engine) => saved::save(engine.clone(), snapshot.clone(), text, path, stop, Box::new(reply)),
        }
    }

    /// Reads a session that [`Model::save`] wrote: where it can be continued, and the caller's text. Its keys and values become part of
    /// the prefix cache, as many as there is room for.
    ///
    /// # Errors
    /// `invalid-request` for a session of another model, for one whose keys and values are kept otherwise, and for a file that is no
    /// whole session; `unsupported` for one of a later version; `io` when the system refuses; `cancelled` when `stop` is set.
    pub fn restore(&self, path: PathBuf, stop: Stop, reply: impl FnOnce(Result<(Snapshot, String)>) + Send + 'static) {
        match self.engine() {
            Err(error) => reply(Err(error)),
            Ok(engine) => saved::restore(engine.clone(), path, stop, Box::new(reply)),
        }
    }

    fn check_evaluate(&self, tokens: &[u32], positions: &[u32]) -> Result<()> {
        if tokens.is_empty() || positions.is_empty() {
            return Err(Error::invalid_request("evaluate needs at least one token and one position."));
        }
        if !positions.is_sorted_by(|a, b| a < b) || positions.last().is_some_and(|&last| last as usize >= tokens.len()) {
            return Err(Error::invalid_request(format!("positions must ascend and lie in 0..{}.", tokens.len())));
        }
        let bytes = positions.len().saturating_mul(self.info.vocab_size * size_of::<f32>());
        if bytes > MAX_LOGITS_BYTES {
            return Err(Error::invalid_request(format!(
                "The logits of {} positions are {bytes} bytes; at most {MAX_LOGITS_BYTES} can be asked for at once.",
                positions.len()
            )));
        }
        Ok(())
    }

    /// Starts work that is answered once. The reply holds the way to the thread, so that a dropped model still answers.
    fn ask<T: 'static>(&self, stop: Stop, prompt: Prompt, reply: Reply<T>, work: impl FnOnce(Reply<T>) -> Work) {
        match self.engine() {
            Err(error) => reply(Err(error)),
            Ok(engine) => {
                let commands = engine.commands.clone();
                let reply: Reply<T> = Box::new(move |result| {
                    drop(commands);
                    reply(result);
                });
                // What refuses the work answers it as well.
                let _ = engine.start(Sequence::new(stop, work(reply), prompt));
            }
        }
    }

    /// Ends all sessions with `closed` and frees the memory; `done` is called when it is free. May be called more than once.
    pub fn close(&self, done: impl FnOnce() + Send + 'static) {
        match &self.engine {
            None => done(),
            Some(engine) => {
                engine.closing.set();
                engine.running.with(|all| all.values().for_each(Stop::set));
                // A thread that is gone drops the command, and with it tells.
                let _ = engine.commands.send(Command::Close(Done::new(done)));
            }
        }
    }

    fn engine(&self) -> Result<&Engine> {
        let engine = self.engine.as_ref();
        let engine =
            engine.ok_or_else(|| Error::invalid_request("Only the vocabulary of this model was loaded (vocabOnly)."))?;
        if engine.closing.is_set() { Err(Error::closed("The model was closed.")) } else { Ok(engine) }
    }
}

impl Engine {
    /// Sends a new sequence to the thread. Whatever refuses it also answers whoever waits for it.
    pub(crate) fn start(&self, mut sequence: Sequence) -> Result<u64> {
        let id = self.running.add(&sequence.stop).inspect_err(|error| sequence.fail(error.clone()))?;
        sequence.id = id;
        self.commands.send(Command::Start(Box::new(sequence))).map_err(|_| {
            self.running.remove(id);
            Error::closed("The model was closed.")
        })?;
        Ok(id)
    }
}

impl Session {
    /// Asks for all events that are ready; `ready` is called at once, or from the model's thread when there are some. `None`
    /// comes after the finish event. One question at a time.
    pub fn next(&self, ready: Ready) {
        if self.reader.next(ready) {
            self.wake();
        }
    }

    /// Answers [`wick_spec::Event::Overflow`] with a shorter prompt; what was generated so far is kept.
    pub fn resume(&self, prompt: Prompt) -> Result<()> {
        self.commands.send(Command::Resume(self.id, prompt)).map_err(|_| Error::closed("The model was closed."))
    }

    /// Answers [`wick_spec::Event::Token`]: what becomes of the token. `invalid-request` for no ids, or ids past the vocabulary.
    pub fn feed(&self, fed: Fed) -> Result<()> {
        if let Fed::Replace(ids) = &fed {
            if ids.is_empty() {
                return Err(Error::invalid_request("A token cannot be replaced by none; end the answer, or keep it."));
            }
            self.check_ids(ids)?;
        }
        self.commands.send(Command::Feed(self.id, fed)).map_err(|_| Error::closed("The model was closed."))
    }

    /// Answers [`wick_spec::Event::Predict`]: the tokens that are expected next, none where nothing is. What is too much for a step is cut.
    /// `invalid-request` for ids past the vocabulary.
    pub fn predicted(&self, ids: Vec<u32>) -> Result<()> {
        self.check_ids(&ids)?;
        self.commands.send(Command::Predicted(self.id, ids)).map_err(|_| Error::closed("The model was closed."))
    }

    fn check_ids(&self, ids: &[u32]) -> Result<()> {
        match ids.iter().find(|&&id| id as usize >= self.vocab) {
            None => Ok(()),
            Some(id) => {
                Err(Error::invalid_request(format!("Token {id} is not in the model's vocabulary of {}.", self.vocab)))
            }
        }
    }

    /// Where the answer can be continued; `None` before it has finished.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.reader.snapshot()
    }

    /// Ends the work between two layers. The reader gets `cancelled`.
    pub fn cancel(&self) {
        self.reader.cancel();
        self.wake();
    }

    /// The thread may be asleep; one that is gone needs no waking.
    fn wake(&self) {
        let _ = self.commands.send(Command::Wake);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.reader.ended() {
            self.cancel();
        }
    }
}
