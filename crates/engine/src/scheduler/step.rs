//! One step: one batch of a token of each answer and a chunk of one prompt.
//!
//! Prompts take turns, chunk by chunk, and where answers go on beside one its chunks are short, so that the answers keep nearly
//! their pace. What is computed of a sequence does not depend on what is in the batch with it.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use wick_compute::{Input, Row, Span, Want, Wanted};
use wick_spec::{Code, Error, Event, Result, Stop, Usage};

use super::{After, Scheduler};
use crate::blocks::blocks_for;
use crate::log::Level;
use crate::sequence::{Phase, Sequence, Work};

/// Rows of a prompt computed in one step, where no answer waits for it.
pub(crate) const CHUNK: usize = 256;

/// Rows of a prompt computed beside answers.
const BESIDE: usize = 32;

/// Answers that go on in one step.
const TOGETHER: usize = 64;

/// A sequence in a batch.
struct Member {
    sequence: Sequence,
    /// Rows of it.
    rows: usize,
    /// Which of the batch's wanted rows are its.
    wanted: Range<usize>,
}

impl Scheduler {
    /// Tends to one sequence that needs something else than a computation; where there is none, computes.
    pub(super) fn step(&mut self) {
        let tended = |sequence: &Sequence| sequence.runnable() && !computes(sequence);
        if let Some(at) = self.sequences.iter().position(tended) {
            let mut sequence = self.sequences.remove(at);
            let result = guarded(|| self.tend(&mut sequence));
            return self.conclude(sequence, result);
        }
        let chosen = self.choose();
        self.compute(chosen);
    }

    /// Who computes in this step, and how many rows.
    fn choose(&mut self) -> Vec<(Sequence, usize)> {
        for at in 0..self.sequences.len() {
            if computes(&self.sequences[at]) {
                self.lengthen(at);
            }
        }
        let (mut answers, mut prompts): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
        for sequence in self.sequences.iter().filter(|sequence| computes(sequence)) {
            if left(sequence) == 1 { answers.push(sequence.id) } else { prompts.push(sequence.id) }
        }
        // Whoever had no turn longest comes first; ids are ages.
        answers.sort_by_key(|&id| (Some(id) <= self.last_answer, id));
        answers.truncate(TOGETHER);
        prompts.sort_by_key(|&id| (Some(id) <= self.last_prompt, id));
        prompts.truncate(1);
        self.last_answer = answers.last().copied().or(self.last_answer);
        self.last_prompt = prompts.last().copied().or(self.last_prompt);
        let most = if answers.is_empty() { CHUNK } else { BESIDE };
        let mut chosen = Vec::with_capacity(answers.len() + prompts.len());
        let ids = |id: u64| answers.contains(&id) || prompts.contains(&id);
        for sequence in std::mem::take(&mut self.sequences) {
            match computes(&sequence) && ids(sequence.id) {
                true => {
                    let rows = left(&sequence).min(most);
                    chosen.push((sequence, rows));
                }
                false => self.sequences.push(sequence),
            }
        }
        chosen
    }

    /// Computes a batch of these; one that cannot be prepared, or whose computation fails, ends alone.
    fn compute(&mut self, chosen: Vec<(Sequence, usize)>) {
        self.batch.rows.clear();
        self.batch.spans.clear();
        self.batch.wanted.clear();
        let mut members = Vec::with_capacity(chosen.len());
        for (mut sequence, rows) in chosen {
            match guarded(|| self.prepare(&mut sequence, rows)) {
                Ok(wanted) => members.push(Member { sequence, rows, wanted }),
                Err(error) => self.conclude(sequence, Err(error)),
            }
        }
        // Of several only a prompt takes long enough to be stopped midway.
        let prompt = members.iter().position(|member| member.rows > 1 || members.len() == 1);
        let stop = prompt.map_or_else(Stop::default, |at| members[at].sequence.stop.clone());
        let began = Instant::now();
        let run =
            guarded(
                || if members.is_empty() { Ok(()) } else { self.parts.program.run(&self.batch, &mut self.outputs, &stop) },
            );
        let ms = began.elapsed().as_secs_f64() * 1e3;
        match run {
            Ok(()) => {
                for mut member in members {
                    let result = guarded(|| self.advance(&mut member, ms));
                    self.conclude(member.sequence, result);
                }
            }
            Err(error) if members.len() == 1 => {
                members.into_iter().for_each(|member| self.conclude(member.sequence, Err(error.clone())));
            }
            // The batch is computed again without whoever left.
            Err(error) if error.code() == Code::Cancelled => {
                members.into_iter().for_each(|member| self.put_back(member.sequence));
            }
            Err(_) => members.into_iter().for_each(|member| self.compute(vec![(member.sequence, member.rows)])),
        }
    }

