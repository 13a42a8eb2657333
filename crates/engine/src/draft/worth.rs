//! What is worth drafting, by what it costs and how often it comes true.
//!
//! A draft that is rejected costs a row, and rows are cheap only up to a point, so two rules decide, and they are independent:
//!
//! - *Is it expected to pay?* Of a draft of k tokens, each accepted with chance p, E(k) = 1 + p + … + p^k tokens come
//!   (Leviathan et al. 2023, eq. 1). Drafts are chosen where they raise the sum over the step's answers of ln(tokens a second):
//!   Σ ln E(k) - n ln(cost with / cost without). Beside one answer that is its speed; among n it is proportional fairness
//!   (Kelly 1997), so one's drafts may not slow the others for a gain of its own alone. What raises a geometric mean from equals
//!   raises the arithmetic one.
//! - *Can it be afforded?* Every sequence has a purse. [`EARNED`] of the time that its tokens would have taken without drafts goes
//!   in, what accepted drafts save goes in, what drafting costs goes out, and nothing is drafted whose whole rejection the purse
//!   could not pay. So the purse is never negative, and drafting costs at most [`EARNED`] of the time without it, whatever comes
//!   true: speed never falls below 1 / (1 + EARNED) = 0.96 of it, at no point of any answer, by the costs that are known.
//!
//! What does not pay is tried again, one token at a time, after pauses that double.

/// The share of a sequence's time that drafting may lose.
const EARNED: f64 = 0.04;

/// Most a purse holds, in tokens' time: what was won long ago is not there to be lost.
const PURSE: f64 = 8.0;

/// Most a step may take longer where not all of its answers have drafts.
const BYSTANDERS: f64 = 1.25;

/// What the purse begins with where the caller asked for drafts, in tokens' time.
const GIFT: f64 = 4.0;

/// The chance below which a caller is not asked for drafts, but for a try now and then.
const HOPE: f64 = 0.2;

/// Rows that cost as much as what a step costs whatever its rows, at most: a row is never taken for cheaper, whatever was measured on
/// a machine that was busy elsewhere.
const FIXED_ROWS: f64 = 12.0;

/// What a draft's outcome still counts after another one.
const FADING: f64 = 0.9;

/// Trials that a first opinion counts as.
const OPINION: f64 = 2.0;

/// The first and the longest pause between two tries of what does not pay, in tokens.
const PAUSES: std::ops::RangeInclusive<u32> = 8..=128;

/// How sure drafts are at first, by kind; what comes true soon corrects it.
const CHANCES: [f64; 8] = [0.4, 0.5, 0.6, 0.7, 0.75, 0.85, 0.9, 0.7];

/// Drafts that are about as sure as each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind(usize);

impl Kind {
    /// Of a model, or of the caller.
    pub(crate) const GIVEN: Self = Self(7);

    /// Of a match of so many tokens.
    pub(crate) fn of_match(length: usize) -> Self {
        Self([3, 4, 5, 8, 16, 32].iter().filter(|&&least| length >= least).count())
    }
}

/// How often drafts of one kind came true lately.
#[derive(Debug, Clone, Copy, Default)]
struct Rate {
    hits: f64,
    trials: f64,
}

/// What is known of one sequence's drafts.
#[derive(Debug)]
pub(crate) struct Record {
    rates: [Rate; CHANCES.len()],
    /// Milliseconds.
    purse: f64,
    /// What was put into the purse at first, in tokens' time, where that is not in it yet.
    gift: f64,
    /// Tokens until the next try of what does not pay, and the pause after it.
    rest: u32,
    pause: u32,
}

impl Default for Record {
    fn default() -> Self {
        Self { rates: Default::default(), purse: 0.0, gift: 0.0, rest: 0, pause: *PAUSES.start() }
    }
}

/// What a sequence could have drafted in a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bid {
    /// Of each token of it, that it is accepted where those before it are.
    pub chance: f64,
    /// Tokens at most.
    pub most: usize,
    /// Milliseconds that may be lost.
    pub purse: f64,
    /// Whether a token may be tried although it does not pay.
    pub tries: bool,
    /// Rows that a draft model computes for the first of them; 0 for drafts that cost nothing to make.
    pub behind: usize,
}

