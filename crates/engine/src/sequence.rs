//! One sequence on the engine's thread: what it asks for and how far it is.

use std::sync::Arc;

use wick_spec::{Error, Event, Fed, Overflow, Prompt, Result, Stop, Usage};
use wick_text::{Place, Rendered};

use crate::answer::Answer;
use crate::channel::Writer;
use crate::reasoning::Spelling;

/// Called once with a result, from the engine's thread.
pub(crate) type Reply<T> = Box<dyn FnOnce(Result<T>) + Send>;

/// What a sequence is for.
pub(crate) enum Work {
    /// Sample an answer.
    Generate { answer: Box<Answer>, writer: Writer, overflow: Overflow, max_tokens: Option<u32> },
    /// Compute the prompt's keys and values and keep them.
    Prepare(Option<Reply<Usage>>),
    /// Logits of chosen positions of given tokens.
    Evaluate { positions: Vec<u32>, logits: Vec<f32>, reply: Option<Reply<Vec<f32>>> },
}

/// Where a sequence is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// To be encoded and admitted in its next turn.
    Waiting,
    /// Encoded; waits until others give blocks back.
    Queued,
    /// Has its blocks reserved and can run.
    Running,
    /// Told its reader that the window is full, and waits for a shorter prompt.
    Paused,
    /// Told its reader of a token, and waits for what becomes of it.
    Asked,
}

/// A sequence.
pub(crate) struct Sequence {
    /// As the model lists it; set before it starts.
    pub id: u64,
    pub stop: Stop,
    pub work: Work,
    pub phase: Phase,
    /// What to encode when its turn comes; `None` once it is.
    pub prompt: Option<Prompt>,
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
    /// Tokens whose keys and values the blocks hold.
    pub kv: usize,
    pub blocks: Vec<u32>,
    /// Whether its rows turn as those of long sequences do.
    pub long: bool,
    /// Blocks it may come to need.
    pub reserved: usize,
    /// What the reader said of the token he was asked about.
    pub fed: Option<Fed>,
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
            prompt: Some(prompt),
            rendered: None,
            thoughts: None,
            thinking,
            tokens: Vec::new(),
            prompt_tokens: 0,
            cached_tokens: 0,
            kv: 0,
            blocks: Vec::new(),
            long: false,
            reserved: 0,
            fed: None,
            started: false,
        }
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

    /// Whether a step would be of use now.
    pub(crate) fn runnable(&self) -> bool {
        self.stop.is_set()
            || match (&self.work, self.phase) {
                (_, Phase::Waiting) => true,
                (_, Phase::Queued | Phase::Paused | Phase::Asked) => false,
                (Work::Generate { writer, .. }, Phase::Running) => writer.has_room(),
                (_, Phase::Running) => true,
            }
    }

    /// Most tokens it may come to hold in a window of `context`.
    pub(crate) fn most_tokens(&self, context: usize) -> usize {
        match &self.work {
            Work::Generate { answer, max_tokens: Some(max), .. } => {
                let left = (*max as usize).saturating_sub(answer.ids().len());
                self.tokens.len().saturating_add(left).min(context)
            }
            Work::Generate { .. } => context,
            Work::Prepare(_) | Work::Evaluate { .. } => self.tokens.len(),
        }
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
