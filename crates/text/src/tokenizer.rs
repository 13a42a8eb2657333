//! The tokenizer of a model, whatever it was read from.

use std::borrow::Cow;

use wick_spec::{Error, Result};

use crate::Rendered;
use crate::bpe::Bpe;
use crate::decode::Speller;
use crate::infill::Infill;
use crate::literals::{Literals, Piece};
use crate::pipeline::Pipeline;
use crate::spm::Spm;
use crate::template::{ChatTemplate, ControlTexts};
use crate::vocab::{Kind, Vocab};

/// Whether control tokens that are written out in a text become those tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// They do: for texts of the program's own making.
    Parse,
    /// They stay text: for everything a user writes.
    AsText,
}

/// Text to token ids and back, as the model's own file says. Share it in an `Arc`.
#[derive(Debug)]
pub struct Tokenizer {
    pub(crate) kind: String,
    pub(crate) vocab: Vocab,
    /// Rows of the model's head, where it has more than there are tokens.
    pub(crate) rows: usize,
    pub(crate) encoder: Encoder,
    /// Where a text gets a space in front that is not its own.
    pub(crate) prefix: Prefix,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    pub(crate) adds_bos: bool,
    pub(crate) adds_eos: bool,
    /// Sorted, no id twice.
    pub(crate) ends: Vec<u32>,
    /// Token texts that are neither control nor pieces, for [`Tokenizer::control_texts`].
    pub(crate) markup: Vec<String>,
    /// The tokens of a gap, where the file has them.
    pub(crate) infill: Option<Infill>,
}

/// What turns text into ids.
#[derive(Debug)]
pub(crate) enum Encoder {
    /// SentencePiece scores, from GGUF.
    Spm(Literals, Spm),
    /// Byte-level BPE, from GGUF.
    Bpe(Literals, Box<Bpe>),
    /// What a `tokenizer.json` describes.
    Pipeline(Box<Pipeline>),
}

/// Where encoding puts a space in front of a text, and decoding takes it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Nowhere.
    Never,
    /// At the start of a text.
    Start,
    /// At the start and after every token that was written out (SentencePiece as llama.cpp runs it).
    AfterLiterals,
}

/// Texts above this are refused: offsets into them are 32 bits.
const MAX_TEXT: usize = 1 << 30;

impl Tokenizer {
    /// What it is, for people: `llama (spm)`, `gpt2 (pre qwen2)`, `tokenizer.json (BPE)`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// How many ids there are; every id below it is known.
    pub fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    /// Says that the model's head has `rows` rows: those past the vocabulary are padding, and decode to nothing.
    pub fn set_rows(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// The ids of `text`.
    ///
    /// `control` says whether control tokens written in it become tokens; texts that the vocabulary marks as user-defined are one
    /// token either way. `add_special` adds the beginning-of-text token, and the end token, where the file says so.
    /// `tokenizer` when the vocabulary cannot spell the text.
    pub fn encode(&self, text: &str, control: Control, add_special: bool) -> Result<Vec<u32>> {
        check_length(text)?;
        self.pieces(text, &[], control == Control::Parse, add_special, false)
    }

    /// The ids of a rendered chat: control tokens only where the template wrote them.
    ///
    /// It begins with the beginning-of-text token exactly once where the file asks for one: the template's, or one put in front of
    /// a template that writes none. What [`Rendered::starts_with`] leaves is a continuation and gets none.
    pub fn encode_rendered(&self, rendered: &Rendered) -> Result<Vec<u32>> {
        check_length(rendered.text())?;
        let mut ids = self.pieces(rendered.text(), rendered.marks(), true, false, rendered.continues())?;
        let bos = self.bos.filter(|_| self.adds_bos && !rendered.continues());
        if let Some(bos) = bos.filter(|bos| ids.first() != Some(bos)) {
            ids.insert(0, bos);
        }
        Ok(ids)
    }

    /// The ids of a part of a text; `continues`: other text comes before it. Control tokens stay text.
    pub(crate) fn encode_part(&self, text: &str, continues: bool) -> Result<Vec<u32>> {
        check_length(text)?;
        if text.is_empty() { Ok(Vec::new()) } else { self.pieces(text, &[], false, false, continues) }
    }

    /// The text of `ids`, a text of its own; bytes that are no characters show as U+FFFD. Control tokens are left out unless
    /// `show_control`. `tokenizer` for an id that neither the vocabulary nor the model's head has.
    pub fn decode(&self, ids: &[u32], show_control: bool) -> Result<String> {
        let mut speller = Speller::at_start(show_control);
        let mut bytes = Vec::new();
        for &id in ids {
            if id as usize >= self.vocab.len().max(self.rows) {
                return Err(Error::tokenizer(format!("There is no token {id}; the vocabulary has {}.", self.vocab.len())));
            }
            bytes.extend_from_slice(speller.spell(self, id));
        }
        Ok(match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        })
    }