/// A step that drafts may be added to.
pub(crate) struct Step<'a> {
    /// Its rows without drafts, and how many of them are answers'; one answer at least.
    pub rows: usize,
    pub answers: usize,
    /// Milliseconds of a step of so many rows.
    pub cost: &'a dyn Fn(usize) -> f64,
    /// Milliseconds of a draft model's step of so many rows.
    pub draft_cost: &'a dyn Fn(usize) -> f64,
}

/// What is drafted in a step.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Share {
    /// Tokens, by bid.
    pub tokens: Vec<usize>,
    /// Milliseconds that a drafted token costs, rejected or not.
    pub price: f64,
}

impl Record {
    /// Of a sequence whose caller asked for drafts: it has something to lose from the start.
    pub(crate) fn of_asked() -> Self {
        Self { gift: GIFT, ..Self::default() }
    }

    /// What the sequence offers: `most` tokens of a kind, where a token takes `ms` without drafts.
    pub(crate) fn bid(&self, kind: Kind, most: usize, behind: usize, ms: f64) -> Bid {
        let purse = self.purse + self.gift * ms;
        Bid { chance: self.chance(kind), most, purse, tries: self.rest == 0, behind }
    }

    /// Whether drafts of a kind are worth asking for.
    pub(crate) fn hopes(&self, kind: Kind) -> bool {
        self.rest == 0 || self.chance(kind) >= HOPE
    }

    fn chance(&self, kind: Kind) -> f64 {
        let rate = self.rates[kind.0];
        (rate.hits + OPINION * CHANCES[kind.0]) / (rate.trials + OPINION)
    }

    /// A token came without help: one that would take `ms` without drafts.
    pub(crate) fn earn(&mut self, ms: f64) {
        self.rest = self.rest.saturating_sub(1);
        self.put(EARNED * ms, ms);
    }

    /// `drafted` tokens of a kind, each of them paid with `price` milliseconds; `accepted` of them came true, and saved `ms` each.
    /// Whether one was `refused`, or all that could be tried were accepted.
    pub(crate) fn settle(&mut self, kind: Kind, share: (usize, f64), accepted: usize, refused: bool, ms: f64) {
        let (drafted, price) = share;
        let rate = &mut self.rates[kind.0];
        rate.hits = rate.hits * FADING + accepted as f64;
        rate.trials = rate.trials * FADING + accepted as f64 + f64::from(u8::from(refused));
        self.put(accepted as f64 * (1.0 + EARNED) * ms - drafted as f64 * price, ms);
        (self.rest, self.pause) = match accepted {
            0 => (self.pause, (self.pause * 2).min(*PAUSES.end())),
            _ => (0, *PAUSES.start()),
        };
    }

    fn put(&mut self, change: f64, token: f64) {
        // Costs are measured, and may have risen since the purse was asked.
        let gift = std::mem::take(&mut self.gift) * token;
        self.purse = (self.purse + gift + change).clamp(0.0, PURSE * token);
    }
}

impl Step<'_> {
    /// Milliseconds a token takes where nothing is drafted: of what its answers alone would take, a share.
    pub(crate) fn token(&self) -> f64 {
        (self.cost)(self.answers) / self.answers as f64
    }

    /// How many tokens each bid gets.
    ///
    /// Tokens are taken from the one that gains most on, and the best number of them is kept: gains of one bid fall with every
    /// token, so the first so many are the best so many.
    pub(crate) fn share(&self, bids: &[Bid]) -> Share {
        if self.token() <= 0.0 {
            // Nothing was measured yet.
            return Share { tokens: vec![0; bids.len()], price: 0.0 };
        }
        let mut basket = Basket::new(self, bids);
        let mut best = Share { tokens: vec![0; bids.len()], price: 0.0 };
        let mut most = 0.0;
        for (gain, bid) in gains(bids) {
            if !basket.add(bid, gain) {
                continue;
            }
            if basket.worth() > most {
                most = basket.worth();
                best = basket.share();
            }
        }
        if most == 0.0 { self.trial(bids).unwrap_or(best) } else { best }
    }

    /// One token of one bid, to see whether it would come true.
    fn trial(&self, bids: &[Bid]) -> Option<Share> {
        let of = |bid: &Bid| bid.tries && bid.most > 0;
        bids.iter().enumerate().filter(|(_, bid)| of(bid)).find_map(|(at, _)| {
            let mut basket = Basket::new(self, bids);
            (basket.add(at, 0.0) && basket.fair()).then(|| basket.share())
        })
    }
}

