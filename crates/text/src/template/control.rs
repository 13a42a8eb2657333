//! What a user writes never becomes a control token.
//!
//! Before a chat is rendered, each place in it that spells a control token gets a mark behind its first character, and the places
//! where the marks come out say where no token may be made. Marks are one character that the chat does not contain, so the template
//! trims, compares and quotes as ever, and the text without marks is what any other implementation renders. A template that takes
//! such a place apart (`content.split('</s>')`) sees plain characters there: that is the intention.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::Value as Json;
use wick_spec::{Error, Result};

use crate::Rendered;
use crate::literals::automaton;

/// The texts that messages may not turn into tokens: [`crate::Tokenizer::control_texts`].
#[derive(Debug)]
pub struct ControlTexts {
    automaton: Option<AhoCorasick>,
    /// How many of the patterns, the first ones, are control tokens; the others are markup.
    control: usize,
    /// Control tokens alone, and all, in order: where their beginnings are looked up.
    sorted: [Vec<String>; 2],
    longest: usize,
}

impl ControlTexts {
    /// `control`: control tokens, kept out of every string. `markup`: tokens that are none but that the template writes (`<think>`);
    /// kept out of everything but what the assistant said, which templates take apart at them. Markup that does not look like it
    /// (`\n\n`, a word) is left to be the token it is.
    pub fn new(control: &[&str], markup: &[&str]) -> Result<Self> {
        let control: Vec<&str> = control.iter().copied().filter(|text| !text.is_empty()).collect();
        let markup = markup.iter().copied().filter(|text| looks_like_markup(text) && !control.contains(text));
        let all: Vec<&str> = control.iter().copied().chain(markup).collect();
        let sorted = [&control, &all].map(|texts| {
            let mut texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            texts.sort_unstable();
            texts
        });
        Ok(Self {
            automaton: automaton(all.iter().copied(), MatchKind::Standard)?,
            control: control.len(),
            longest: all.iter().map(|text| text.len()).max().unwrap_or(0),
            sorted,
        })
    }

    /// Marks every string of `value`, keys included, but not the role.
    pub(super) fn mark(&self, value: &mut Json, mark: Mark, assistant: bool) {
        match value {
            Json::String(text) => self.mark_text(text, mark, assistant),
            Json::Array(values) => values.iter_mut().for_each(|value| self.mark(value, mark, assistant)),
            Json::Object(entries) => {
                let marked = std::mem::take(entries).into_iter().map(|(mut key, mut value)| {
                    if key != "role" || !value.is_string() {
                        self.mark(&mut value, mark, assistant);
                    }
                    self.mark_text(&mut key, mark, assistant);
                    (key, value)
                });
                *entries = marked.collect();
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn mark_text(&self, text: &mut String, mark: Mark, assistant: bool) {
        let marks = self.marks(text, assistant);
        if marks.is_empty() {
            return;
        }
        let mut marked = String::with_capacity(text.len() + marks.len() * mark.0.len_utf8());
        let mut from = 0;
        for at in marks {
            marked.push_str(&text[from..at]);
            marked.push(mark.0);
            from = at;
        }
        marked.push_str(&text[from..]);
        *text = marked;
    }

    /// Where marks go in `text`: behind the first character of each control text in it, and of one that it ends in the middle of,
    /// so that what is put behind it cannot complete it. Ascending.
    pub(crate) fn marks(&self, text: &str, assistant: bool) -> Vec<usize> {
        let mut starts = BTreeSet::new();
        if let Some(automaton) = &self.automaton {
            let found = automaton
                .find_overlapping_iter(text)
                .filter(|found| !assistant || found.pattern().as_usize() < self.control);
            starts.extend(found.map(|found| found.start()));
        }
        let sorted = &self.sorted[usize::from(!assistant)];
        let from = text.len().saturating_sub(self.longest);
        starts.extend((from..text.len()).filter(|&at| text.is_char_boundary(at) && is_beginning(sorted, &text[at..])));
        starts.into_iter().filter_map(|at| Some(at + text[at..].chars().next()?.len_utf8())).collect()
    }
}

/// Whether one of `sorted` goes on from `beginning`.
fn is_beginning(sorted: &[String], beginning: &str) -> bool {
    sorted.get(sorted.partition_point(|text| text.as_str() < beginning)).is_some_and(|text| text.starts_with(beginning))
}

/// `<think>`, `[INST]`, `<|x|>`: what is written to be told from prose.
fn looks_like_markup(text: &str) -> bool {
    let ends = [('<', '>'), ('[', ']'), ('{', '}')];
    text.len() > 2 && ends.iter().any(|&(first, last)| text.starts_with(first) && text.ends_with(last))
}

/// The character that stands for a mark while a template runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark(char);

impl Mark {
    /// The candidates: noncharacters, which Unicode keeps for a program's own use and no text should contain.
    pub(super) const CANDIDATES: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

    /// A mark that is in none of `values`.
    pub(super) fn absent_from<'a>(values: impl IntoIterator<Item = &'a Json>) -> Result<Self> {
        let mut present = BTreeSet::new();
        for value in values {
            collect(value, &mut present);
        }
        Self::CANDIDATES.into_iter().find(|c| !present.contains(c)).map(Self).ok_or_else(|| {
            Error::invalid_request(
                "The chat contains all of the noncharacters U+FDD0 to U+FDEF, of which one is needed to render it.",
            )
        })
    }

    /// `marked` without marks, and where they were.
    pub(super) fn take_out(self, marked: &str) -> Rendered {
        let mut text = String::with_capacity(marked.len());
        let mut marks = Vec::new();
        for part in marked.split(self.0) {
            text.push_str(part);
            marks.push(text.len());
        }
        marks.pop();
        marks.dedup();
        Rendered::new(text, marks)
    }
}

/// The candidates that occur in `value`.
fn collect(value: &Json, present: &mut BTreeSet<char>) {
    let candidates = |text: &str| text.chars().filter(|c| Mark::CANDIDATES.contains(c)).collect::<Vec<_>>();
    match value {
        Json::String(text) => present.extend(candidates(text)),
        Json::Array(values) => values.iter().for_each(|value| collect(value, present)),
        Json::Object(entries) => {
            for (key, value) in entries {
                present.extend(candidates(key));
                collect(value, present);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_go_behind_the_first_character_of_whole_and_open_control_texts() {
        let texts = ControlTexts::new(&["<|im_end|>", "</s>"], &["<think>", "\n\n", "word"]).unwrap();
        assert_eq!(texts.marks("a</s><think>\n\nword", false), [2, 6]);
        assert_eq!(texts.marks("a</s><think>\n\nword", true), [2]);
        assert_eq!(texts.marks("x <|im_", false), [3], "what follows could complete it");
        assert!(texts.marks("< /s>", false).is_empty());
    }

    #[test]
    fn a_mark_is_a_character_that_the_chat_does_not_have() {
        let chat: Json = serde_json::from_str(r#"[{"role": "user", "content": "\ufdd0", "\ufdd1": 1}]"#).unwrap();
        let mark = Mark::absent_from([&chat]).unwrap();
        assert_eq!(mark.0, '\u{FDD2}');
        let rendered = mark.take_out("\u{FDD0}a\u{FDD2}b\u{FDD2}\u{FDD2}c");
        assert_eq!((rendered.text(), rendered.marks()), ("\u{FDD0}abc", &[4, 5][..]));
    }
}
