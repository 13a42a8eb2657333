//! A model's thought, told from its answer as text comes.
//!
//! The marks come from the model's own template. A thought stands at the beginning of an answer and nowhere else, so a mark
//! that an answer talks about is text. White space beside the marks is the template's, and is shown on neither side.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};
use wick_spec::Result;

use crate::{Control, Rendered, Tokenizer};

/// What a template writes around a thought, and how it takes an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thought {
    open: String,
    close: String,
    /// `close` with the white space that the template puts around it.
    closing: String,
    given: Given,
    switch: Option<&'static str>,
}

/// How a template takes the thought of an earlier answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// A field of the message.
    Field(&'static str),
    /// A part of its content: `{ type: 'thinking', thinking }`.
    Block,
    /// It does not.
    Dropped,
}

impl Thought {
    /// `None` unless both marks are text. White space around them is kept for closing a thought.
    pub(crate) fn new(open: &str, close: &str, given: Given, switch: Option<&'static str>) -> Option<Self> {
        let (marks, closing) = ([open.trim(), close.trim()], close.to_owned());
        let [open, close] = marks.map(str::to_owned);
        (!open.is_empty() && !close.is_empty()).then_some(Self { open, close, closing, given, switch })
    }

    /// What opens a thought, without white space around it.
    pub fn open(&self) -> &str {
        &self.open
    }

    /// What closes it.
    pub fn close(&self) -> &str {
        &self.close
    }

    /// The template's variable that switches thinking on and off.
    pub fn switch(&self) -> Option<&'static str> {
        self.switch
    }

    /// The tokens that close a thought, as a continuation.
    pub fn closing_ids(&self, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        tokenizer.encode_rendered(&Rendered::continuation(&self.closing))
    }

    /// Whether an answer that goes on from `opening`, what a template writes to open it, begins inside a thought, before one, or
    /// behind one.
    pub fn place(&self, opening: &str) -> Place {
        match (opening.rfind(&self.open), opening.rfind(&self.close)) {
            (Some(open), Some(close)) if open > close => Place::Inside,
            (Some(_), None) => Place::Inside,
            (_, Some(_)) => Place::Behind,
            (None, None) => Place::Before,
        }
    }

    /// Messages, a JSON array, with what earlier answers have as `reasoning_content` put where the template reads it. What is no
    /// such array stays as it is.
    pub fn given<'a>(&self, messages: &'a str) -> Cow<'a, str> {
        if matches!(self.given, Given::Dropped | Given::Field("reasoning_content" | "thinking")) {
            return messages.into();
        }
        let Ok(Json::Array(mut list)) = serde_json::from_str(messages) else { return messages.into() };
        for message in list.iter_mut().filter(|message| message["role"] == "assistant") {
            if let Some(fields) = message.as_object_mut() {
                self.give(fields);
            }
        }
        Json::Array(list).to_string().into()
    }

    fn give(&self, message: &mut Map<String, Json>) {
        let Some(thought) = message.get("reasoning_content").filter(|thought| thought.is_string()).cloned() else { return };
        match self.given {
            Given::Field(name) => {
                message.entry(name).or_insert(thought);
            }
            Given::Block => {
                message.remove("reasoning_content");
                let mut parts = vec![json!({ "type": "thinking", "thinking": thought })];
                match message.remove("content") {
                    Some(Json::Array(content)) => parts.extend(content),
                    Some(Json::String(text)) if !text.is_empty() => parts.push(json!({ "type": "text", "text": text })),
                    _ => {}
                }
                message.insert("content".into(), parts.into());
            }
            Given::Dropped => {}
        }
    }
}

/// Where text stands to a thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A thought may begin.
    Before,
    /// In the thought.
    Inside,
    /// In the answer.
    Behind,
}

/// Text of an answer, split.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Of the thought.
    pub thought: String,
    /// Of the answer behind it.
    pub text: String,
}

/// Splits the text of one answer, however it is cut. Text that may be the beginning of a mark is held back until that is decided.
#[derive(Debug)]
pub struct ThoughtSplitter {
    open: String,
    close: String,
    place: Place,
    held: String,
    /// Nothing but white space has come since the last mark.
    fresh: bool,
}

