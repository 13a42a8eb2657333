//! Tokens to text, one at a time, without ever showing half a character.

use std::sync::Arc;

use crate::Tokenizer;
use crate::tokenizer::Prefix;
use crate::vocab::Kind;

/// The text of a run of tokens as it grows.
///
/// Bytes wait until they are a character; bytes that can no longer become one show as U+FFFD. Control tokens show as nothing.
#[derive(Debug)]
pub struct Decoder {
    tokenizer: Arc<Tokenizer>,
    speller: Speller,
    /// The beginning of a character: at most 3 bytes.
    pending: Vec<u8>,
}

impl Decoder {
    /// For tokens that are a text of their own: the space that encoding puts in front of a text is dropped.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, speller: Speller::at_start(false), pending: Vec::new() }
    }

    /// For tokens that go on from `prompt`: a space in front is part of the answer, unless the prompt ended with a control token
    /// (after which encoding puts a space of its own) or is empty.
    pub fn after(tokenizer: Arc<Tokenizer>, prompt: &[u32]) -> Self {
        let mut decoder = Self::new(tokenizer);
        if let Some(&last) = prompt.last() {
            decoder.speller.start = prompt.iter().all(|&id| decoder.tokenizer.is_control(id));
            decoder.speller.spell(&decoder.tokenizer, last);
        }
        decoder
    }

    /// For tokens that go on within a text, whatever marks the place: a space in front is theirs.
    pub fn within(tokenizer: Arc<Tokenizer>) -> Self {
        let mut decoder = Self::new(tokenizer);
        decoder.speller.start = false;
        decoder
    }

    /// The text that is certain now; may be empty. An id past the vocabulary adds nothing.
    pub fn push(&mut self, id: u32) -> String {
        self.pending.extend_from_slice(self.speller.spell(&self.tokenizer, id));
        let mut text = String::new();
        let mut bytes = self.pending.as_slice();
        loop {
            match std::str::from_utf8(bytes) {
                Ok(whole) => {
                    text.push_str(whole);
                    bytes = &[];
                    break;
                }
                Err(e) => {
                    let (whole, rest) = bytes.split_at(e.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    bytes = rest;
                    let Some(broken) = e.error_len() else { break };
                    text.push(char::REPLACEMENT_CHARACTER);
                    bytes = &bytes[broken..];
                }
            }
        }
        self.pending.drain(..self.pending.len() - bytes.len());
        text
    }

    /// What is left when nothing follows: U+FFFD for half a character.
    pub fn flush(&mut self) -> String {
        let text = String::from_utf8_lossy(&self.pending).into_owned();
        self.pending.clear();
        text
    }
}

/// The bytes that each token adds to a text.
#[derive(Debug)]
pub(crate) struct Speller {
    /// Whether the next piece is the first of a text.
    start: bool,
    /// Whether the token before was a literal one.
    after_literal: bool,
    show_control: bool,
}

impl Speller {
    pub(crate) fn at_start(show_control: bool) -> Self {
        Self { start: true, after_literal: false, show_control }
    }

    pub(crate) fn spell<'a>(&mut self, tokenizer: &'a Tokenizer, id: u32) -> &'a [u8] {
        let (Some(bytes), Some(kind)) = (tokenizer.vocab.bytes(id), tokenizer.vocab.kind(id)) else { return &[] };
        if matches!(kind, Kind::Control | Kind::Unknown | Kind::UserDefined | Kind::Unused) {
            self.after_literal = true;
            // A control token in front is not part of the text; a token that shows is.
            let hidden = kind.is_hidden() && !self.show_control;
            self.start &= kind.is_hidden();
            return if hidden { &[] } else { bytes };
        }
        let prefixed = match tokenizer.prefix {
            Prefix::Never => false,
            Prefix::Start => self.start,
            Prefix::AfterLiterals => self.start || self.after_literal,
        };
        (self.start, self.after_literal) = (false, false);
        if prefixed { bytes.strip_prefix(b" ").unwrap_or(bytes) } else { bytes }
    }
}
