//! One step: one batch of a token of each answer, with what is drafted behind it, and rows of prompts.
//!
//! Prompts take turns, and have as many rows in a step as its time allows, so that answers keep nearly their pace. What a prompt has
//! in common with another is computed once: before each of its turns it takes over what is known by then, and what another
//! computes in the same step it waits for. What is computed of a sequence does not depend on what is in the batch with it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use wick_compute::{Input, Row, Span, Want, Wanted};
use wick_kernels::Pool;
use wick_sample::sample_all;
use wick_spec::{Code, Error, Event, Result, Stop, Usage};

use super::{After, Scheduler};
use crate::log::Level;
use crate::sequence::{Phase, Sequence, Work};

/// Answers that go on in one step.
const TOGETHER: usize = 64;

/// Tokens of a block.
const BLOCK: usize = wick_compute::BLOCK;

/// Rows that a sequence has in the next batch.
type Chosen = (u64, usize);

/// A sequence in a batch.
struct Member {
    sequence: Sequence,
    /// Rows of its tokens.
    rows: usize,
    /// What may come behind them, a row each.
    drafts: Vec<u32>,
    /// Which of the batch's wanted rows are its.
    wanted: Range<usize>,
}

impl Scheduler {
    /// Computes one batch. False where nobody can be computed.
    pub(super) fn compute_some(&mut self) -> bool {
        let long_over = self.parts.long_over;
        let outgrew = |s: &Sequence| s.computes() && !s.long && s.tokens.len() > long_over;
        while let Some(at) = self.sequences.iter().position(outgrew) {
            self.lengthen(at);
        }
        let (answers, prompts) = self.in_turn();
        let mut chosen = Vec::with_capacity(answers.len() + 1);
        answers.iter().for_each(|&id| self.choose(id, 1, &mut chosen));
        self.last_answer = answers.last().copied().or(self.last_answer);
        self.choose_prompts(&prompts, &mut chosen);
        if chosen.is_empty() {
            return self.nothing_fits();
        }
        let mut drafts = self.draft(&chosen);
        let ids: HashSet<u64> = chosen.iter().map(|&(id, _)| id).collect();
        let (taken, left) = std::mem::take(&mut self.sequences).into_iter().partition(|s| ids.contains(&s.id));
        self.sequences = left;
        let member = |sequence: Sequence| {
            let rows = chosen.iter().find(|&&(id, _)| id == sequence.id).map_or(0, |&(_, rows)| rows);
            let drafts = drafts.remove(&sequence.id).unwrap_or_default();
            Member { sequence, rows, drafts, wanted: 0..0 }
        };
        self.compute(Vec::into_iter(taken).map(member).collect());
        true
    }

    /// Drafts of the chosen answers, where there are free blocks for them: nobody gives way to a draft.
    fn draft(&mut self, chosen: &[Chosen]) -> HashMap<u64, Vec<u32>> {
        let rows = chosen.iter().map(|&(_, rows)| rows).sum();
        let ids: HashSet<u64> = chosen.iter().map(|&(id, _)| id).collect();
        let (context, long_over) = (self.parts.context, self.parts.long_over);
        let answers = self.sequences.iter_mut().filter(|s| s.left() == 1 && ids.contains(&s.id));
        let mut candidates: Vec<_> = answers.filter_map(|s| s.candidate(context, long_over)).collect();
        let drafts = self.parts.drafter.draft(&mut candidates, rows, &self.pace);
        let ids: Vec<u64> = candidates.iter().map(|candidate| candidate.id).collect();
        let mut kept = HashMap::new();
        for (id, drafts) in ids.into_iter().zip(drafts).filter(|(_, drafts)| !drafts.is_empty()) {
            let Some(sequence) = self.sequences.iter_mut().find(|s| s.id == id) else { continue };
            let rows = 1 + drafts.len();
            match self.parts.kv.extend(&mut sequence.table, rows, self.parts.program.state()) {
                Ok(true) => drop(kept.insert(id, drafts)),
                // Where the system refuses memory, the sequence itself will be told when it needs some.
                Ok(false) | Err(_) => sequence.guesses.withdraw(),
            }
        }
        kept
    }

