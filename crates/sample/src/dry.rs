//! DRY, "Don't Repeat Yourself" (p-e-w 2024): lowers the tokens that would prolong a repetition.
//!
//! Where the end of what was said stands earlier in it, the token that followed there is lowered, the more the longer the
//! repetition is. How long every one of them is comes from one pass of the Z-algorithm over the text read backwards, so a token
//! costs time proportional to the window, whatever repeats in it.

use std::collections::HashMap;

use wick_spec::Dry as Options;

use crate::candidates::Candidates;

/// Token sequences that no repetition reaches across.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Breakers {
    /// By the first token: what follows it. Nothing, for a breaker of one token.
    tails: HashMap<u32, Vec<Vec<u32>>>,
}

impl Breakers {
    /// Breakers of these sequences; empty ones are none.
    pub fn new(sequences: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let mut tails: HashMap<u32, Vec<Vec<u32>>> = HashMap::new();
        for sequence in sequences {
            if let Some((first, tail)) = sequence.split_first() {
                let known = tails.entry(*first).or_default();
                if !known.iter().any(|other| other == tail) {
                    known.push(tail.to_vec());
                }
            }
        }
        Self { tails }
    }

    /// Whether the token alone is a breaker.
    fn has(&self, id: u32) -> bool {
        self.tails.get(&id).is_some_and(|tails| tails.iter().any(Vec::is_empty))
    }

    /// How many tokens of `tokens` come after the last breaker in them.
    fn after_last(&self, tokens: &[u32]) -> usize {
        for (at, id) in tokens.iter().enumerate().rev() {
            let after = &tokens[at + 1..];
            let tails = self.tails.get(id).into_iter().flatten();
            if let Some(longest) = tails.filter(|tail| after.starts_with(tail)).map(Vec::len).max() {
                return after.len() - longest;
            }
        }
        tokens.len()
    }
}

/// What was said, and what DRY makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Dry {
    multiplier: f64,
    base: f64,
    allowed: usize,
    window: usize,
    breakers: Breakers,
    /// The last tokens, `window` of them or up to twice as many.
    said: Vec<u32>,
    /// Of each token of `said`, read backwards: how many from it on equal the end of `said`, read backwards too.
    repeats: Vec<usize>,
    /// The tokens to lower, each with its longest repetition.
    lowered: Vec<(u32, usize)>,
}

impl Dry {
    pub(crate) fn new(options: &Options, breakers: Breakers) -> Self {
        Self {
            multiplier: options.multiplier.into(),
            base: options.base.into(),
            allowed: options.allowed_length as usize,
            window: options.window as usize,
            breakers,
            said: Vec::new(),
            repeats: Vec::new(),
            lowered: Vec::new(),
        }
    }

    /// Takes `id` in.
    pub(crate) fn push(&mut self, id: u32) {
        if self.said.len() >= self.window.saturating_mul(2) {
            self.said.drain(..self.said.len() - self.window);
        }
        self.said.push(id);
    }

    /// Lowers what would prolong a repetition.
    pub(crate) fn apply(&mut self, candidates: &mut Candidates) {
        self.find();
        for &(id, length) in &self.lowered {
            let penalty = self.multiplier * power(self.base, length - self.allowed);
            candidates.adjust(id, |logit| (f64::from(logit) - penalty) as f32);
        }
    }

    /// Fills `lowered`, each token once, by id.
    fn find(&mut self) {
        let said = &self.said[self.said.len().saturating_sub(self.window)..];
        self.lowered.clear();
        let longest = self.breakers.after_last(said);
        if longest < self.allowed || said.len() < 2 {
            return;
        }
        repeats(said, &mut self.repeats);
        for (back, &length) in self.repeats.iter().enumerate().skip(1) {
            let follows = said[said.len() - back];
            if length.min(longest) >= self.allowed && !self.breakers.has(follows) {
                self.lowered.push((follows, length.min(longest)));
            }
        }
        self.lowered.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        self.lowered.dedup_by_key(|(id, _)| *id);
    }
}

/// For every `back` in 0..n: how many tokens before the place `back` tokens from the end equal the last ones of `said` (n), one
/// by one backwards. The Z-algorithm (Gusfield 1997): what a match has shown is not compared again.
fn repeats(said: &[u32], lengths: &mut Vec<usize>) {
    let n = said.len();
    let from_end = |i: usize| said[n - 1 - i];
    lengths.clear();
    lengths.resize(n, 0);
    lengths[0] = n;
    let (mut left, mut right) = (0, 0);
    for i in 1..n {
        let mut length = if i < right { lengths[i - left].min(right - i) } else { 0 };
        while i + length < n && from_end(length) == from_end(i + length) {
            length += 1;
        }
        lengths[i] = length;
        if i + length > right {
            (left, right) = (i, i + length);
        }
    }
}

/// `base^exponent` by squaring; infinite where it passes f64.
fn power(mut base: f64, mut exponent: usize) -> f64 {
    let mut power = 1.0;
    while exponent > 0 {
        if exponent % 2 == 1 {
            power *= base;
        }
        base *= base;
        exponent /= 2;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dry(allowed_length: u32, window: u32, breakers: &[&[u32]]) -> Dry {
        let options = Options { multiplier: 1.0, allowed_length, window, ..Options::default() };
        Dry::new(&options, Breakers::new(breakers.iter().map(|ids| ids.to_vec())))
    }

    fn lowered(mut dry: Dry, said: &[u32]) -> Vec<(u32, usize)> {
        said.iter().for_each(|&id| dry.push(id));
        dry.find();
        dry.lowered
    }

    #[test]
    fn what_followed_a_repetition_is_lowered_by_its_length() {
        let said = [1, 2, 3, 9, 1, 2, 4, 9, 1, 2];
        assert_eq!(lowered(dry(2, 99, &[]), &said), [(3, 2), (4, 3)]);
        assert_eq!(lowered(dry(3, 99, &[]), &said), [(4, 3)]);
        assert_eq!(lowered(dry(4, 99, &[]), &said), []);
        assert_eq!(lowered(dry(2, 6, &[]), &said), [(4, 2)], "the window ends the older one");
    }

    #[test]
    fn a_breaker_ends_a_repetition_and_is_not_lowered() {
        let said = [1, 2, 3, 9, 1, 2, 4, 9, 1, 2];
        assert_eq!(lowered(dry(2, 99, &[&[9]]), &said), [(3, 2), (4, 2)]);
        assert_eq!(lowered(dry(2, 99, &[&[9, 1]]), &said), [], "a breaker of two tokens, one token before the end");
        assert_eq!(lowered(dry(1, 99, &[&[9, 1]]), &said), [(3, 1), (4, 1)]);
        assert_eq!(lowered(dry(2, 99, &[&[4]]), &said), [(3, 2)]);
    }

    #[test]
    fn a_long_run_of_one_token_takes_one_pass() {
        let said = vec![7; 100_000];
        assert_eq!(lowered(dry(2, u32::MAX, &[]), &said), [(7, 99_999)]);
    }

    #[test]
    fn the_window_is_kept_and_nothing_more() {
        let mut dry = dry(2, 10, &[]);
        (0..10_000).for_each(|id| dry.push(id));
        assert!((10..=20).contains(&dry.said.len()));
        assert_eq!(dry.said.last(), Some(&9_999));
    }
}
