//! A rendered chat: text, and the places where a user's words look like a control token.

use std::ops::Range;

/// What a chat template made of a conversation.
///
/// Where a message spells a control token, a mark lies inside it, and no token may be made across a mark: so the text stays as the
/// user wrote it and the control token is never produced. Equality includes the marks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rendered {
    text: String,
    /// Byte offsets into `text`, ascending, at borders of characters.
    marks: Vec<usize>,
    /// Whether other text comes before it, so that the rules for the start of a text do not apply.
    continues: bool,
}

impl Rendered {
    /// Text and where it may not become a token: ascending byte offsets at borders of characters.
    pub(crate) fn new(text: String, marks: Vec<usize>) -> Self {
        Self { text, marks, continues: false }
    }

    /// What [`Rendered::text`] and [`Rendered::marks`] once gave. `None` when no chat can have been rendered so: the marks must ascend, and
    /// each lie at a border of characters.
    pub fn restored(text: String, marks: Vec<usize>) -> Option<Self> {
        let good = marks.is_sorted_by(|a, b| a < b) && marks.iter().all(|&mark| text.is_char_boundary(mark));
        good.then(|| Self::new(text, marks))
    }

    /// Text of the program's own making that goes on from other text.
    pub(crate) fn continuation(text: &str) -> Self {
        Self { text: text.to_owned(), marks: Vec::new(), continues: true }
    }

    /// The text, without marks: what the template writes in any other implementation of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What this has behind `shorter`, or behind all they have in common; all of it without one.
    pub fn behind(&self, shorter: Option<&Rendered>) -> &str {
        let shorter = shorter.map_or("", Rendered::text);
        let same = self.text.char_indices().zip(shorter.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
        &self.text[same.unwrap_or(self.text.len().min(shorter.len()))..]
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Byte offsets into the text, ascending, that no token may be made across.
    pub fn marks(&self) -> &[usize] {
        &self.marks
    }

    pub(crate) fn continues(&self) -> bool {
        self.continues
    }

    /// Adds text at the end, with marks counted from its own beginning.
    pub(crate) fn push(&mut self, text: &str, marks: &[usize]) {
        let at = self.text.len();
        self.marks.extend(marks.iter().map(|mark| at + mark));
        self.text.push_str(text);
    }

    /// What follows `earlier` and `then`, when this begins with both; `None` when it does not.
    ///
    /// `earlier` is the prompt of an earlier turn and `then` the answer it got: the ids of both are known and are used as they are,
    /// and only the rest, encoded as a continuation, has to be tokenised. Within `then` only the text is compared: its ids were
    /// generated, so what they are is settled.
    pub fn starts_with(&self, earlier: &Rendered, then: &str) -> Option<Rendered> {
        let rest = self.text.strip_prefix(&earlier.text)?.strip_prefix(then)?;
        let (border, end) = (earlier.text.len(), self.text.len() - rest.len());
        let own = &self.marks[..self.marks.partition_point(|&mark| mark < border)];
        if own != &earlier.marks[..earlier.marks.partition_point(|&mark| mark < border)] {
            return None;
        }
        let marks = self.marks[self.marks.partition_point(|&mark| mark <= end)..].iter().map(|mark| mark - end).collect();
        Some(Rendered { text: rest.to_owned(), marks, continues: end > 0 || self.continues })
    }
}

/// Whether one of `marks` lies inside `range`, not at its borders.
pub(crate) fn is_split(marks: &[usize], range: &Range<usize>) -> bool {
    marks.get(marks.partition_point(|&mark| mark <= range.start)).is_some_and(|&mark| mark < range.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_after_an_earlier_turn_keeps_its_marks() {
        let earlier = Rendered::new("U: <s>\nA: ".into(), vec![4]);
        let later = Rendered::new("U: <s>\nA: hi\nU: </s>".into(), vec![4, 17]);
        let rest = later.starts_with(&earlier, "hi").unwrap();
        assert_eq!((rest.text(), rest.marks(), rest.continues()), ("\nU: </s>", &[5][..], true));
        assert_eq!(later.starts_with(&earlier, "ho"), None);
        assert_eq!(
            later.starts_with(&Rendered::new("U: <s>\nA: ".into(), vec![]), "hi"),
            None,
            "it was a control token then"
        );
        assert_eq!(later.starts_with(&later, "").unwrap().text(), "");
    }
}