/// What each further token of each bid would add to the sum of logarithms, the most first.
fn gains(bids: &[Bid]) -> Vec<(f64, usize)> {
    let mut gains = Vec::new();
    for (at, bid) in bids.iter().enumerate() {
        let (mut expected, mut chance) = (1.0, 1.0);
        for _ in 0..bid.most {
            chance *= bid.chance;
            gains.push(((1.0 + chance / expected).ln(), at));
            expected += chance;
        }
    }
    // Stable: tokens of one bid stay in order.
    gains.sort_by(|a, b| b.0.total_cmp(&a.0));
    gains
}

/// Tokens taken so far.
struct Basket<'a> {
    step: &'a Step<'a>,
    bids: &'a [Bid],
    tokens: Vec<usize>,
    /// Bids that cannot pay for more.
    spent: Vec<bool>,
    /// Rows of a draft model's first, second, … step.
    widths: Vec<usize>,
    gain: f64,
    drafts: usize,
    /// Milliseconds, of the step without drafts and of what drafting adds.
    alone: f64,
    extra: f64,
}

impl<'a> Basket<'a> {
    fn new(step: &'a Step<'a>, bids: &'a [Bid]) -> Self {
        let alone = (step.cost)(step.rows);
        let (tokens, spent) = (vec![0; bids.len()], vec![false; bids.len()]);
        Self { step, bids, tokens, spent, widths: Vec::new(), gain: 0.0, drafts: 0, alone, extra: 0.0 }
    }

    /// One more token of a bid; false where its purse, or another one that would share the cost, could not pay for it.
    fn add(&mut self, at: usize, gain: f64) -> bool {
        if self.spent[at] {
            return false;
        }
        self.take(at, true);
        let affordable = self.bids.iter().zip(&self.tokens).all(|(bid, &n)| n == 0 || n as f64 * self.price() <= bid.purse);
        if affordable {
            self.gain += gain;
        } else {
            self.take(at, false);
            self.spent[at] = true;
        }
        affordable
    }

    /// Puts a token of a bid in, or takes the last one out.
    fn take(&mut self, at: usize, more: bool) {
        let (depth, behind) = (self.tokens[at] - usize::from(!more), self.bids[at].behind);
        let rows = if depth == 0 { behind } else { behind.min(1) };
        if self.widths.len() <= depth {
            self.widths.push(0);
        }
        if more {
            self.tokens[at] += 1;
            self.drafts += 1;
            self.widths[depth] += rows;
        } else {
            self.tokens[at] -= 1;
            self.drafts -= 1;
            self.widths[depth] -= rows;
        }
        let drafting: f64 = self.widths.iter().filter(|&&rows| rows > 0).map(|&rows| (self.step.draft_cost)(rows)).sum();
        let least = self.alone * self.drafts as f64 / (FIXED_ROWS + self.step.rows as f64);
        self.extra = ((self.step.cost)(self.step.rows + self.drafts) - self.alone).max(least) + drafting;
    }

    fn price(&self) -> f64 {
        self.extra / self.drafts.max(1) as f64
    }

    /// Whether nobody who drafts nothing is slowed too much.
    fn fair(&self) -> bool {
        let drafting = self.tokens.iter().filter(|&&tokens| tokens > 0).count();
        drafting == self.step.answers || self.alone + self.extra <= BYSTANDERS * self.alone
    }

    /// By how much the sum of logarithms rises.
    fn worth(&self) -> f64 {
        if self.fair() { self.gain - self.step.answers as f64 * (self.extra / self.alone).ln_1p() } else { 0.0 }
    }

    fn share(&self) -> Share {
        Share { tokens: self.tokens.clone(), price: self.price() }
    }
}

#[cfg(test)]
mod tests;