    /// Answers and prompts to compute, whoever has the highest priority first, and then whoever had no turn longest.
    fn in_turn(&self) -> (Vec<u64>, Vec<u64>) {
        let turn = |last: Option<u64>| move |s: &&Sequence| (s.rank().0, Some(s.id) <= last, s.id);
        let computing = self.sequences.iter().filter(|sequence| sequence.computes());
        let (mut answers, mut prompts): (Vec<&Sequence>, Vec<&Sequence>) = computing.partition(|s| s.left() == 1);
        answers.sort_by_key(turn(self.last_answer));
        prompts.sort_by_key(turn(self.last_prompt));
        let ids = |sequences: &[&Sequence]| sequences.iter().map(|sequence| sequence.id).collect();
        answers.truncate(TOGETHER);
        (ids(&answers), ids(&prompts))
    }

    /// Puts rows of a sequence into the next batch, as many as there are blocks for; whoever gives his up for them leaves it. A sequence that cannot be
    /// is over.
    fn choose(&mut self, id: u64, rows: usize, chosen: &mut Vec<Chosen>) {
        let Some(at) = self.sequences.iter().position(|s| s.id == id && s.computes()) else { return };
        match self.secure(at, rows) {
            Ok((rows, gave_way)) => {
                chosen.retain(|(id, _)| !gave_way.contains(id));
                chosen.extend((rows > 0).then_some((id, rows)));
            }
            Err(error) => {
                let sequence = self.sequences.remove(at);
                self.conclude(sequence, Err(error));
            }
        }
    }

    /// Prompts in turn, while there is room in the batch.
    fn choose_prompts(&mut self, prompts: &[u64], chosen: &mut Vec<Chosen>) {
        let answers = chosen.len();
        let mut room = self.pace.chunk(answers, self.sequences.len() == 1);
        let mut coming = HashSet::new();
        for &id in prompts {
            if room == 0 || chosen.len() >= answers + TOGETHER {
                break;
            }
            let Some(at) = self.sequences.iter().position(|s| s.id == id && s.computes()) else { continue };
            if let Err(error) = self.reuse(at) {
                let sequence = self.sequences.remove(at);
                self.conclude(sequence, Err(error));
                continue;
            }
            let sequence = &self.sequences[at];
            let rows = chunk_rows(sequence.table.kv, sequence.left(), room);
            let keys = self.parts.kv.coming(&sequence.table, &sequence.tokens, rows);
            if keys.iter().any(|key| coming.contains(key)) {
                continue;
            }
            self.choose(id, rows, chosen);
            if let Some(&(_, rows)) = chosen.last().filter(|&&(last, _)| last == id) {
                coming.extend(keys);
                room -= rows.min(room);
                self.last_prompt = Some(id);
            }
        }
    }

    /// Takes over what has been computed of a prompt since it was looked at last.
    fn reuse(&mut self, at: usize) -> Result<()> {
        let sequence = &mut self.sequences[at];
        // The last token is computed in any case: its logits are wanted.
        let ids = &sequence.tokens[..sequence.tokens.len() - 1];
        let found = self.parts.kv.reuse(&mut sequence.table, ids, self.parts.program.state())?;
        // What it computed itself before it was preempted had not been there.
        if found > 0 && !sequence.preempted {
            let before = sequence.cached_tokens;
            sequence.cached_tokens = (before + found).min(sequence.prompt_tokens);
            let found = sequence.cached_tokens - before;
            self.parts.counters.count(|stats| stats.cache_hit_tokens += found as u64);
            let prompt = sequence.prompt_tokens;
            self.parts.log.write(Level::Debug, format_args!("{found} of {prompt} prompt tokens were computed before"));
        }
        Ok(())
    }

    /// Where sequences want to compute and not even the first in rank has room, that one is over; false where nobody wants to.
    fn nothing_fits(&mut self) -> bool {
        let first = self.sequences.iter().filter(|s| s.computes()).min_by_key(|s| s.rank()).map(|s| s.id);
        let Some(at) = first.and_then(|id| self.sequences.iter().position(|s| s.id == id)) else { return false };
        let sequence = self.sequences.remove(at);
        let bytes = self.parts.kv.bytes();
        let error = Error::out_of_memory(format!(
            "The keys and values of {} tokens do not fit into {} MiB. Load with a larger kvBytes or a smaller contextTokens.",
            sequence.tokens.len(),
            bytes.limit >> 20
        ));
        self.conclude(sequence, Err(error.with("kvBytes", bytes.limit)));
        true
    }

