//! The owning thread: takes commands, gives every sequence its turn, and is the only one that touches the program.
//!
//! A step computes one batch of all that can go on: a token of each answer, and rows of prompts. A sequence whose reader is behind,
//! or that waits for keys and values or for a shorter prompt, is passed over.

mod admit;
mod answers;
mod moving;
mod pace;
mod step;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use wick_compute::{Batch, Outputs, Program};
use wick_spec::{Error, Fed, Prompt, Result, Stop, Warning};

use crate::draft::Drafter;
use crate::kv::Kv;
use crate::log::{Level, Log};
use crate::model::Running;
use crate::prompt::{Prompter, Turn};
use crate::sequence::{Phase, Sequence, Work};
use crate::stats::Counters;
use crate::turns::Turns;
pub(crate) use pace::{CHUNK, Pace};
pub(crate) use step::guarded;

/// What the thread is told.
pub(crate) enum Command {
    /// A new sequence.
    Start(Box<Sequence>),
    /// A paused sequence goes on with this prompt.
    Resume(u64, Prompt),
    /// What becomes of the token that a sequence asked about.
    Feed(u64, Fed),
    /// What the caller of a sequence expects to come next.
    Predicted(u64, Vec<u32>),
    /// Something changed for a sequence: its reader caught up, or it was cancelled.
    Wake,
    /// End everything; [`Done`] is dropped when the memory is free.
    Close(Done),
}

/// Told by being dropped, so that no way of ending the thread leaves it untold.
pub(crate) struct Done(Option<Box<dyn FnOnce() + Send>>);

impl Done {
    pub(crate) fn new(tell: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(tell)))
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(tell) = self.0.take() {
            tell();
        }
    }
}

/// What the thread is given to work with.
pub(crate) struct Parts {
    pub program: Box<dyn Program>,
    pub prompter: Arc<Prompter>,
    pub kv: Kv,
    pub drafter: Drafter,
    /// Tokens a sequence may hold.
    pub context: usize,
    /// A sequence of more tokens turns as a long one.
    pub long_over: usize,
    /// Rows of the output matrix.
    pub vocab: usize,
    /// Most sequences that hold keys and values at once; at least 1.
    pub most_running: usize,
    pub log: Log,
    /// Of the load; every run's start repeats them.
    pub warnings: Vec<Warning>,
    /// Set when the model is closed under its runs.
    pub closing: Stop,
    /// Where a sequence is listed while it lives.
    pub running: Running,
    pub counters: Counters,
}

/// The thread's own state.
pub(crate) struct Scheduler {
    parts: Parts,
    /// By age.
    sequences: Vec<Sequence>,
    /// Whose prompt had the last turn.
    last_prompt: Option<u64>,
    /// The youngest of the answers that had the last turn.
    last_answer: Option<u64>,
    turns: Turns,
    pace: Pace,
    batch: Batch,
    outputs: Outputs,
}

/// What became of a sequence in its turn.
enum After {
    Stays,
    Ended,
}

impl Scheduler {
    pub(crate) fn new(parts: Parts) -> Self {
        parts.counters.show(0, 0, parts.kv.bytes());
        Self {
            parts,
            sequences: Vec::new(),
            last_prompt: None,
            last_answer: None,
            turns: Turns::default(),
            pace: Pace::default(),
            batch: Batch::default(),
            outputs: Outputs::default(),
        }
    }

