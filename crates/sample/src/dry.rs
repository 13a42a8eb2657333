//! DRY, "Don't Repeat Yourself" (p-e-w 2024): lowers the tokens that would prolong a repetition.
//!
//! Where the end of what was said stands earlier in it, the token that followed there is lowered, the more the longer the
//! repetition is. How long every one of them is comes from one pass of the Z-algorithm over the text read backwards, so a token
//! costs time proportional to the window, whatever repeats in it.

use std::fmt;
use std::sync::Arc;

use wick_spec::Dry as Options;

use crate::candidates::Candidates;

/// Longest text that breaks repetitions, in bytes.
pub(crate) const LONGEST_BREAKER: usize = 40;

/// What tokens spell.
pub trait Spelling: fmt::Debug + Send + Sync {
    /// The bytes of token `id`, which may be part of a character; none for a token that there is not.
    fn bytes(&self, id: u32) -> &[u8];
}

/// Texts that no repetition reaches across, however they are cut into tokens.
#[derive(Debug, Clone)]
pub struct Breakers {
    texts: Vec<Vec<u8>>,
    spelling: Arc<dyn Spelling>,
    /// The last bytes said, as many as may begin a breaker.
    tail: Vec<u8>,
}

impl Breakers {
    /// Breakers of these texts (≤ 40 bytes each; empty ones are none) among tokens that spell so.
    pub fn new(texts: &[String], spelling: Arc<dyn Spelling>) -> Self {
        let texts = texts.iter().filter(|text| !text.is_empty()).map(|text| text.clone().into_bytes()).collect();
        Self { texts, spelling, tail: Vec::new() }
    }

    /// Takes `id` in; whether a breaker ends in it.
    fn ends_in(&mut self, id: u32) -> bool {
        let bytes = self.spelling.bytes(id);
        let before = self.tail.len();
        self.tail.extend_from_slice(bytes);
        let ends = |text: &Vec<u8>| contains(&self.tail[before.saturating_sub(text.len() - 1)..], text);
        let broken = self.texts.iter().any(ends);
        self.tail.drain(..self.tail.len().saturating_sub(LONGEST_BREAKER - 1));
        broken
    }

    /// Whether a breaker is in the token alone.
    fn has(&self, id: u32) -> bool {
        self.texts.iter().any(|text| contains(self.spelling.bytes(id), text))
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// What was said, and what DRY makes of it.
#[derive(Debug, Clone)]
pub(crate) struct Dry {
    multiplier: f64,
    base: f64,
    allowed: usize,
    window: usize,
    breakers: Option<Breakers>,
    /// The last tokens, `window` of them or up to twice as many.
    said: Vec<u32>,
    /// Tokens said since a breaker ended.
    unbroken: usize,
    /// Of each token of `said`, read backwards: how many from it on equal the end of `said`, read backwards too.
    repeats: Vec<usize>,
    /// The tokens to lower, each with its longest repetition.
    lowered: Vec<(u32, usize)>,
}

impl Dry {
    pub(crate) fn new(options: &Options, breakers: Option<Breakers>) -> Self {
        Self {
            multiplier: options.multiplier.into(),
            base: options.base.into(),
            allowed: options.allowed_length as usize,
            window: options.window as usize,
            breakers,
            said: Vec::new(),
            unbroken: 0,
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
        let broken = self.breakers.as_mut().is_some_and(|breakers| breakers.ends_in(id));
        self.unbroken = if broken { 0 } else { self.unbroken + 1 };
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
        let longest = self.unbroken.min(said.len());
        if longest < self.allowed || said.len() < 2 {
            return;
        }
        repeats(said, &mut self.repeats);
        for (back, &length) in self.repeats.iter().enumerate().skip(1).filter(|(_, length)| **length >= self.allowed) {
            self.lowered.push((said[said.len() - back], length.min(longest)));
        }
        self.lowered.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
        self.lowered.dedup_by_key(|(id, _)| *id);
        if let Some(breakers) = &self.breakers {
            self.lowered.retain(|(id, _)| !breakers.has(*id));
        }
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
    use crate::tests::Bracketed;

    fn dry(allowed_length: u32, window: u32, breakers: &[&str]) -> Dry {
        let options = Options { multiplier: 1.0, allowed_length, window, ..Options::default() };
        let breakers: Vec<String> = breakers.iter().map(|text| (*text).to_owned()).collect();
        Dry::new(&options, Some(Breakers::new(&breakers, Arc::new(Bracketed::default()))))
    }

    #[test]
    fn a_breaker_is_seen_in_any_cut_and_once() {
        let mut breakers = Breakers::new(&["1><2".to_owned(), ">".repeat(40)], Arc::new(Bracketed::default()));
        let ends: Vec<bool> = [1, 2, 1, 12, 2, 1, 1, 2].into_iter().map(|id| breakers.ends_in(id)).collect();
        assert_eq!(ends, [false, true, false, false, false, false, false, true]);
        assert!(breakers.tail.len() < LONGEST_BREAKER);
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
        assert_eq!(lowered(dry(2, 99, &["<9>"]), &said), [(3, 2), (4, 2)]);
        assert_eq!(lowered(dry(2, 99, &["9><1"]), &said), [], "in two tokens, the second but one before the end");
        assert_eq!(lowered(dry(1, 99, &["9><1"]), &said), [(3, 1), (4, 1)]);
        assert_eq!(lowered(dry(2, 99, &["<4>"]), &said), [(3, 2)]);
        let across = "4><9><1";
        assert_eq!(lowered(dry(1, 99, &[across]), &said), [(3, 1), (4, 1)], "in three tokens");
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