impl ThoughtSplitter {
    /// For marks as they come in the text, and an answer that begins at `place`.
    pub fn new(open: &str, close: &str, place: Place) -> Self {
        let fresh = place == Place::Inside;
        Self { open: open.to_owned(), close: close.to_owned(), place, held: String::new(), fresh }
    }

    /// Where the text taken so far ends.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Takes more text; returns what can be shown.
    pub fn push(&mut self, text: &str) -> Split {
        let mut split = Split::default();
        self.held.push_str(text);
        if self.place == Place::Before {
            self.begin();
        }
        if self.place == Place::Inside {
            self.think(&mut split.thought);
        }
        if self.place == Place::Behind {
            split.text = self.answer();
        }
        split
    }

    /// What was held back, when nothing follows.
    pub fn flush(&mut self) -> Split {
        let held = std::mem::take(&mut self.held);
        match self.place {
            Place::Inside => Split { thought: self.stripped(held.trim_end()), text: String::new() },
            _ => Split { thought: String::new(), text: held },
        }
    }

    /// White space, then the mark, opens a thought; anything else is the answer.
    fn begin(&mut self) {
        let text = self.held.trim_start();
        if let Some(rest) = text.strip_prefix(self.open.as_str()) {
            self.held = rest.to_owned();
            self.place = Place::Inside;
            self.fresh = true;
        } else if !self.open.starts_with(text) {
            self.place = Place::Behind;
        }
    }

    fn think(&mut self, shown: &mut String) {
        if let Some(at) = self.held.find(self.close.as_str()) {
            let rest = self.held.split_off(at + self.close.len());
            self.held.truncate(at);
            let thought = std::mem::replace(&mut self.held, rest);
            *shown = self.stripped(thought.trim_end());
            self.place = Place::Behind;
            self.fresh = true;
            return;
        }
        // White space stays too: it is the template's if the mark follows it.
        let open = open_end(&self.held, &self.close);
        let decided = self.held[..open].trim_end().len();
        let rest = self.held.split_off(decided);
        let thought = std::mem::replace(&mut self.held, rest);
        *shown = self.stripped(&thought);
    }

    fn answer(&mut self) -> String {
        let text = std::mem::take(&mut self.held);
        self.stripped(&text)
    }

    /// Without the white space behind a mark.
    fn stripped(&mut self, text: &str) -> String {
        let text = if self.fresh { text.trim_start() } else { text };
        self.fresh &= text.is_empty();
        text.to_owned()
    }
}

/// Where the end of `text` begins that `mark` may go on from; its length if there is none.
fn open_end(text: &str, mark: &str) -> usize {
    let from = text.len() - mark.len().saturating_sub(1).min(text.len());
    (from..text.len())
        .find(|&at| text.is_char_boundary(at) && mark.as_bytes().starts_with(&text.as_bytes()[at..]))
        .unwrap_or(text.len())
}

/// Control tokens that marks are spelled with, as characters of their own.
///
/// A decoder shows control tokens as nothing, and the text of one that a model spells with other tokens is no mark. So each
/// has a noncharacter of Unicode, in the marks and in the decoded text; none is ever shown.
#[derive(Debug, Clone)]
pub struct Marks {
    open: String,
    close: String,
    tokens: Vec<(u32, char, String)>,
}

impl Marks {
    const FIRST: char = '\u{FDD0}';
    const LAST: char = '\u{FDEF}';

    /// The marks of `thought` as `tokenizer` spells them.
    pub fn new(thought: &Thought, tokenizer: &Tokenizer) -> Result<Self> {
        let mut tokens: Vec<(u32, char, String)> = Vec::new();
        for mark in [&thought.open, &thought.close] {
            for id in tokenizer.encode(mark, Control::Parse, false)? {
                let text = tokenizer.token_text(id).unwrap_or_default().into_owned();
                let new = tokenizer.is_control(id) && !text.is_empty() && !tokens.iter().any(|(known, ..)| *known == id);
                let sign = char::from_u32(Self::FIRST as u32 + tokens.len() as u32).filter(|c| *c <= Self::LAST);
                if let (true, Some(sign)) = (new, sign) {
                    tokens.push((id, sign, text));
                }
            }
        }
        let spell =
            |mark: &str| tokens.iter().fold(mark.to_owned(), |mark, (_, sign, text)| mark.replace(text, &sign.to_string()));
        Ok(Self { open: spell(&thought.open), close: spell(&thought.close), tokens })
    }

