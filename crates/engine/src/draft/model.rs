//! A second, smaller model that drafts: the most probable token, then the next, for all sequences that ask in one batch.
//!
//! It has blocks of its own, few, and a sequence that finds none is not drafted. What it computed of its own drafts counts only when
//! they came true: until then it lies behind the tokens that are known, and is written over otherwise, so nothing is rolled back.

use std::collections::HashMap;
use std::time::Instant;

use wick_compute::{Batch, Input, Outputs, Program, Row, Span, Want, Wanted};
use wick_spec::{Error, Result, Stop};
use wick_text::Tokenizer;

use crate::kv::{Kv, Table, common_prefix};
use crate::scheduler::Pace;

/// What a draft model is made of.
pub(crate) struct Parts {
    pub program: Box<dyn Program>,
    pub kv: Kv,
    /// Tokens that a sequence may hold.
    pub context: usize,
    /// A sequence of more tokens turns as a long one.
    pub long_over: usize,
    /// Ids that both models know.
    pub vocab: usize,
}

/// The draft model on the model's thread.
pub(crate) struct DraftModel {
    parts: Parts,
    held: HashMap<u64, Held>,
    pace: Pace,
    batch: Batch,
    outputs: Outputs,
}

/// What is computed of a sequence.
struct Held {
    table: Table,
    long: bool,
    /// The tokens whose keys and values the blocks hold: those that the table counts, and behind them what may come true.
    ids: Vec<u32>,
}

/// A sequence that is to be drafted.
pub(crate) struct Sought<'a> {
    /// Of the sequence.
    pub id: u64,
    /// What it computes is shared with sequences of the same salt alone.
    pub salt: Option<&'a str>,
    /// All of its tokens.
    pub tokens: &'a [u32],
    /// Tokens to draft, or to catch up, at most.
    pub most: usize,
}

impl DraftModel {
    pub(crate) fn new(parts: Parts) -> Self {
        let (batch, outputs) = (Batch::default(), Outputs::default());
        Self { parts, held: HashMap::new(), pace: Pace::default(), batch, outputs }
    }

    /// Tokens that it can hold of a sequence.
    pub(crate) fn context(&self) -> usize {
        self.parts.context
    }

    /// Milliseconds of a step of so many rows.
    pub(crate) fn cost(&self, rows: usize) -> f64 {
        self.pace.cost(rows)
    }

    /// Rows to be computed before the first draft, the last token's included.
    pub(crate) fn behind(&self, id: u64, tokens: &[u32]) -> usize {
        let known = self.held.get(&id).map_or(0, |held| common_prefix(&held.ids, tokens));
        (tokens.len() - known).max(1)
    }

    /// Computes some of the tokens before the last. True where nothing is left to do: all are computed, or there is no room.
    pub(crate) fn catch_up(&mut self, sought: &Sought<'_>, stop: &Stop) -> Result<bool> {
        let &Sought { id, tokens, most, .. } = sought;
        self.clear();
        self.follow(sought)?;
        let known = self.held.get(&id).map_or(0, |held| held.ids.len());
        let to = (known + most).min(tokens.len() - 1);
        if to > known && self.add(id, &tokens[known..to], false)? {
            self.run(&[id], stop)?;
            self.count(id, &tokens[..to + 1]);
            return Ok(to + 1 == tokens.len());
        }
        Ok(true)
    }

