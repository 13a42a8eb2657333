//! Tokens that are written out in a text, found before anything else is done with it.
//!
//! The rule is llama.cpp's: longer literals first, each from left to right, in what is still text. One automaton finds which
//! literals occur at all, so a text without any costs one pass, however many tokens the vocabulary marks.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use wick_spec::{Error, Result};

use crate::rendered::is_split;

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Range<usize>),
    Token(u32),
}

/// The literal tokens of a vocabulary, longest first.
#[derive(Debug)]
pub(crate) struct Literals {
    automaton: Option<AhoCorasick>,
    literals: Vec<Literal>,
}

#[derive(Debug)]
struct Literal {
    text: String,
    id: u32,
    /// Only becomes a token where control tokens are asked for.
    control: bool,
    /// Takes the ASCII white space behind it.
    strips: bool,
}

impl Literals {
    /// `tokens`: text, id, and whether it is a control token. Empty texts are left out. `strips`: which take the ASCII white space
    /// behind them, by their text.
    pub(crate) fn new(tokens: impl IntoIterator<Item = (String, u32, bool)>, strips: impl Fn(&str) -> bool) -> Result<Self> {
        let mut literals: Vec<Literal> = tokens
            .into_iter()
            .filter(|(text, ..)| !text.is_empty())
            .map(|(text, id, control)| Literal { strips: strips(&text), text, id, control })
            .collect();
        literals.sort_by(|a, b| b.text.len().cmp(&a.text.len()).then(a.id.cmp(&b.id)));
        let automaton = automaton(literals.iter().map(|literal| literal.text.as_str()), MatchKind::Standard)?;
        Ok(Self { automaton, literals })
    }

    /// Splits `text` at the literals in it, those across one of the `marks` left out; control tokens only if `control`.
    pub(crate) fn split(&self, text: &str, marks: &[usize], control: bool) -> Vec<Piece> {
        let mut pieces = vec![Piece::Text(0..text.len())];
        for literal in self.present(text, control) {
            let mut next = Vec::with_capacity(pieces.len());
            for piece in pieces {
                match piece {
                    Piece::Text(range) => cut(text, range, literal, marks, &mut next),
                    token => next.push(token),
                }
            }
            pieces = next;
        }
        pieces.retain(|piece| !matches!(piece, Piece::Text(range) if range.is_empty()));
        pieces
    }

    /// The literals that occur anywhere in `text`, longest first.
    fn present(&self, text: &str, control: bool) -> impl Iterator<Item = &Literal> {
        let mut present = vec![false; self.literals.len()];
        if let Some(automaton) = &self.automaton {
            for found in automaton.find_overlapping_iter(text) {
                present[found.pattern()] = true;
            }
        }
        self.literals
            .iter()
            .zip(present)
            .filter(move |(literal, present)| *present && (control || !literal.control))
            .map(|(l, _)| l)
    }
}

/// Cuts every occurrence of `literal` out of `range`.
fn cut(text: &str, range: Range<usize>, literal: &Literal, marks: &[usize], out: &mut Vec<Piece>) {
    let mut start = range.start;
    let mut from = start;
    while let Some(at) = text[from..range.end].find(&literal.text) {
        let found = from + at..from + at + literal.text.len();
        if is_split(marks, &found) {
            from = found.start + text[found.start..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        out.push(Piece::Text(start..found.start));
        out.push(Piece::Token(literal.id));
        start = found.end;
        if literal.strips {
            start = range.end - text[start..range.end].trim_start_matches(is_space).len();
        }
        from = start;
    }
    out.push(Piece::Text(start..range.end));
}

/// C's `isspace`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// Most bytes of a literal; published vocabularies have some of a hundred (runs of spaces).
const LONGEST: usize = 4096;

/// Up to here a literal may be part of a DFA, which searches fastest and takes time by the square of its depth to build.
const SHORT: usize = 256;

/// An automaton over `texts`; `None` when there are none. `model-invalid` where one of them is longer than any text needs.
pub(crate) fn automaton<'a>(texts: impl IntoIterator<Item = &'a str>, kind: MatchKind) -> Result<Option<AhoCorasick>> {
    let texts: Vec<&str> = texts.into_iter().collect();
    let Some(longest) = texts.iter().map(|text| text.len()).max() else { return Ok(None) };
    if longest > LONGEST {
        return Err(Error::model_invalid(format!(
            "The tokenizer has a literal token of {longest} bytes; at most {LONGEST} are searched for."
        )));
    }
    AhoCorasick::builder()
        .match_kind(kind)
        .kind((longest > SHORT).then_some(AhoCorasickKind::ContiguousNFA))
        .build(texts)
        .map(Some)
        .map_err(|e| Error::model_invalid(format!("The tokenizer's literal tokens are too many to search for: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals() -> Literals {
        let tokens = [("<|end|>", 1, true), ("<|end|>x", 2, true), ("  ", 3, false), ("    ", 4, false)];
        Literals::new(tokens.map(|(text, id, control)| (text.to_owned(), id, control)), |_| false).unwrap()
    }

    #[test]
    fn a_literal_may_take_the_white_space_behind_it() {
        let tokens = [("<|user|>", 1, true), ("<s>", 2, true)].map(|(text, id, control)| (text.to_owned(), id, control));
        let literals = Literals::new(tokens, |text| text != "<s>").unwrap();
        assert_eq!(
            literals.split("<|user|>\n a<s> b<|user|> \u{a0}", &[], true),
            [
                Piece::Token(1),
                Piece::Text(10..11),
                Piece::Token(2),
                Piece::Text(14..16),
                Piece::Token(1),
                Piece::Text(25..27)
            ]
        );
        assert_eq!(literals.split("<|user|> <|user|>\n", &[], true), [Piece::Token(1), Piece::Token(1)]);
    }

    #[test]
    fn the_longest_literal_wins_and_control_needs_asking() {
        let text = "a<|end|>x<|end|>b";
        assert_eq!(
            literals().split(text, &[], true),
            [Piece::Text(0..1), Piece::Token(2), Piece::Token(1), Piece::Text(16..17)]
        );
        assert_eq!(literals().split(text, &[], false), [Piece::Text(0..17)]);
        assert_eq!(literals().split("       ", &[], false), [Piece::Token(4), Piece::Token(3), Piece::Text(6..7)]);
        assert_eq!(literals().split("", &[], true), []);
    }

    #[test]
    fn a_long_literal_is_found_and_an_endless_one_refused() {
        let of = |n: usize| Literals::new([("a".repeat(n), 7, false)], |_| false);
        let text = "a".repeat(LONGEST + 1);
        assert_eq!(of(LONGEST).unwrap().split(&text, &[], false), [Piece::Token(7), Piece::Text(LONGEST..LONGEST + 1)]);
        assert_eq!(of(LONGEST + 1).unwrap_err().code(), wick_spec::Code::ModelInvalid);
    }

    #[test]
    fn a_mark_keeps_a_literal_text() {
        assert_eq!(literals().split("<|end|><|end|>", &[1], true), [Piece::Text(0..7), Piece::Token(1)]);
        // A mark at the border of a literal is not inside it.
        assert_eq!(literals().split("<|end|>", &[0, 7], true), [Piece::Token(1)]);
    }
}