    /// Computes a batch of these; one that cannot be prepared, or whose computation fails, ends alone.
    fn compute(&mut self, mut members: Vec<Member>) {
        self.batch.rows.clear();
        self.batch.spans.clear();
        self.batch.wanted.clear();
        members.iter_mut().for_each(|member| self.prepare(member));
        // Of several only a prompt takes long enough to be stopped midway.
        let longest = members.iter().max_by_key(|member| member.rows).filter(|member| member.rows > 1 || members.len() == 1);
        let stop = longest.map_or_else(Stop::default, |member| member.sequence.stop.clone());
        let began = Instant::now();
        let run = guarded(|| self.parts.program.run(&self.batch, &mut self.outputs, &stop));
        let ms = began.elapsed().as_secs_f64() * 1e3;
        match run {
            Ok(()) => {
                let mut members = members;
                let of_answers = |member: &&Member| member.rows == 1 && !member.wanted.is_empty();
                let answers = members.iter().filter(of_answers).map(|member| 1 + member.drafts.len()).sum();
                self.pace.measured(answers, self.batch.rows.len() - answers, ms);
                self.choose_tokens(&mut members);
                for mut member in members {
                    let result = guarded(|| self.advance(&mut member, ms));
                    self.conclude(member.sequence, result);
                }
            }
            Err(error) if members.len() == 1 && (error.code() == Code::Cancelled || members[0].drafts.is_empty()) => {
                members.into_iter().for_each(|member| self.conclude(member.sequence, Err(error.clone())));
            }
            // The batch is computed again without whoever left.
            Err(error) if error.code() == Code::Cancelled => {
                members.into_iter().for_each(|member| self.put_back(member.sequence));
            }
            // Whose fault it is, a draft's perhaps, shows when everybody is computed alone without.
            Err(_) => {
                for mut member in members {
                    member.drafts.clear();
                    member.sequence.guesses.withdraw();
                    self.compute(vec![member]);
                }
            }
        }
    }

    /// Tells of the start, and adds a sequence's next tokens, and its drafts, to the batch.
    fn prepare(&mut self, member: &mut Member) {
        let Member { sequence, drafts, .. } = member;
        if !sequence.started {
            sequence.started = true;
            sequence.tell(Event::Start { warnings: self.start_warnings(sequence) });
        }
        let (from, rows, first) = (sequence.table.kv, member.rows + drafts.len(), self.batch.rows.len());
        let to = from + rows;
        let tokens = sequence.tokens[from..from + member.rows].iter().chain(drafts.iter());
        self.batch.rows.extend(tokens.zip(from..).map(|(&id, n)| Row { input: Input::Token(id), position: n as u32 }));
        let blocks = sequence.table.blocks().to_vec();
        self.batch.spans.push(Span { rows: first..first + rows, cached: from, blocks, long: sequence.long });
        let before = self.batch.wanted.len();
        let logits_of = |n: usize| Wanted { row: first + n - from, want: Want::Logits };
        match &sequence.work {
            Work::Generate { .. } => {
                self.batch.wanted.extend((from..to).filter(|n| n + 1 >= sequence.tokens.len()).map(logits_of));
            }
            Work::Prepare(_) | Work::Save(_) | Work::Restore(_) => {}
            Work::Evaluate { positions, logits, .. } => {
                // Those that were found before it had to begin again are not wanted twice.
                let found = logits.len() / self.parts.vocab.max(1);
                let chosen = positions.iter().skip(found).map(|&n| n as usize).filter(|n| (from..to).contains(n));
                self.batch.wanted.extend(chosen.map(logits_of));
            }
        }
        member.wanted = before..self.batch.wanted.len();
    }

    /// Chooses the next token of every answer whose logits were computed, on all threads. What follows drafts is chosen as they come true.
    fn choose_tokens(&mut self, members: &mut [Member]) {
        let width = self.outputs.logits.len() / self.batch.wanted.len().max(1);
        let mut logits = self.outputs.logits.as_mut_slice();
        let (mut answers, mut jobs) = (Vec::with_capacity(members.len()), Vec::with_capacity(members.len()));
        for (at, member) in members.iter_mut().enumerate() {
            let (own, others) = std::mem::take(&mut logits).split_at_mut(member.wanted.len() * width);
            logits = others;
            let first = own.chunks_exact_mut(width.max(1)).next();
            if let (Work::Generate { answer, .. }, Some(first)) = (&mut member.sequence.work, first) {
                answers.push(at);
                jobs.push(answer.job(first));
            }
        }
        let choices = sample_all(&mut jobs, &Pool::of_thread());
        for (at, choice) in answers.into_iter().zip(choices) {
            if let Work::Generate { answer, .. } = &mut members[at].sequence.work {
                answer.choose(choice);
            }
        }
    }