    /// Drafts for each what it would say, fewer tokens where there is no room.
    pub(crate) fn draft(&mut self, sought: &[Sought<'_>], stop: &Stop) -> Result<Vec<Vec<u32>>> {
        for sought in sought {
            self.follow(sought)?;
        }
        let mut drafts: Vec<Vec<u32>> = sought.iter().map(|sought| Vec::with_capacity(sought.most)).collect();
        for depth in 0.. {
            self.clear();
            let mut members = Vec::new();
            for (at, Sought { id, tokens, most, .. }) in sought.iter().enumerate() {
                if drafts[at].len() < depth || depth >= *most {
                    continue;
                }
                let known = self.held.get(id).map_or(0, |held| held.ids.len());
                let next = if depth == 0 { &tokens[known..] } else { &drafts[at][depth - 1..] };
                if self.add(*id, next, true)? {
                    members.push(at);
                }
            }
            if members.is_empty() {
                break;
            }
            let ids: Vec<u64> = members.iter().map(|&at| sought[at].id).collect();
            self.run(&ids, stop)?;
            let width = self.outputs.logits.len() / members.len();
            for (logits, &at) in self.outputs.logits.chunks_exact(width).zip(&members) {
                drafts[at].push(largest(&logits[..width.min(self.parts.vocab)]));
            }
            if depth == 0 {
                members.iter().for_each(|&at| self.count(sought[at].id, sought[at].tokens));
            }
        }
        Ok(drafts)
    }

    /// A sequence ended, or found no room: what was computed of it is kept until others need the room.
    pub(crate) fn forget(&mut self, id: u64) {
        if let Some(mut held) = self.held.remove(&id) {
            self.parts.kv.leave(&mut held.table, &held.ids);
        }
    }

    /// Makes what is held a beginning of `tokens`, shorter than they are: what came true of the drafts is counted, the rest dropped.
    fn follow(&mut self, sought: &Sought<'_>) -> Result<()> {
        let &Sought { id, salt, tokens, .. } = sought;
        let long = tokens.len() > self.parts.long_over;
        if let Some(held) = self.held.get_mut(&id) {
            let common = common_prefix(&held.ids, &tokens[..tokens.len() - 1]);
            if common >= held.table.kv && held.long == long {
                held.ids.truncate(common);
                held.table.kv = common;
                self.parts.kv.computed(&mut held.table, &held.ids);
                return Ok(());
            }
            self.drop(id);
        }
        let mut table = self.parts.kv.table(Some((long, salt)));
        let known = self.parts.kv.reuse(&mut table, &tokens[..tokens.len() - 1], self.parts.program.state())?;
        self.held.insert(id, Held { table, long, ids: tokens[..known].to_vec() });
        Ok(())
    }

    /// Counts what is computed as far as `tokens` go, but for the last, which is computed again where it is asked for twice.
    fn count(&mut self, id: u64, tokens: &[u32]) {
        if let Some(held) = self.held.get_mut(&id) {
            held.table.kv = tokens.len() - 1;
            self.parts.kv.computed(&mut held.table, &held.ids);
        }
    }

    /// Gives up what is held of a sequence, whatever it is.
    fn drop(&mut self, id: u64) {
        if let Some(mut held) = self.held.remove(&id) {
            self.parts.kv.discard(&mut held.table);
        }
    }

    fn clear(&mut self) {
        self.batch.rows.clear();
        self.batch.spans.clear();
        self.batch.wanted.clear();
    }

    /// Adds rows of a sequence to the batch; `asks`: the last one's logits are wanted. False where there is no room.
    fn add(&mut self, id: u64, next: &[u32], asks: bool) -> Result<bool> {
        let Some(held) = self.held.get_mut(&id) else { return Ok(false) };
        let (from, to) = (held.ids.len(), held.ids.len() + next.len());
        let ahead = to - held.table.kv;
        let known = next.iter().all(|&id| (id as usize) < self.parts.vocab);
        if !known || to > self.parts.context {
            return Ok(false);
        }
        if !self.parts.kv.extend(&mut held.table, ahead, self.parts.program.state())? {
            // What it has is there for others to take.
            self.forget(id);
            return Ok(false);
        }
        let first = self.batch.rows.len();
        let rows = next.iter().zip(from..).map(|(&id, n)| Row { input: Input::Token(id), position: n as u32 });
        self.batch.rows.extend(rows);
        let blocks = held.table.blocks().to_vec();
        self.batch.spans.push(Span { rows: first..first + next.len(), cached: from, blocks, long: held.long });
        if asks {
            self.batch.wanted.push(Wanted { row: self.batch.rows.len() - 1, want: Want::Logits });
        }
        held.ids.extend_from_slice(next);
        Ok(true)
    }

    /// Computes the batch of these sequences. Where that fails, nobody knows what their blocks hold.
    fn run(&mut self, members: &[u64], stop: &Stop) -> Result<()> {
        let began = Instant::now();
        let run = self.parts.program.run(&self.batch, &mut self.outputs, stop);
        match &run {
            Ok(()) => self.pace.measured(self.batch.rows.len(), 0, began.elapsed().as_secs_f64() * 1e3),
            Err(_) => members.iter().for_each(|&id| self.drop(id)),
        }
        run
    }
}

/// The lowest id of the largest logit.
fn largest(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (id, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = id;
        }
    }
    best as u32
}

/// How many ids are the same token in both vocabularies. One may be longer, by tokens that are none: rows that pad a matrix.
/// `unsupported` names the first id that differs.
pub(crate) fn shared_vocabulary(model: &Tokenizer, draft: &Tokenizer) -> Result<usize> {
    let (ours, theirs) = (model.vocab_size(), draft.vocab_size());
    let shared = ours.min(theirs);
    let same = |id: u32| match (id as usize) < shared {
        true => model.token_bytes(id) == draft.token_bytes(id),
        false => [model, draft].into_iter().all(|tokenizer| tokenizer.token_bytes(id).is_none() || tokenizer.is_control(id)),
    };
    let Some(id) = (0..ours.max(theirs) as u32).find(|&id| !same(id)) else { return Ok(shared) };
    let shown = |tokenizer: &Tokenizer| tokenizer.token_text(id).map_or("none".into(), |text| format!("{text:?}"));
    Err(Error::unsupported(format!(
        "The draft model's vocabulary is not the model's: token {id} is {} there and {} in the model. A draft model must be of the \
         same family.",
        shown(draft),
        shown(model)
    )))
}

#[cfg(test)]
mod tests;