    /// Runs until closed, or until nobody can send commands any more. Who closed it is to be told when the memory is free:
    /// after `self`, which is dropped here.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) -> Option<Done> {
        let mut idle = true;
        loop {
            let command = match idle {
                true => Some(commands.recv().ok()?),
                false => match commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return None,
                },
            };
            idle = false;
            match command {
                Some(Command::Close(done)) => return Some(done),
                Some(command) => self.take(command),
                None => idle = !self.step(),
            }
        }
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Start(mut sequence) => {
                sequence.table = self.parts.kv.table(None);
                self.put_back(*sequence);
            }
            Command::Resume(id, prompt) => self.resume(id, prompt),
            Command::Feed(id, fed) => self.fed(id, fed),
            Command::Predicted(id, ids) => self.predicted(id, ids),
            Command::Wake | Command::Close(_) => {}
        }
    }

    /// One thing that can be done: a sequence is tended to, or a batch computed. False when nothing can be, until something changes.
    fn step(&mut self) -> bool {
        let tended =
            |sequence: &Sequence| sequence.stop.is_set() || sequence.phase == Phase::Waiting || sequence.fed.is_some();
        let did = match self.sequences.iter().position(tended) {
            Some(at) => {
                let mut sequence = self.sequences.remove(at);
                let result = step::guarded(|| self.tend(&mut sequence));
                self.conclude(sequence, result);
                true
            }
            None => {
                let moved = self.move_blocks();
                self.admit();
                self.compute_some() || moved
            }
        };
        let running = self.sequences.iter().filter(|sequence| sequence.holds()).count();
        self.parts.counters.show(running, self.sequences.len() - running, self.parts.kv.bytes());
        did
    }

    fn resume(&mut self, id: u64, prompt: Prompt) {
        if let Some(sequence) = self.sequences.iter_mut().find(|s| s.id == id && s.phase == Phase::Paused) {
            sequence.prompt = Some(prompt);
            sequence.phase = Phase::Waiting;
        }
    }

    /// An answer to a question that was not asked is nobody's.
    fn fed(&mut self, id: u64, fed: Fed) {
        if let Some(sequence) = self.sequences.iter_mut().find(|s| s.id == id && s.phase == Phase::Asked) {
            sequence.fed = Some(fed);
        }
    }

    fn predicted(&mut self, id: u64, ids: Vec<u32>) {
        if let Some(sequence) = self.sequences.iter_mut().find(|s| s.id == id && s.phase == Phase::Predicting) {
            sequence.guesses.tell(ids);
            sequence.go_on();
        }
    }

    /// What a sequence needs done before it can compute, or instead.
    fn tend(&mut self, sequence: &mut Sequence) -> Result<After> {
        sequence.stop.check()?;
        match sequence.fed.take() {
            Some(fed) => self.feed(sequence, fed),
            None => self.encode(sequence),
        }
    }

    /// A sequence goes on, or leaves.
    fn conclude(&mut self, mut sequence: Sequence, result: Result<After>) {
        match result {
            Ok(After::Stays) => self.put_back(sequence),
            Ok(After::Ended) => self.leave(sequence),
            Err(error) => {
                // After a panic nobody knows what the blocks hold.
                if error.code() == wick_spec::Code::Internal {
                    self.parts.kv.discard(&mut sequence.table);
                }
                let error = if self.parts.closing.is_set() { Error::closed("The model was closed.") } else { error };
                self.parts.log.write(Level::Debug, format_args!("a request ended with {}", error.code()));
                sequence.fail(error);
                self.leave(sequence);
            }
        }
    }

    /// Keeps what an ended sequence computed, for whoever continues it.
    fn leave(&mut self, mut sequence: Sequence) {
        self.parts.running.remove(sequence.id);
        self.parts.drafter.forget(sequence.id);
        if let Some(turn) = sequence.turn.take().or_else(|| turn_of_chat(&sequence)) {
            self.turns.keep(turn);
        }
        self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
    }

    /// Among the others, by age.
    fn put_back(&mut self, sequence: Sequence) {
        let at = self.sequences.partition_point(|other| other.id <= sequence.id);
        self.sequences.insert(at, sequence);
    }
}

/// How the next turn of an answered chat begins; `None` when text and ids of the answer do not agree.
fn turn_of_chat(sequence: &Sequence) -> Option<Arc<Turn>> {
    let Work::Generate { answer, .. } = &sequence.work else { return None };
    let rendered = sequence.rendered.clone()?;
    let (answer, said) = answer.said()?;
    let ids = sequence.tokens.get(..sequence.prompt_tokens + said)?.to_vec();
    Some(Arc::new(Turn { rendered, answer, ids }))
}
