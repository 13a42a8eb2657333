//! Who may compute: prompts become tokens, sequences in line get their keys and values, and give them up for others.
//!
//! A sequence is admitted when what it needs now is there, not what it may come to need. When keys and values run out, somebody gives his
//! up and computes them again later: first whoever waits for his reader, then whoever has the lowest priority, then the youngest. So
//! the first in rank always goes on, and one after the other everybody is that.

use wick_spec::{Error, Overflow, Result};

use super::{After, CHUNK, Scheduler};
use crate::log::Level;
use crate::sequence::{Phase, Sequence, Work};

impl Scheduler {
    /// Turns the prompt into tokens, holds them to the window, and puts the sequence in line.
    pub(super) fn encode(&mut self, sequence: &mut Sequence) -> Result<After> {
        let Some(prompt) = sequence.prompt.take() else { return Ok(After::Stays) };
        let past = sequence.past.take();
        if let Some(past) = &past {
            sequence.session = Some(past.turn.clone());
        }
        // Others may have said the same words by other ids: what a session says must not hang on whom else the model remembers.
        let encoded = match &sequence.session {
            Some(own) => self.parts.prompter.encode(&prompt, past.as_ref(), own.as_deref().into_iter())?,
            None => self.parts.prompter.encode(&prompt, None, self.turns.iter())?,
        };
        if let Some(&id) = encoded.ids.iter().find(|&&id| id as usize >= self.parts.vocab) {
            return Err(Error::invalid_request(format!(
                "Token {id} is not in the model's vocabulary of {}.",
                self.parts.vocab
            )));
        }
        self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
        sequence.prompt_tokens = encoded.ids.len();
        sequence.cached_tokens = 0;
        sequence.tokens = encoded.ids;
        sequence.rendered = encoded.rendered;
        sequence.thoughts = encoded.thoughts;
        if let Work::Generate { answer, .. } = &sequence.work {
            sequence.tokens.extend_from_slice(answer.ids());
        }
        if let Some(after) = self.check_window(sequence)? {
            return Ok(after);
        }
        self.parts.counters.count(|stats| stats.cache_lookup_tokens += sequence.prompt_tokens as u64);
        sequence.preempted = false;
        sequence.guesses.restart();
        self.begin_table(sequence, sequence.tokens.len() > self.parts.long_over);
        sequence.phase = Phase::Queued;
        Ok(After::Stays)
    }

    /// An empty table, for a `long` sequence or another: what they compute is not shared between the two. What an evaluation computes is
    /// shared with nobody.
    pub(super) fn begin_table(&mut self, sequence: &mut Sequence, long: bool) {
        sequence.long = long;
        let shares = !matches!(sequence.work, Work::Evaluate { .. });
        sequence.table = self.parts.kv.table(shares.then_some((long, sequence.salt.as_deref())));
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

    /// Lets in whoever is first in line and fits, and whoever is next, until one does not: nobody is overtaken.
    pub(super) fn admit(&mut self) {
        while let Some(first) = self.first_in_line() {
            while !self.fits(first) {
                let rank = self.sequences[first].rank();
                let gives_way = |other: &Sequence| !other.computes() || other.priority < rank.0.0;
                let Some(victim) = self.victim(first, gives_way) else { return };
                self.preempt(victim);
            }
            let sequence = &mut self.sequences[first];
            sequence.phase = Phase::Running;
            if let Work::Generate { answer, .. } = &mut sequence.work {
                answer.begin(&sequence.tokens[..sequence.prompt_tokens], sequence.thoughts.clone());
            }
        }
    }

    /// Who is let in next. One that is cancelled leaves instead: let in it would not compute, so it would give way to the next in line, and
    /// take that one's place again, and again.
    fn first_in_line(&self) -> Option<usize> {
        let waits = |s: &Sequence| s.phase == Phase::Queued && s.runnable() && !s.stop.is_set();
        let queued = |&at: &usize| waits(&self.sequences[at]);
        (0..self.sequences.len()).filter(queued).min_by_key(|&at| self.sequences[at].rank())
    }

    /// Whether there is a place for a sequence in line, and room for its tokens beside those of all who were let in, and a block more for each.
    fn fits(&self, at: usize) -> bool {
        let running = || self.sequences.iter().enumerate().filter(|&(other, s)| other != at && s.holds()).map(|(_, s)| s);
        if running().next().is_none() {
            return true;
        }
        let (kv, sequence) = (&self.parts.kv, &self.sequences[at]);
        let need = kv.need(&sequence.table, &sequence.tokens, CHUNK);
        let taken: u64 = running().map(|s| kv.need(&s.table, &s.tokens, CHUNK).new + kv.block_bytes()).sum();
        running().count() < self.parts.most_running && need.new + need.idle + taken <= kv.room()
    }

    /// Of those that hold keys and values and give way, who does first.
    fn victim(&self, of: usize, gives_way: impl Fn(&Sequence) -> bool) -> Option<usize> {
        let others = self.sequences.iter().enumerate().filter(|&(at, other)| at != of && other.holds() && gives_way(other));
        others.max_by_key(|(_, other)| (!other.computes(), other.rank())).map(|(at, _)| at)
    }

    /// Takes keys and values from a sequence; it goes back into line. What of them nobody needs stays in the cache, and may be found again.
    pub(super) fn preempt(&mut self, at: usize) {
        let sequence = &mut self.sequences[at];
        self.parts.log.write(
            Level::Debug,
            format_args!("a sequence of {} tokens gives its keys and values up, to compute them again", sequence.table.kv),
        );
        self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
        sequence.preempted = true;
        let moves_again = matches!(sequence.work, Work::Save(_)) && sequence.phase == Phase::Moving;
        if sequence.phase == Phase::Running || moves_again {
            sequence.phase = Phase::Queued;
        }
        self.parts.counters.count(|stats| stats.preemptions += 1);
    }

    /// Takes the blocks for `rows` more tokens of a sequence; where they run out, those behind it in rank give way. How many rows there is room for,
    /// none at worst, and who gave way.
    pub(super) fn secure(&mut self, at: usize, rows: usize) -> Result<(usize, Vec<u64>)> {
        let mut gave_way = Vec::new();
        loop {
            let sequence = &mut self.sequences[at];
            if self.parts.kv.extend(&mut sequence.table, rows, self.parts.program.state())? {
                return Ok((rows, gave_way));
            }
            let (rank, fit) = (sequence.rank(), sequence.table.room().saturating_sub(sequence.table.kv));
            let gives_way = |other: &Sequence| !other.computes() || other.rank() > rank;
            match self.victim(at, gives_way) {
                Some(victim) => {
                    gave_way.push(self.sequences[victim].id);
                    self.preempt(victim);
                }
                None => return Ok((fit.min(rows), gave_way)),
            }
        }
    }
}