    /// What follows computed rows: the next chunk, or at the last token what was asked for.
    fn advance(&mut self, member: &mut Member, ms: f64) -> Result<After> {
        let sequence = &mut member.sequence;
        sequence.table.kv += member.rows;
        self.parts.kv.computed(&mut sequence.table, &sequence.tokens);
        let done = sequence.left() == 0;
        let width = self.outputs.logits.len() / self.batch.wanted.len().max(1);
        let found = member.wanted.start * width..member.wanted.end * width;
        match &mut sequence.work {
            Work::Generate { answer, .. } => {
                answer.prefilled(member.rows, ms);
                if !done || answer.ids().is_empty() {
                    self.parts.counters.prefilled(member.rows);
                }
                if done { self.speak(member, width) } else { Ok(After::Stays) }
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
            Work::Prepare(_) | Work::Save(_) | Work::Restore(_) if !done => Ok(After::Stays),
            Work::Save(_) | Work::Restore(_) => self.begin_giving(sequence),
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

    /// The next token of an answer, and one more for each draft that came true: what is sampled does not depend on drafts.
    fn speak(&mut self, member: &mut Member, width: usize) -> Result<After> {
        let Member { sequence, drafts, wanted, .. } = member;
        let (mut accepted, mut refused) = (0, false);
        let after = loop {
            if let (Work::Generate { answer, .. }, true) = (&mut sequence.work, accepted > 0) {
                let choice = answer.job(&mut self.outputs.logits[(wanted.start + accepted) * width..][..width]).run();
                answer.choose(choice);
            }
            let after = self.say(sequence)?;
            let Some(draft) = drafts.get(accepted) else { break after };
            refused = sequence.tokens.last() != Some(draft);
            if refused {
                break after;
            }
            accepted += 1;
            sequence.table.kv += 1;
            if matches!(after, After::Ended) || sequence.phase != Phase::Running {
                break after;
            }
        };
        self.parts.kv.computed(&mut sequence.table, &sequence.tokens);
        sequence.guesses.settle(accepted, refused);
        self.parts.counters.count(|stats| {
            stats.draft_proposed_tokens += drafts.len() as u64;
            stats.draft_accepted_tokens += accepted as u64;
        });
        if matches!(after, After::Stays) && sequence.phase == Phase::Running {
            sequence.ask_what_comes();
        }
        Ok(after)
    }

    /// Once it is a long one a sequence is computed from its beginning again: what it has was turned as that of a short one.
    fn lengthen(&mut self, at: usize) {
        let mut sequence = self.sequences.remove(at);
        self.parts.log.write(
            Level::Info,
            format_args!("a sequence outgrew {} tokens, and is computed again as a long one", self.parts.long_over),
        );
        self.parts.kv.leave(&mut sequence.table, &sequence.tokens);
        self.begin_table(&mut sequence, true);
        self.sequences.insert(at, sequence);
    }
}

/// Rows of a prompt's next chunk, at most `room`, its chunks about equal: many rows and then few cost more. They end at the end of a block where
/// that is near: then others can go on from there.
fn chunk_rows(kv: usize, left: usize, room: usize) -> usize {
    let rows = left.div_ceil(left.div_ceil(room).max(1));
    let up = (kv + rows).next_multiple_of(BLOCK) - kv;
    let down = ((kv + rows) / BLOCK * BLOCK).saturating_sub(kv);
    match rows {
        _ if rows == left => left,
        _ if up <= room => up.min(left),
        _ if down * 4 >= room * 3 => down,
        _ => rows,
    }
}

/// What `f` gives, or `internal` where it panicked.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| {
        Err(Error::internal("The computation panicked; this request failed, the model goes on. Please report it."))
    })
}

#[cfg(test)]
mod tests {
    use super::chunk_rows;

    #[test]
    fn chunks_are_about_equal_fit_and_end_at_blocks_where_that_costs_little() {
        assert_eq!([chunk_rows(0, 257, 256), chunk_rows(160, 97, 256)], [160, 97]);
        assert_eq!([chunk_rows(0, 257, 300), chunk_rows(0, 30, 21), chunk_rows(15, 15, 21)], [257, 15, 15]);
        assert_eq!([chunk_rows(0, 2000, 80), chunk_rows(64, 1936, 80)], [64, 64]);
        assert_eq!([chunk_rows(0, 2000, 21), chunk_rows(21, 1979, 21)], [21, 21], "not 21 and 11 by turns");
        for (kv, left, room) in (0..2000).map(|n| (n * 7 % 100, 1 + n % 400, 1 + n % 37)) {
            let rows = chunk_rows(kv, left, room);
            assert!((1..=room.min(left)).contains(&rows), "{kv}, {left}, {room}: {rows}");
        }
    }
}
