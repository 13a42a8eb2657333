//! Prompt lookup: what followed the last time the sequence said what it says now (Saxena 2023, "Prompt lookup decoding").
//!
//! Answers quote: a summary its source, an edit the code before it, an agent its tool's result. So the cheapest drafter is the
//! sequence itself. Every pair of neighbouring tokens is listed by place, in chains from the latest to the earliest; a search goes
//! down the chain of the last pair and takes the place behind which most of what was just said stands, the latest of equals. Only
//! tokens that stand are listed, so nothing is ever taken back.

use std::collections::HashMap;

/// Least tokens that must agree.
const PAIR: usize = 2;

/// Most tokens that are compared: a longer match is no surer.
pub(crate) const LONGEST: usize = 32;

/// Most places that are looked at, the latest first.
const PLACES: usize = 32;

/// No earlier place.
const NONE: u32 = u32::MAX;

/// Where a sequence's pairs of tokens stand in it. It takes 4 bytes a token and 12 or so a different pair.
#[derive(Debug, Default)]
pub(crate) struct Lookup {
    /// The last place of a pair: that of its second token.
    last: HashMap<(u32, u32), u32>,
    /// By place, the place before it of the same pair.
    before: Vec<u32>,
}

/// A place where what was just said was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Match {
    /// Tokens that agree, from 2 to [`LONGEST`].
    pub length: usize,
    /// How far back it is: token n is drafted as what token `n - distance` is.
    pub distance: usize,
}

impl Lookup {
    /// Lists the tokens that are new since the last call; `tokens` is the whole sequence. One that is shorter than it was is
    /// another sequence, and is listed anew.
    pub(crate) fn extend(&mut self, tokens: &[u32]) {
        if tokens.len() < self.before.len() {
            self.clear();
        }
        for at in self.before.len()..tokens.len() {
            let earlier = at.checked_sub(1).and_then(|first| self.last.insert((tokens[first], tokens[at]), at as u32));
            self.before.push(earlier.unwrap_or(NONE));
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.last.clear();
        self.before.clear();
    }

    /// The earlier place that agrees most with the end of `tokens`, which [`Lookup::extend`] has seen.
    pub(crate) fn find(&self, tokens: &[u32]) -> Option<Match> {
        debug_assert_eq!(tokens.len(), self.before.len(), "all tokens are listed");
        let end = tokens.len().checked_sub(1)?;
        let before = |at: usize| Some(self.before[at] as usize).filter(|_| self.before[at] != NONE);
        let places = std::iter::successors(before(end), |&at| before(at)).take(PLACES);
        let mut best: Option<Match> = None;
        for at in places {
            let length = agreeing(&tokens[..=at], tokens);
            if best.is_none_or(|best| length > best.length) {
                best = Some(Match { length, distance: end - at });
            }
            if length == LONGEST {
                break;
            }
        }
        best
    }
}

impl Match {
    /// What stands behind the place, up to `most` tokens; where that runs into the end of `tokens` it goes on with what was
    /// drafted, as a repetition would.
    pub(crate) fn follow(self, tokens: &[u32], most: usize) -> Vec<u32> {
        let from = tokens.len() - self.distance;
        let mut drafts: Vec<u32> = tokens[from..].iter().copied().take(most).collect();
        while drafts.len() < most {
            drafts.push(drafts[drafts.len() - self.distance]);
        }
        drafts
    }
}

/// How many tokens two sequences have in common at their ends, up to [`LONGEST`].
fn agreeing(a: &[u32], b: &[u32]) -> usize {
    let most = LONGEST.min(a.len());
    let agreed = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    debug_assert!(agreed >= PAIR, "the chain is of equal pairs");
    agreed
}

#[cfg(test)]
mod tests {
    use wick_testkit::Random;

    use super::*;

    fn drafts(tokens: &[u32], most: usize) -> Vec<u32> {
        let mut lookup = Lookup::default();
        lookup.extend(tokens);
        lookup.find(tokens).map(|found| found.follow(tokens, most)).unwrap_or_default()
    }

    #[test]
    fn what_followed_last_time_is_drafted() {
        assert_eq!(drafts(&[1, 2, 3, 4, 5, 9, 2, 3], 3), [4, 5, 9]);
        assert_eq!(drafts(&[1, 2, 3, 7, 2, 3, 8, 2, 3], 2), [8, 2], "the latest of equal matches");
        assert_eq!(drafts(&[1, 2, 3, 7, 5, 2, 3, 8, 1, 2, 3], 1), [7], "the longest match before the latest");
        assert_eq!(drafts(&[4, 5, 4, 5], 5), [4, 5, 4, 5, 4], "a repetition goes on");
        assert_eq!(drafts(&[6, 6, 6], 3), [6, 6, 6]);
        for nothing in [&[][..], &[1], &[1, 2], &[1, 2, 3, 1], &[2, 1, 3, 2]] {
            assert!(drafts(nothing, 4).is_empty(), "{nothing:?} repeats no pair");
        }
    }

    #[test]
    fn a_shorter_sequence_is_another_one() {
        let mut lookup = Lookup::default();
        lookup.extend(&[1, 2, 3, 1, 2]);
        let other = [7, 8, 7, 8];
        lookup.extend(&other);
        assert_eq!(lookup.find(&other), Some(Match { length: 2, distance: 2 }));
        lookup.extend(&[7, 8, 7, 8, 1, 2]);
        assert_eq!(lookup.find(&[7, 8, 7, 8, 1, 2]), None, "nothing of the first one is left");
    }

    /// The definition, by looking everywhere: the longest match among the last [`PLACES`] places, the latest of equals.
    fn slowly(tokens: &[u32]) -> Option<Match> {
        let end = tokens.len().checked_sub(1)?;
        let length = |at: usize| (0..=at.min(LONGEST - 1)).take_while(|n| tokens[at - n] == tokens[end - n]).count();
        let places = (0..end).rev().filter(|&at| length(at) >= PAIR).take(PLACES);
        let longest = places.clone().map(length).max()?;
        let mut places = places;
        let at = places.find(|&at| length(at) == longest)?;
        Some(Match { length: longest, distance: end - at })
    }

    #[test]
    fn a_search_finds_what_looking_everywhere_finds() {
        let mut random = Random::new(9);
        for letters in [2, 3, 5, 20] {
            let (mut tokens, mut lookup) = (Vec::new(), Lookup::default());
            for _ in 0..400 {
                match random.below(6) {
                    0 if tokens.len() > 50 => {
                        let from = random.below(tokens.len() - 40);
                        tokens.extend_from_within(from..from + random.below(40));
                    }
                    _ => tokens.push(random.below(letters) as u32),
                }
                lookup.extend(&tokens);
                assert_eq!(lookup.find(&tokens), slowly(&tokens), "{tokens:?}");
            }
        }
    }
}
