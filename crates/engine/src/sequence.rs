//! One sequence on the engine's thread: what it asks for and how far it is.

use std::cmp::Reverse;
use std::sync::Arc;

use wick_spec::{Error, Event, Fed, Overflow, Prompt, Result, Stop, Usage};
use wick_text::{Place, Rendered};

use crate::answer::Answer;
use crate::channel::Writer;
use crate::draft::{Candidate, Guesses};
use crate::kv::Table;
use crate::prompt::Turn;
use crate::reasoning::Spelling;
use crate::saved::{Giver, Taker};
use crate::snapshot::Snapshot;

/// Called once with a result, from the engine's thread.
pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// What a sequence is for.
pub(crate) enum Work {
    /// Sample an answer.
    Generate { answer: Box<Answer>, writer: Writer, overflow: Overflow, max_tokens: Option<u32> },
    /// Compute the prompt's keys and values and keep them.
    Prepare(Option<Reply<Usage>>),
    /// Compute what of a session's keys and values is not there, and hand them to whoever writes them.
    Save(Box<Giver>),
    /// Take keys and values from whoever reads them, and keep them.
    Restore(Box<Taker>),
    /// Logits of chosen positions of given tokens.
    Evaluate { positions: Vec<u32>, logits: Vec<f32>, reply: Option<Reply<Vec<f32>>> },
}

/// Where a sequence is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be encoded in its next turn.
    Waiting,
    /// Encoded; in line for its keys and values.
    Queued,
    /// Can compute.
    Running,
    /// Told its reader that the window is full, and waits for a shorter prompt.
    Paused,
    /// Told its reader of a token, and waits for what becomes of it.
    Asked,
    /// Asked its caller what comes next, and waits for the answer.
    Predicting,
    /// Hands its keys and values to a file's writer, or takes them from its reader.
    Moving,
}

/// Who goes first, smallest first: by priority, then by age.
pub(crate) type Rank = (Reverse<i32>, u64);

/// A sequence.
pub(crate) struct Sequence {
    /// As the model lists it; set before it starts.
    pub id: u64,
    pub stop: Stop,
    pub work: Work,
    pub phase: Phase,
    /// Higher goes first.
    pub priority: i32,
    /// Keeps what it computes from those of another.
    pub salt: Option<String>,
    /// What to encode when its turn comes; `None` once it is.
    pub prompt: Option<Prompt>,
    /// What the first prompt goes on from.
    pub past: Option<Snapshot>,
    /// Of one that went on from a past: the last turn of it whose text and ids agree.
    pub session: Option<Option<Arc<Turn>>>,
    /// Of a chat prompt.
    pub rendered: Option<Rendered>,
    /// Of a chat prompt under a template that knows thoughts.
    pub thoughts: Option<(Arc<Spelling>, Place)>,
    /// Whether the prompt says that the model thinks, or that it does not.
    pub thinking: Option<bool>,
    /// Prompt and answer.
    pub tokens: Vec<u32>,
    /// How many of `tokens` are the prompt.
    pub prompt_tokens: usize,
    /// How many of the prompt's keys and values were there already.
    pub cached_tokens: usize,
    /// Its keys and values.
    pub table: Table,
    /// Whether its rows turn as those of long sequences do.
    pub long: bool,
    /// Whether it gave up keys and values for another, so that what it finds of them was its own.
    pub preempted: bool,
    /// How the next turn of a chat begins, once it is answered.
    pub turn: Option<Arc<Turn>>,
    /// What the reader said of the token he was asked about.
    pub fed: Option<Fed>,
    /// What is known of its drafts.
    pub guesses: Guesses,
    /// Whether the reader was told of the start.
    pub started: bool,
}

impl Sequence {
    pub(crate) fn new(stop: Stop, work: Work, prompt: Prompt) -> Self {
        let thinking = if let Prompt::Chat(chat) = &prompt { chat.thinking } else { None };
        Self {
            id: 0,
            stop,
            work,
            phase: Phase::Waiting,
            priority: 0,
            salt: None,
            prompt: Some(prompt),
            past: None,
            session: None,
            rendered: None,
            thoughts: None,
            thinking,
            tokens: Vec::new(),
            prompt_tokens: 0,
            cached_tokens: 0,
            table: Table::default(),
            long: false,
            preempted: false,
            turn: None,
            fed: None,
            guesses: Guesses::default(),
            started: false,
        }
    }

