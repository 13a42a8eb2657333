//! Speculation: guesses at the next tokens of an answer, computed together with it and kept as far as they come true.
//!
//! A draft is a row of a batch like any other. What is sampled at each row is sampled as if the rows behind it were not there, so
//! a draft decides nothing: it is what the sampler chose, or it is dropped. Answers are the same tokens with drafts as without
//! them, greedy or sampled (`docs/design/speculation.md`).

mod lookup;
mod model;
mod open;
mod worth;

use wick_spec::{Result, Stop};

use crate::log::{Level, Log};
use crate::scheduler::{CHUNK, Pace};
use lookup::{Lookup, Match};
use model::{DraftModel, Sought};
pub(crate) use open::opened;
use worth::{Bid, Kind, Record, Share, Step};

/// Tokens drafted at once at most, where the caller does not say.
pub(crate) const TOKENS: usize = 15;

/// Most tokens that may be drafted at once.
pub(crate) const MOST_TOKENS: usize = 63;

/// Whether what a backend computes of a row does not depend on the rows beside it, to the bit.
pub(crate) fn drafts_change_nothing(backend: &str) -> bool {
    matches!(backend, "cpu" | "reference")
}

/// Where drafts come from where no caller predicts.
pub(crate) enum Source {
    /// There are none.
    None,
    /// From the sequence itself.
    Lookup,
    /// From a smaller model.
    Model(Box<DraftModel>),
    /// What a test makes of a sequence, worth it or not.
    #[cfg(test)]
    Wild(Box<dyn Draws>),
}

/// A test's drafts: of a sequence's tokens, so many at most.
#[cfg(test)]
pub(crate) trait Draws: FnMut(&[u32], usize) -> Vec<u32> {}

#[cfg(test)]
impl<F: FnMut(&[u32], usize) -> Vec<u32>> Draws for F {}

/// Makes the drafts of a model's sequences.
pub(crate) struct Drafter {
    source: Source,
    /// Tokens at once.
    most: usize,
    log: Log,
}

/// What is known of the drafts of one sequence.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    lookup: Lookup,
    record: Record,
    /// Of a caller who predicts: what he expects next, and how many tokens he has seen.
    given: Option<(Vec<u32>, usize)>,
    /// Whether a draft model has computed the prompt, or found no room for it.
    caught_up: bool,
    /// Drafts of the step that is computed now.
    made: Option<Made>,
    /// Milliseconds that a token takes without drafts.
    token: f64,
}

/// Drafts that were made.
#[derive(Debug, Clone, Copy)]
struct Made {
    kind: Kind,
    tokens: usize,
    /// Milliseconds a token.
    price: f64,
}

/// An answer that a step computes a token of.
pub(crate) struct Candidate<'a> {
    pub id: u64,
    /// What its drafts' computation is shared under.
    pub salt: Option<&'a str>,
    /// Of the sequence, the one to be computed included.
    pub tokens: &'a [u32],
    /// How many of them are the prompt.
    pub prompt: usize,
    /// Drafts that may be of use: none where the next token is the last.
    pub room: usize,
    pub guesses: &'a mut Guesses,
}

/// Where the drafts of a candidate could come from.
enum Way {
    Nowhere,
    Match(Match),
    Given,
    Model { behind: usize },
}

impl Guesses {
    /// Of a sequence whose caller predicts.
    pub(crate) fn predicted() -> Self {
        Self { record: Record::of_asked(), given: Some((Vec::new(), 0)), ..Self::default() }
    }

    /// The tokens that a caller who predicts has not seen, where it is worth asking what comes next.
    pub(crate) fn ask<'a>(&mut self, tokens: &'a [u32]) -> Option<&'a [u32]> {
        let hopes = self.record.hopes(Kind::GIVEN);
        let (_, seen) = self.given.as_mut().filter(|_| hopes)?;
        let from = std::mem::replace(seen, tokens.len());
        Some(&tokens[from..])
    }

    /// The sequence begins anew, with another prompt.
    pub(crate) fn restart(&mut self) {
        self.lookup.clear();
        self.caught_up = false;
        if let Some((ids, seen)) = &mut self.given {
            ids.clear();
            *seen = 0;
        }
    }

    /// The drafts of this step are not computed.
    pub(crate) fn withdraw(&mut self) {
        self.made = None;
    }

    /// What a caller expects.
    pub(crate) fn tell(&mut self, mut ids: Vec<u32>) {
        ids.truncate(MOST_TOKENS);
        if let Some((given, _)) = &mut self.given {
            *given = ids;
        }
    }

    /// The step is computed: of its drafts so many were accepted, and whether one was refused.
    pub(crate) fn settle(&mut self, accepted: usize, refused: bool) {
        self.record.earn(self.token);
        if let Some(Made { kind, tokens, price }) = self.made.take() {
            self.record.settle(kind, (tokens, price), accepted, refused, self.token);
        }
    }
}

impl Drafter {
    /// Of at most `most` tokens at once.
    pub(crate) fn new(source: Source, most: usize, log: Log) -> Self {
        Self { source, most, log }
    }

