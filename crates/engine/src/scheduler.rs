//! The owning thread: takes commands, gives every sequence its turn, and is the only one that touches the program.
//!
//! A step computes one batch of all that can go on: a token of each answer, and a chunk of one prompt. A sequence whose reader is
//! behind, or that waits for blocks or for a shorter prompt, is passed over.

mod step;

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use wick_compute::{BLOCK, Batch, Outputs, Program};
use wick_spec::{Error, Event, Fed, FinishReason, Overflow, Prompt, Result, Stop, Warning};

use crate::answer::End;
use crate::blocks::{Blocks, blocks_for};
use crate::log::{Level, Log};
use crate::model::Running;
use crate::prompt::{Prompter, Turn};
use crate::retained::{Kept, Retained, common_prefix};
use crate::sequence::{Phase, Sequence, Work};
pub(crate) use step::CHUNK;

/// What the thread is told.
pub(crate) enum Command {
    /// A new sequence.
    Start(Box<Sequence>),
    /// A paused sequence goes on with this prompt.
    Resume(u64, Prompt),
    /// What becomes of the token that a sequence asked about.
    Feed(u64, Fed),
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
    pub blocks: Blocks,
    /// Tokens a sequence may hold.
    pub context: usize,
    /// A sequence of more tokens turns as a long one.
    pub long_over: usize,
    /// Rows of the output matrix.
    pub vocab: usize,
    pub log: Log,
    /// Of the load; every run's start repeats them.
    pub warnings: Vec<Warning>,
    /// Set when the model is closed under its runs.
    pub closing: Stop,
    /// Where a sequence is listed while it lives.
    pub running: Running,
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
    retained: Retained,
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
        let (batch, outputs) = (Batch::default(), Outputs::default());
        Self {
            parts,
            sequences: Vec::new(),
            last_prompt: None,
            last_answer: None,
            retained: Retained::default(),
            batch,
            outputs,
        }
    }

    /// Runs until closed, or until nobody can send commands any more. Who closed it is to be told when the memory is free:
    /// after `self`, which is dropped here.
    pub(crate) fn run(mut self, commands: &Receiver<Command>) -> Option<Done> {
        loop {
            let command = if self.sequences.iter().any(Sequence::runnable) {
                match commands.try_recv() {
                    Ok(command) => Some(command),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => return None,
                }
            } else {
                match commands.recv() {
                    Ok(command) => Some(command),
                    Err(_) => return None,
                }
            };
            match command {
                Some(Command::Start(sequence)) => self.put_back(*sequence),
                Some(Command::Resume(id, prompt)) => self.resume(id, prompt),
                Some(Command::Feed(id, fed)) => self.fed(id, fed),
                Some(Command::Wake) => {}
                Some(Command::Close(done)) => return Some(done),
                None => self.step(),
            }
        }
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
            sequence.phase = Phase::Running;
        }
    }

    /// What a sequence needs done before it can compute, or instead.
    fn tend(&mut self, sequence: &mut Sequence) -> Result<After> {
        sequence.stop.check()?;
        match (sequence.phase, sequence.fed.take()) {
            (Phase::Waiting, _) => self.admit(sequence),
            (Phase::Running, Some(fed)) => self.feed(sequence, fed),
            _ => Ok(After::Stays),
        }
    }

    /// Encodes the prompt, reserves blocks, and takes over what earlier sequences computed of it.
    fn admit(&mut self, sequence: &mut Sequence) -> Result<After> {
        if let Some(prompt) = sequence.prompt.take() {
            let encoded = self.parts.prompter.encode(&prompt, self.retained.turns())?;
            if let Some(&id) = encoded.ids.iter().find(|&&id| id as usize >= self.parts.vocab) {
                return Err(Error::invalid_request(format!(
                    "Token {id} is not in the model's vocabulary of {}.",
                    self.parts.vocab
                )));
            }
            self.release(sequence);
            sequence.prompt_tokens = encoded.ids.len();
            sequence.tokens = encoded.ids;
            sequence.rendered = encoded.rendered;
            sequence.thoughts = encoded.thoughts;
            if let Work::Generate { answer, .. } = &sequence.work {
                sequence.tokens.extend_from_slice(answer.ids());
            }
            sequence.long = sequence.tokens.len() > self.parts.long_over;
            if let Some(after) = self.check_window(sequence)? {
                return Ok(after);
            }
        }
        let need = blocks_for(sequence.most_tokens(self.parts.context));
        let reserved: usize = self.sequences.iter().map(|s| s.reserved).sum();
        if reserved + need > self.parts.blocks.limit() {
            self.parts.log.write(Level::Info, "a request waits until running ones give their keys and values back");
            sequence.phase = Phase::Queued;
            return Ok(After::Stays);
        }
        sequence.reserved = need;
        self.reuse(sequence)?;
        if let Work::Generate { answer, .. } = &mut sequence.work {
            answer.begin(&sequence.tokens[..sequence.prompt_tokens], sequence.thoughts.clone());
        }
        sequence.phase = Phase::Running;
        Ok(After::Stays)
    }

    /// The window holds the prompt and one token at least; else an error, or a question to the reader.
    fn check_window(&self, sequence: &mut Sequence) -> Result<Option<After>> {
        let (used, asks) = match &sequence.work {
            Work::Generate { overflow, .. } => (sequence.tokens.len() + 1, *overflow == Overflow::Ask),
            _ => (sequence.tokens.len(), false),
        };
        if used <= self.parts.context {
            return Ok(None);
        }
        if asks {
            self.pause(sequence);
            return Ok(Some(After::Stays));
        }
        let prompt = sequence.prompt_tokens;
        Err(Error::context_overflow(format!(
            "The prompt is {prompt} tokens; this session holds {}, one of them for the answer. Shorten it, load with a larger \
             contextTokens, or set overflow: 'shift'.",
            self.parts.context
        ))
        .with("promptTokens", prompt as u64)
        .with("contextTokens", self.parts.context as u64))
    }

    /// Asks the reader for a shorter prompt.
    fn pause(&self, sequence: &mut Sequence) {
        sequence.phase = Phase::Paused;
        sequence.tell(Event::Overflow {
            prompt_tokens: sequence.prompt_tokens as u32,
            completion_tokens: (sequence.tokens.len() - sequence.prompt_tokens) as u32,
            context_tokens: self.parts.context as u32,
        });
    }

    /// Shares the whole blocks of the longest known prefix, and copies the rest of it.
    fn reuse(&mut self, sequence: &mut Sequence) -> Result<()> {
        if matches!(sequence.work, Work::Evaluate { .. }) {
            return Ok(());
        }
        // The last token is computed in any case: its logits are wanted.
        let ids = &sequence.tokens[..sequence.tokens.len() - 1];
        let Some((common, source)) = self.longest_prefix(ids, sequence.long) else { return Ok(()) };
        let whole = common / BLOCK;
        sequence.blocks.extend_from_slice(&source[..whole]);
        sequence.blocks.iter().for_each(|&id| self.parts.blocks.share(id));
        if !common.is_multiple_of(BLOCK) {
            // Held while room is made: its owner may be what is evicted.
            let from = source[whole];
            self.parts.blocks.share(from);
            let copied = self.take_block().and_then(|to| {
                sequence.blocks.push(to);
                let state = self.parts.program.state();
                (0..state.groups().len()).try_for_each(|group| state.copy(group, from, to))
            });
            self.parts.blocks.release(from);
            copied?;
        }
        sequence.kv = common;
        sequence.cached_tokens = common.min(sequence.prompt_tokens);
        self.parts
            .log
            .write(Level::Debug, format_args!("{common} of {} prompt tokens were computed before", sequence.prompt_tokens));
        Ok(())
    }

    /// Of what running and ended sequences, `long` ones or others, computed, the longest beginning of `ids`, and its blocks.
    fn longest_prefix(&mut self, ids: &[u32], long: bool) -> Option<(usize, Vec<u32>)> {
        let running = self.sequences.iter().filter(|s| s.long == long);
        let running = running.map(|s| (common_prefix(&s.tokens[..s.kv], ids), s.blocks.clone()));
        let ended = self.retained.best(ids, long).map(|(kept, common)| (common, kept.blocks.clone()));
        running.chain(ended).max_by_key(|&(common, _)| common).filter(|&(common, _)| common > 0)
    }

    /// A block with storage behind it; what ended longest ago makes room.
    fn take_block(&mut self) -> Result<u32> {
        let id = loop {
            if let Some(id) = self.parts.blocks.take() {
                break id;
            }
            if !self.retained.evict(&mut self.parts.blocks) {
                return Err(Error::internal("The pool of blocks is spent although blocks were reserved."));
            }
        };
        let (state, needed) = (self.parts.program.state(), self.parts.blocks.high_water());
        let mut groups = 0..state.groups().len();
        if let Err(error) = groups.try_for_each(|group| state.grow(group, needed)) {
            self.parts.blocks.release(id);
            return Err(error);
        }
        Ok(id)
    }

    fn start_warnings(&self, sequence: &Sequence) -> Vec<Warning> {
        let mut warnings = self.parts.warnings.clone();
        if let Work::Generate { max_tokens: Some(max), overflow: Overflow::Error, .. } = &sequence.work {
            let room = self.parts.context - sequence.prompt_tokens;
            if *max as usize > room {
                let message = format!(
                    "maxTokens is {max}, but the window of {} has room for {room} after the prompt.",
                    self.parts.context
                );
                warnings.push(Warning { message });
            }
        }
        warnings.extend(sequence.unheeded().into_iter().map(|message| Warning { message: message.into() }));
        warnings
    }

    /// The next token of an answer, whose logits these are.
    fn sample(&mut self, sequence: &mut Sequence, logits: Range<usize>) -> Result<After> {
        let Work::Generate { answer, writer, .. } = &mut sequence.work else { return Ok(After::Stays) };
        let logits = &mut self.outputs.logits[logits];
        if let Some(token) = answer.ask(logits)? {
            writer.push(Event::Token { token });
            sequence.phase = Phase::Asked;
            return Ok(After::Stays);
        }
        let (id, end) = answer.next(logits, &mut |event| writer.push(event))?;
        sequence.tokens.push(id);
        self.settle(sequence, end)
    }

    /// Takes what the reader made of a token; of several ids those that there is room for.
    fn feed(&mut self, sequence: &mut Sequence, fed: Fed) -> Result<After> {
        let Work::Generate { answer, writer, overflow, .. } = &mut sequence.work else { return Ok(After::Stays) };
        let mut push = |event| writer.push(event);
        let mut end = (fed == Fed::End).then(|| answer.cut(FinishReason::Stop, &mut push));
        for choice in answer.told(fed) {
            sequence.tokens.push(choice.id);
            end = answer.take(choice, &mut push);
            let full = *overflow == Overflow::Error && sequence.tokens.len() >= self.parts.context;
            if end.is_some() || full {
                break;
            }
        }
        self.settle(sequence, end)
    }

    /// What follows new tokens: the end, a question where the window is full, or the next turn.
    fn settle(&mut self, sequence: &mut Sequence, mut end: Option<End>) -> Result<After> {
        let Work::Generate { answer, writer, overflow, .. } = &mut sequence.work else { return Ok(After::Stays) };
        let mut push = |event| writer.push(event);
        if end.is_none() && sequence.tokens.len() >= self.parts.context {
            match overflow {
                Overflow::Error => end = Some(answer.cut(FinishReason::Length, &mut push)),
                Overflow::Ask => {
                    self.pause(sequence);
                    return Ok(After::Stays);
                }
            }
        }
        let Some(end) = end else { return Ok(After::Stays) };
        writer.push(answer.finish(end, sequence.prompt_tokens, sequence.cached_tokens));
        writer.end(Ok(()));
        Ok(After::Ended)
    }

    /// Gives the blocks back.
    fn release(&mut self, sequence: &mut Sequence) {
        sequence.blocks.drain(..).for_each(|id| self.parts.blocks.release(id));
        sequence.kv = 0;
        sequence.reserved = 0;
    }

    /// Keeps what an ended sequence computed, for whoever continues it, and lets the queued ones try again.
    fn leave(&mut self, mut sequence: Sequence) {
        for queued in self.sequences.iter_mut().filter(|s| s.phase == Phase::Queued) {
            queued.phase = Phase::Waiting;
        }
        if matches!(sequence.work, Work::Evaluate { .. }) {
            sequence.kv = 0;
        }
        self.parts.running.remove(sequence.id);
        let turn = turn_of_chat(&sequence);
        sequence.tokens.truncate(sequence.kv);
        let (tokens, blocks) = (std::mem::take(&mut sequence.tokens), std::mem::take(&mut sequence.blocks));
        let kept = Kept { tokens, blocks, long: sequence.long, turn };
        self.retained.keep(kept, &mut self.parts.blocks);
    }
}

/// How the next turn of an answered chat begins; `None` when text and ids of the answer do not agree.
fn turn_of_chat(sequence: &Sequence) -> Option<Turn> {
    let Work::Generate { answer, .. } = &sequence.work else { return None };
    let rendered = sequence.rendered.clone()?;
    let (answer, said) = answer.said()?;
    let ids = sequence.tokens.get(..sequence.prompt_tokens + said)?.to_vec();
    Some(Turn { rendered, answer, ids })
}

#[cfg(test)]
mod tests;