    /// One whose `tokens` have keys and values in a file.
    pub(crate) fn restored(stop: Stop, taker: Taker, tokens: Vec<u32>) -> Self {
        let mut sequence = Self::new(stop, Work::Restore(Box::new(taker)), Prompt::Tokens(Vec::new()));
        (sequence.phase, sequence.prompt, sequence.tokens) = (Phase::Moving, None, tokens);
        sequence
    }

    /// What was asked of the model's thought and cannot be done.
    pub(crate) fn unheeded(&self) -> Vec<&'static str> {
        let Work::Generate { answer, .. } = &self.work else { return Vec::new() };
        let switches = self.thoughts.as_ref().is_some_and(|(spelling, _)| spelling.switch.is_some());
        let unheeded = [
            (
                answer.has_reasoning_budget() && self.thoughts.is_none(),
                "reasoning.budgetTokens has no effect: this prompt's template knows no thoughts.",
            ),
            (
                self.thinking.is_some() && !switches,
                "reasoning.enabled has no effect: this model's template has no variable that switches thinking.",
            ),
        ];
        unheeded.into_iter().filter_map(|(is, message)| is.then_some(message)).collect()
    }

    /// Whether a step would be of use now, as far as the sequence itself knows.
    pub(crate) fn runnable(&self) -> bool {
        self.stop.is_set()
            || match self.phase {
                Phase::Waiting => true,
                Phase::Paused | Phase::Asked | Phase::Predicting | Phase::Moving => false,
                Phase::Queued | Phase::Running => !self.is_behind(),
            }
    }

    /// Whether its reader is behind.
    fn is_behind(&self) -> bool {
        matches!(&self.work, Work::Generate { writer, .. } if !writer.has_room())
    }

    /// Whether a computation is what it needs next.
    pub(crate) fn computes(&self) -> bool {
        self.phase == Phase::Running && self.fed.is_none() && !self.stop.is_set() && !self.is_behind()
    }

    /// Whether it holds keys and values, or is about to.
    pub(crate) fn holds(&self) -> bool {
        self.phase == Phase::Running || !self.table.is_empty()
    }

    /// Rows that are to be computed.
    pub(crate) fn left(&self) -> usize {
        self.tokens.len() - self.table.kv
    }

    /// Its next token as one that drafts may be added to, in a window of `context`; `None` where no token is sampled.
    pub(crate) fn candidate(&mut self, context: usize, long_over: usize) -> Option<Candidate<'_>> {
        let Work::Generate { answer, .. } = &self.work else { return None };
        let tokens = self.tokens.len();
        // Past the border rows would have to turn as a long sequence's.
        let border = if self.long { usize::MAX } else { long_over };
        let room = answer.draftable().min(context.saturating_sub(tokens + 1)).min(border.saturating_sub(tokens));
        Some(Candidate {
            id: self.id,
            salt: self.salt.as_deref(),
            tokens: &self.tokens,
            prompt: self.prompt_tokens,
            room,
            guesses: &mut self.guesses,
        })
    }

    /// Asks a caller who predicts, where that is worth his answer.
    pub(crate) fn ask_what_comes(&mut self) {
        let Some(tokens) = self.guesses.ask(&self.tokens).map(<[u32]>::to_vec) else { return };
        self.phase = Phase::Predicting;
        self.tell(Event::Predict { tokens });
    }

    /// Goes on after a question to its reader; who gave his keys and values up meanwhile is back in line.
    pub(crate) fn go_on(&mut self) {
        self.phase = if self.table.is_empty() { Phase::Queued } else { Phase::Running };
    }

    /// Its place among the others.
    pub(crate) fn rank(&self) -> Rank {
        (Reverse(self.priority), self.id)
    }

    /// Tells the reader something; work without a stream of events has nothing to tell.
    pub(crate) fn tell(&self, event: Event) {
        if let Work::Generate { writer, .. } = &self.work {
            writer.push(event);
        }
    }

    /// The error that ends it.
    pub(crate) fn fail(&mut self, error: Error) {
        match &mut self.work {
            Work::Generate { writer, .. } => writer.end(Err(error)),
            Work::Prepare(reply) => {
                if let Some(reply) = reply.take() {
                    reply(Err(error));
                }
            }
            Work::Save(giver) => giver.fail(error),
            Work::Restore(taker) => {
                if let Some(reply) = taker.reply.take() {
                    reply(Err(error));
                }
            }
            Work::Evaluate { reply, .. } => {
                if let Some(reply) = reply.take() {
                    reply(Err(error));
                }
            }
        }
    }
}

impl Drop for Sequence {
    /// Nobody is left waiting, whatever happened to the thread.
    fn drop(&mut self) {
        self.fail(Error::closed("The model was closed."));
    }
}