    /// Makes the drafts of a step's answers, which computes `rows` without drafts. `pace` knows what rows cost.
    pub(crate) fn draft(&mut self, candidates: &mut [Candidate<'_>], rows: usize, pace: &Pace) -> Vec<Vec<u32>> {
        let answers = candidates.len();
        if answers == 0 {
            return Vec::new();
        }
        #[cfg(test)]
        if let Source::Wild(draft) = &mut self.source {
            let drafts = candidates.iter().map(|c| draft(c.tokens, c.room.min(self.most)));
            return drafts.collect();
        }
        self.catch_up(candidates);
        let ways: Vec<Way> = candidates.iter_mut().map(|candidate| self.way(candidate)).collect();
        let token = pace.cost(answers) / answers as f64;
        let bids: Vec<Bid> = candidates.iter().zip(&ways).map(|(c, way)| self.bid(c, way, token)).collect();
        let share = {
            let draft_cost = |rows| if let Source::Model(model) = &self.source { model.cost(rows) } else { 0.0 };
            Step { rows, answers, cost: &|rows| pace.cost(rows), draft_cost: &draft_cost }.share(&bids)
        };
        let drafts = self.make(candidates, &ways, &share);
        for ((candidate, way), drafts) in candidates.iter_mut().zip(&ways).zip(&drafts) {
            let made = Made { kind: way.kind(), tokens: drafts.len(), price: share.price };
            candidate.guesses.made = Some(made).filter(|made| made.tokens > 0);
            candidate.guesses.token = token;
        }
        drafts
    }

    /// A sequence left, or gave its keys and values up.
    pub(crate) fn forget(&mut self, id: u64) {
        if let Source::Model(model) = &mut self.source {
            model.forget(id);
        }
    }

    fn way(&mut self, candidate: &mut Candidate<'_>) -> Way {
        let Candidate { id, tokens, room, guesses, .. } = candidate;
        match &mut self.source {
            _ if *room == 0 => Way::Nowhere,
            _ if guesses.given.is_some() => Way::Given,
            Source::None => Way::Nowhere,
            Source::Lookup => {
                guesses.lookup.extend(tokens);
                guesses.lookup.find(tokens).map_or(Way::Nowhere, Way::Match)
            }
            Source::Model(model) if guesses.caught_up && tokens.len() < model.context() => {
                Way::Model { behind: model.behind(*id, tokens) }
            }
            Source::Model(_) => Way::Nowhere,
            #[cfg(test)]
            Source::Wild(_) => Way::Nowhere,
        }
    }

    fn bid(&self, candidate: &Candidate<'_>, way: &Way, token: f64) -> Bid {
        let most = self.most.min(candidate.room);
        let (most, behind) = match way {
            Way::Nowhere => (0, 0),
            Way::Match(_) => (most, 0),
            Way::Given => (candidate.guesses.given.as_ref().map_or(0, |(ids, _)| ids.len().min(most)), 0),
            Way::Model { behind } => (most, *behind),
        };
        candidate.guesses.record.bid(way.kind(), most, behind, token)
    }

    fn make(&mut self, candidates: &mut [Candidate<'_>], ways: &[Way], share: &Share) -> Vec<Vec<u32>> {
        let mut drafts: Vec<Vec<u32>> = vec![Vec::new(); candidates.len()];
        let (mut places, mut sought) = (Vec::new(), Vec::new());
        for (at, (candidate, &most)) in candidates.iter_mut().zip(&share.tokens).enumerate() {
            // What was expected of this step is of no use to the next.
            let given = candidate.guesses.given.as_mut().map(|(ids, _)| std::mem::take(ids)).unwrap_or_default();
            match &ways[at] {
                Way::Nowhere => {}
                Way::Match(found) => drafts[at] = found.follow(candidate.tokens, most),
                Way::Given => drafts[at] = given.into_iter().take(most).collect(),
                Way::Model { .. } if most > 0 => {
                    places.push(at);
                    sought.push(Sought { id: candidate.id, salt: candidate.salt, tokens: candidate.tokens, most });
                }
                Way::Model { .. } => {}
            }
        }
        if !sought.is_empty() {
            let made = self.with_model(|model| model.draft(&sought, &Stop::default())).unwrap_or_default();
            places.into_iter().zip(made).for_each(|(at, made)| drafts[at] = made);
        }
        drafts
    }

    /// Lets a draft model compute the prompt of an answer that has none of it yet, a piece a step.
    fn catch_up(&mut self, candidates: &mut [Candidate<'_>]) {
        if !matches!(self.source, Source::Model(_)) {
            return;
        }
        let behind = |candidate: &&mut Candidate<'_>| !candidate.guesses.caught_up && candidate.guesses.given.is_none();
        if let Some(candidate) = candidates.iter_mut().find(behind) {
            // Of the answer only what is drafted is computed, so that this is done once.
            let prompt = &candidate.tokens[..candidate.tokens.len().min(candidate.prompt + 1)];
            let sought = Sought { id: candidate.id, salt: candidate.salt, tokens: prompt, most: CHUNK };
            let done = self.with_model(|model| model.catch_up(&sought, &Stop::default()));
            if done.unwrap_or(true) {
                candidate.guesses.caught_up = true;
                candidate.guesses.record = Record::of_asked();
            }
        }
    }

    /// Has the draft model do something; one that fails is not asked again, and answers go on without it.
    fn with_model<T>(&mut self, f: impl FnOnce(&mut DraftModel) -> Result<T>) -> Option<T> {
        let Source::Model(model) = &mut self.source else { return None };
        let done = crate::scheduler::guarded(|| f(model));
        if let Err(error) = &done
            && error.code() != wick_spec::Code::Cancelled
        {
            self.log.write(Level::Warn, format_args!("the draft model failed and is not used any more: {error}"));
            self.source = Source::None;
        }
        done.ok()
    }
}

impl Way {
    fn kind(&self) -> Kind {
        match self {
            Self::Match(found) => Kind::of_match(found.length),
            Self::Nowhere | Self::Given | Self::Model { .. } => Kind::GIVEN,
        }
    }
}