    /// The raw bytes of a token, which may be part of a character; of a control token its name. `None` past the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Option<&[u8]> {
        self.vocab.bytes(id)
    }

    /// Whether the token steers the model and is no text: control, unknown and unused tokens.
    pub fn is_control(&self, id: u32) -> bool {
        self.vocab.kind(id).is_some_and(Kind::is_hidden)
    }

    /// The beginning-of-text token.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The end-of-text token; [`Tokenizer::end_tokens`] has it and the others.
    pub fn eos(&self) -> Option<u32> {
        self.eos
    }

    /// Whether texts begin with the beginning-of-text token.
    pub fn adds_bos(&self) -> bool {
        self.adds_bos
    }

    /// Every token that ends a text or a turn, as the file names them; sorted.
    pub fn end_tokens(&self) -> &[u32] {
        &self.ends
    }

    /// The text of a token as templates write it; lossy where its bytes are no characters.
    pub fn token_text(&self, id: u32) -> Option<Cow<'_, str>> {
        self.vocab.bytes(id).map(String::from_utf8_lossy)
    }

    /// What `template` must not let messages spell: the control tokens, and the further tokens that its source writes.
    pub fn control_texts(&self, template: &ChatTemplate) -> Result<ControlTexts> {
        let control: Vec<_> = [Kind::Control, Kind::Unknown]
            .into_iter()
            .flat_map(|kind| self.vocab.ids(kind))
            .filter_map(|id| std::str::from_utf8(self.vocab.bytes(id)?).ok())
            .collect();
        let markup: Vec<_> =
            self.markup.iter().map(String::as_str).filter(|text| template.source().contains(text)).collect();
        ControlTexts::new(&control, &markup)
    }

    fn pieces(&self, text: &str, marks: &[usize], control: bool, add_special: bool, continues: bool) -> Result<Vec<u32>> {
        let literals = match &self.encoder {
            Encoder::Pipeline(pipeline) => return pipeline.encode(text, marks, control, add_special, continues),
            Encoder::Spm(literals, _) | Encoder::Bpe(literals, _) => literals,
        };
        let mut ids = Vec::with_capacity(text.len() / 3 + 2);
        ids.extend(self.bos.filter(|_| add_special && self.adds_bos));
        let mut fresh = !continues;
        for piece in literals.split(text, marks, control) {
            match (piece, &self.encoder) {
                (Piece::Token(id), _) => ids.push(id),
                (Piece::Text(range), Encoder::Spm(_, spm)) => {
                    let prefix = fresh && self.prefix == Prefix::AfterLiterals;
                    spm.encode(&text[range], prefix, &mut ids)?;
                    fresh = false;
                    continue;
                }
                (Piece::Text(range), Encoder::Bpe(_, bpe)) => bpe.encode(&text[range], &mut ids)?,
                (Piece::Text(_), Encoder::Pipeline(_)) => {}
            }
            fresh = true;
        }
        ids.extend(self.eos.filter(|_| add_special && self.adds_eos));
        Ok(ids)
    }
}

fn check_length(text: &str) -> Result<()> {
    if text.len() > MAX_TEXT {
        return Err(Error::invalid_request(format!(
            "The text is {} bytes; at most {MAX_TEXT} can be tokenised at once.",
            text.len()
        )));
    }
    Ok(())
}
