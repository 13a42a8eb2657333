//! The thought of one answer: told from the text behind it, counted, and closed when its budget is spent.

use std::collections::VecDeque;
use std::sync::Arc;

use wick_text::{Marks, Place, Split, ThoughtSplitter};

/// How the thoughts of a template are spelled in tokens.
#[derive(Debug)]
pub(crate) struct Spelling {
    pub marks: Marks,
    /// The tokens that close a thought.
    pub closing: Vec<u32>,
    /// The template's variable that switches thinking.
    pub switch: Option<&'static str>,
}

/// The thought of one answer.
#[derive(Debug)]
pub(crate) struct Reasoning {
    spelling: Arc<Spelling>,
    splitter: ThoughtSplitter,
    /// Most tokens of the thought; `None`: as many as the model likes.
    budget: Option<u32>,
    /// Tokens between the marks.
    spent: u32,
    /// Tokens of the thought and of its marks.
    tokens: u32,
    /// Tokens that may yet turn out to be the opening mark.
    undecided: u32,
    /// Tokens to come whatever the model would choose.
    forced: VecDeque<u32>,
    /// Whether the tokens that close the thought were forced. Its text may be known later: a stop text may hold it back.
    closing: bool,
}

impl Reasoning {
    /// Of an answer that begins at `place`.
    pub(crate) fn new(spelling: Arc<Spelling>, place: Place, budget: Option<u32>) -> Self {
        let splitter = spelling.marks.splitter(place);
        let mut reasoning =
            Self { spelling, splitter, budget, spent: 0, tokens: 0, undecided: 0, forced: VecDeque::new(), closing: false };
        reasoning.close_if_spent();
        reasoning
    }

    /// The token that comes next, where that is settled.
    pub(crate) fn forced(&mut self) -> Option<u32> {
        self.forced.pop_front()
    }

    /// The caller put other tokens in the place of one: what was begun of closing the thought is begun again.
    pub(crate) fn interrupted(&mut self) {
        self.forced.clear();
        self.closing = false;
    }

    /// The character that stands for a control token of a mark.
    pub(crate) fn sign(&self, id: u32) -> Option<char> {
        self.spelling.marks.sign(id)
    }

    /// Takes the text of a token; returns what can be shown.
    pub(crate) fn push(&mut self, text: &str) -> Split {
        let before = self.splitter.place();
        let split = self.splitter.push(text);
        let after = self.splitter.place();
        match (before, after) {
            (Place::Before, Place::Before) => self.undecided += 1,
            (Place::Before, Place::Behind) | (Place::Behind, _) => self.undecided = 0,
            (Place::Before, Place::Inside) => {
                self.tokens += self.undecided + 1;
                self.undecided = 0;
            }
            (Place::Inside, _) => {
                self.tokens += 1;
                self.spent += 1;
            }
        }
        if after == Place::Behind {
            self.forced.clear();
        } else {
            self.close_if_spent();
        }
        self.hidden(split)
    }

    /// The last text, which belongs to a token that was counted, and what was held back: nothing follows.
    pub(crate) fn rest(&mut self, text: &str) -> Split {
        let mut split = self.splitter.push(text);
        let held = self.splitter.flush();
        split.thought += &held.thought;
        split.text += &held.text;
        self.hidden(split)
    }

    /// Whether what comes next is a thought.
    pub(crate) fn inside(&self) -> bool {
        self.splitter.place() == Place::Inside
    }

    /// Whether what came may yet be the mark that opens a thought.
    pub(crate) fn undecided(&self) -> bool {
        self.splitter.place() == Place::Before
    }

    /// Tokens of the thought so far, its marks included.
    pub(crate) fn tokens(&self) -> u32 {
        self.tokens
    }

    /// `text` as the template would write it: signs as the tokens they stand for.
    pub(crate) fn spelled(&self, text: &str) -> String {
        self.spelling.marks.spelled(text)
    }

    fn close_if_spent(&mut self) {
        let spent = self.budget.is_some_and(|budget| self.spent >= budget);
        if spent && self.inside() && !self.closing {
            self.closing = true;
            self.forced.extend(&self.spelling.closing);
        }
    }

    fn hidden(&self, split: Split) -> Split {
        let hidden = |text: String| self.spelling.marks.hidden(&text);
        Split { thought: hidden(split.thought), text: hidden(split.text) }
    }
}