    /// Tells of the start, takes blocks, and adds the next `rows` tokens to the batch; which of its wanted rows they are.
    fn prepare(&mut self, sequence: &mut Sequence, rows: usize) -> Result<Range<usize>> {
        if !sequence.started {
            sequence.started = true;
            sequence.tell(Event::Start { warnings: self.start_warnings(sequence) });
        }
        while sequence.blocks.len() < blocks_for(sequence.kv + rows) {
            let id = self.take_block()?;
            sequence.blocks.push(id);
        }
        let (from, to, first) = (sequence.kv, sequence.kv + rows, self.batch.rows.len());
        self.batch.rows.extend((from..to).map(|n| Row { input: Input::Token(sequence.tokens[n]), position: n as u32 }));
        let blocks = vec![sequence.blocks.clone(); self.parts.program.state().groups().len()];
        self.batch.spans.push(Span { rows: first..first + rows, cached: from, blocks, long: sequence.long });
        let before = self.batch.wanted.len();
        let logits_of = |n: usize| Wanted { row: first + n - from, want: Want::Logits };
        match &sequence.work {
            Work::Generate { .. } => {
                self.batch.wanted.extend((from..to).filter(|n| n + 1 == sequence.tokens.len()).map(logits_of));
            }
            Work::Prepare(_) => {}
            Work::Evaluate { positions, .. } => {
                let chosen = positions.iter().map(|&n| n as usize).filter(|n| (from..to).contains(n));
                self.batch.wanted.extend(chosen.map(logits_of));
            }
        }
        Ok(before..self.batch.wanted.len())
    }

    /// What follows computed rows: the next chunk, or at the last token what was asked for.
    fn advance(&mut self, member: &mut Member, ms: f64) -> Result<After> {
        let sequence = &mut member.sequence;
        sequence.kv += member.rows;
        let done = sequence.kv == sequence.tokens.len();
        let width = self.outputs.logits.len() / self.batch.wanted.len().max(1);
        let found = member.wanted.start * width..member.wanted.end * width;
        match &mut sequence.work {
            Work::Generate { answer, .. } => {
                answer.prefilled(member.rows, ms);
                if done { self.sample(sequence, found) } else { Ok(After::Stays) }
            }
            Work::Evaluate { logits, reply, .. } => {
                logits.extend_from_slice(&self.outputs.logits[found]);
                if !done {
                    return Ok(After::Stays);
                }
                if let Some(reply) = reply.take() {
                    reply(Ok(std::mem::take(logits)));
                }
                Ok(After::Ended)
            }
            Work::Prepare(_) if !done => Ok(After::Stays),
            Work::Prepare(reply) => {
                let usage = Usage {
                    prompt_tokens: sequence.prompt_tokens as u32,
                    cached_tokens: sequence.cached_tokens as u32,
                    completion_tokens: 0,
                    reasoning_tokens: 0,
                };
                if let Some(reply) = reply.take() {
                    reply(Ok(usage));
                }
                Ok(After::Ended)
            }
        }
    }

    /// Once it is a long one a sequence is computed from its beginning again: what it has was turned as that of a short one.
    fn lengthen(&mut self, at: usize) {
        let sequence = &mut self.sequences[at];
        if sequence.long || sequence.tokens.len() <= self.parts.long_over {
            return;
        }
        self.parts.log.write(
            Level::Info,
            format_args!("a sequence outgrew {} tokens, and is computed again as a long one", self.parts.long_over),
        );
        sequence.long = true;
        sequence.blocks.drain(..).for_each(|id| self.parts.blocks.release(id));
        sequence.kv = 0;
    }

    /// A sequence goes on, or leaves.
    fn conclude(&mut self, mut sequence: Sequence, result: Result<After>) {
        match result {
            Ok(After::Stays) => self.put_back(sequence),
            Ok(After::Ended) => self.leave(sequence),
            Err(error) => {
                // After a panic nobody knows what the blocks hold.
                if error.code() == Code::Internal {
                    sequence.kv = 0;
                }
                let error = if self.parts.closing.is_set() { Error::closed("The model was closed.") } else { error };
                self.parts.log.write(Level::Debug, format_args!("a request ended with {}", error.code()));
                sequence.fail(error);
                self.leave(sequence);
            }
        }
    }

    /// Among the others, by age.
    pub(super) fn put_back(&mut self, sequence: Sequence) {
        let at = self.sequences.partition_point(|other| other.id <= sequence.id);
        self.sequences.insert(at, sequence);
    }
}

/// Whether a computation is what the sequence needs next.
fn computes(sequence: &Sequence) -> bool {
    sequence.phase == Phase::Running && sequence.fed.is_none() && sequence.runnable() && !sequence.stop.is_set()
}

/// Rows that are to be computed.
fn left(sequence: &Sequence) -> usize {
    sequence.tokens.len() - sequence.kv
}

/// What `f` gives, or `internal` where it panicked.
fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        Err(Error::internal("The computation panicked; this request failed, the model goes on. Please report it."))
    })
}
