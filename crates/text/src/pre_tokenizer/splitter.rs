//! The words of a text by a row's cuts, in linear time and without a stack.
//!
//! The models' expressions look ahead, which automata cannot: whether white space is followed by a word, whether digits come in
//! threes. Those few endings are known by their spelling and done by hand; an automaton does the rest.

use std::ops::Range;

use regex_automata::Input;
use regex_automata::meta::Regex;
use wick_spec::{Error, Result};

use super::{Cut, Row};

/// How most of the expressions end: white space but its last character, if a word follows, for that belongs to the word.
const LAST_SPACE: &str = r"|\s+(?!\S)|\s+";
/// The same in lengths that are powers of two (jais-2).
const CASCADE: &str = r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}";

/// A row's cuts, compiled.
#[derive(Debug)]
pub(crate) struct Splitter(Vec<Step>);

#[derive(Debug)]
enum Step {
    Matches(Matches),
    /// `\p{N}+`
    AfterThousands(Regex),
    /// `[0-9]+`
    BeforeThousands(Regex),
}

/// One expression.
#[derive(Debug)]
struct Matches {
    /// Pattern 0 is the expression; pattern 1 is white space, some of which may belong to what follows.
    regex: Regex,
    /// How many of `n` characters of such white space are one word; `followed`: by a word.
    take: fn(n: usize, followed: bool) -> usize,
}

impl Splitter {
    pub(crate) fn new(row: &Row) -> Result<Self> {
        let steps: Result<Vec<_>> = row.cuts.iter().map(Step::new).collect();
        steps.map(Self).map_err(|e| e.context(row.names[0]))
    }

    /// The words of `text` in order; together they are the text.
    pub(crate) fn split(&self, text: &str) -> Vec<Range<usize>> {
        let mut words: Vec<_> = std::iter::once(0..text.len()).collect();
        for step in &self.0 {
            let mut next = Vec::with_capacity(words.len() + text.len() / 4);
            for word in words {
                let mut out = Words { start: word.start, done: 0, words: &mut next };
                match step {
                    Step::Matches(matches) => matches.split(&text[word.clone()], &mut out),
                    Step::AfterThousands(numbers) => after_thousands(numbers, &text[word.clone()], &mut out),
                    Step::BeforeThousands(digits) => before_thousands(digits, &text[word.clone()], &mut out),
                }
                out.cut(word.len());
            }
            words = next;
        }
        words
    }
}

/// The words of one part.
struct Words<'a> {
    /// Where the part starts in the text.
    start: usize,
    /// How far it is cut.
    done: usize,
    words: &'a mut Vec<Range<usize>>,
}

impl Words<'_> {
    /// A word ends at `at` of the part.
    fn cut(&mut self, at: usize) {
        if self.done < at {
            self.words.push(self.start + self.done..self.start + at);
            self.done = at;
        }
    }
}

impl Step {
    fn new(cut: &Cut) -> Result<Self> {
        match cut {
            Cut::At(expression) => Matches::new(expression).map(Step::Matches),
            Cut::AfterThousands => compile(&[r"\p{N}+"]).map(Step::AfterThousands),
            Cut::BeforeThousands => compile(&["[0-9]+"]).map(Step::BeforeThousands),
        }
    }
}

fn compile(patterns: &[&str]) -> Result<Regex> {
    Regex::new_many(patterns).map_err(|e| Error::internal(format!("pre-tokenizer: {e}")))
}

impl Matches {
    fn new(expression: &str) -> Result<Self> {
        let spaced = |head, take| Ok(Self { regex: compile(&[head, r"\s+"])?, take });
        if let Some(head) = expression.strip_suffix(LAST_SPACE) {
            spaced(head, but_the_last)
        } else if let Some(head) = expression.strip_suffix(CASCADE) {
            spaced(head, power_of_two)
        } else {
            Ok(Self { regex: compile(&[expression])?, take: but_the_last })
        }
    }

    fn split(&self, part: &str, out: &mut Words) {
        let mut from = 0;
        while from < part.len() {
            let Some(found) = self.regex.find(Input::new(part).range(from..)) else { break };
            out.cut(found.start());
            if found.pattern().as_usize() == 1 {
                self.split_space(&part[found.range()], found.end() < part.len(), out);
            } else {
                out.cut(found.end());
            }
            from = if found.is_empty() { found.end() + char_at(part, found.end()) } else { out.done };
        }
    }

    /// Cuts white space up to its end, or to its last character if a word follows that may begin with it.
    fn split_space(&self, space: &str, followed: bool, out: &mut Words) {
        let (mut left, mut rest) = (space.chars().count(), space);
        while left > usize::from(followed) || rest.len() == space.len() {
            let take = (self.take)(left, followed);
            left -= take;
            let (word, behind) = rest.split_at(rest.char_indices().nth(take).map_or(rest.len(), |(at, _)| at));
            rest = behind;
            out.cut(out.done + word.len());
        }
    }
}

/// The length in bytes of the character at `at`, 1 at the end.
fn char_at(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

/// `\s+(?!\S)|\s+` on `n` characters of white space. A single one is a word of its own.
fn but_the_last(n: usize, followed: bool) -> usize {
    (n - usize::from(followed)).max(1)
}

/// [`CASCADE`] on `n` characters of white space.
fn power_of_two(n: usize, followed: bool) -> usize {
    let most = but_the_last(n, followed).min(512);
    1 << most.ilog2()
}

/// Words end behind the threes that a number has counted from its end; what is before a number stays with its first digits.
fn after_thousands(numbers: &Regex, part: &str, out: &mut Words) {
    for number in numbers.find_iter(part) {
        let digits: Vec<usize> =
            part[number.range()].char_indices().map(|(at, c)| number.start() + at + c.len_utf8()).collect();
        for (index, &end) in digits.iter().enumerate() {
            if (digits.len() - index - 1).is_multiple_of(3) {
                out.cut(end);
            }
        }
    }
}

/// Words begin with the threes that an ASCII number has counted from its end.
fn before_thousands(numbers: &Regex, part: &str, out: &mut Words) {
    for number in numbers.find_iter(part) {
        (number.start()..number.end()).filter(|at| (number.end() - at).is_multiple_of(3)).for_each(|at| out.cut(at));
    }
}