    /// A splitter for the text of an answer that begins at `place`.
    pub fn splitter(&self, place: Place) -> ThoughtSplitter {
        ThoughtSplitter::new(&self.open, &self.close, place)
    }

    /// The character of a control token that a mark is spelled with.
    pub fn sign(&self, id: u32) -> Option<char> {
        self.tokens.iter().find(|(token, ..)| *token == id).map(|(_, sign, _)| *sign)
    }

    /// `text` without signs.
    pub fn hidden(&self, text: &str) -> String {
        text.chars().filter(|c| !self.tokens.iter().any(|(_, sign, _)| sign == c)).collect()
    }

    /// `text` with every sign as the token it stands for.
    pub fn spelled(&self, text: &str) -> String {
        self.tokens.iter().fold(text.to_owned(), |text, (_, sign, token)| text.replace(*sign, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thought and answer when `text` comes in pieces of `size` characters.
    fn stream(place: Place, text: &str, size: usize) -> (String, String) {
        let mut splitter = ThoughtSplitter::new("<think>", "</think>", place);
        let (mut thought, mut answer) = (String::new(), String::new());
        let letters: Vec<char> = text.chars().collect();
        let pieces = letters.chunks(size).map(|piece| piece.iter().collect::<String>());
        let mut splits: Vec<Split> = pieces.map(|piece| splitter.push(&piece)).collect();
        splits.push(splitter.flush());
        for split in splits {
            assert!(answer.is_empty() || split.thought.is_empty(), "nothing is thought behind the answer's beginning");
            thought += &split.thought;
            answer += &split.text;
        }
        (thought, answer)
    }

    #[test]
    fn a_thought_is_told_from_the_answer_however_it_is_cut() {
        use Place::{Before, Behind, Inside};
        let cases = [
            (Before, "<think>\nhm <thing>\n\nyes\n</think>\n\nHello.\n", "hm <thing>\n\nyes", "Hello.\n"),
            (Before, " \n<think>a</think>b", "a", "b"),
            (Before, "Hello <think>a</think>", "", "Hello <think>a</think>"),
            (Before, "  Hello", "", "  Hello"),
            (Before, "<thin", "", "<thin"),
            (Before, "<thin ice", "", "<thin ice"),
            (Before, "<think>\n\n</think>\n\nHello", "", "Hello"),
            (Before, "<think>never ends \n", "never ends", ""),
            (Before, "<think>a</thin", "a</thin", ""),
            (Inside, "\nhm</think>\n\nHello</think>", "hm", "Hello</think>"),
            (Inside, "</think>Hello", "", "Hello"),
            (Inside, "a </thi</think> b", "a </thi", "b"),
            (Inside, "é\u{2003}</think>ü", "é", "ü"),
            (Behind, "<think>a</think>b", "", "<think>a</think>b"),
            (Behind, " b", "", " b"),
        ];
        for (place, text, thought, answer) in cases {
            for size in 1..=text.chars().count() {
                assert_eq!(stream(place, text, size), (thought.into(), answer.into()), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_thought_shows_as_soon_as_it_is_decided() {
        let mut splitter = ThoughtSplitter::new("<think>", "</think>", Place::Before);
        let mut thought = |text| splitter.push(text).thought;
        assert_eq!(thought("<think>"), "");
        assert_eq!(thought("\nhm"), "hm");
        assert_eq!(thought(" "), "");
        assert_eq!(thought("<"), "");
        assert_eq!(thought("b"), " <b");
    }

    #[test]
    fn a_prompt_says_where_the_answer_begins() {
        let thought = Thought::new("<think>\n", "\n</think>\n\n", Given::Field("reasoning_content"), None).unwrap();
        let places = ["", "A:<think>\n", "A:<think>\n\n</think>\n\n", "A:</think>"].map(|text| thought.place(text));
        assert_eq!(places, [Place::Before, Place::Inside, Place::Behind, Place::Behind]);
    }
}
