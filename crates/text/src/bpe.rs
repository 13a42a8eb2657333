//! Byte-level BPE from GGUF metadata, on the `tokenizers` crate's merge loop.

use tokenizers::Model;
use tokenizers::models::bpe::{BPE, BpeBuilder, Vocab};
use wick_spec::{Error, Result};

use crate::byte_level;
use crate::pre_tokenizer::{Row, Splitter};

/// Words, then bytes, then merges.
#[derive(Debug)]
pub(crate) struct Bpe {
    splitter: Splitter,
    merges: BPE,
    /// The bytes that have no token, as they are spelled.
    unknown: Vec<char>,
}

impl Bpe {
    /// `pieces`: spelled text and id of what text may become: no control tokens, so that no text of a user adds up to one.
    /// `merges`: `"left right"` in order of rank. A merge of or into something that is no piece cannot happen and is left out.
    pub(crate) fn new<'a>(
        row: &Row,
        pieces: impl Iterator<Item = (&'a str, u32)>,
        merges: impl Iterator<Item = &'a str>,
    ) -> Result<Self> {
        let pieces: Vocab = pieces.map(|(text, id)| (text.to_owned(), id)).collect();
        let mut joined = String::new();
        let merges = merges
            .filter_map(|merge| split_merge(merge))
            .filter(|(left, right)| {
                joined.clear();
                joined.push_str(left);
                joined.push_str(right);
                pieces.contains_key(*left) && pieces.contains_key(*right) && pieces.contains_key(joined.as_str())
            })
            .map(|(left, right)| (left.to_owned(), right.to_owned()))
            .collect();
        let unknown =
            byte_level::letters().filter(|letter| !pieces.contains_key(letter.encode_utf8(&mut [0; 4]) as &str)).collect();
        let merges = BpeBuilder::new()
            .vocab_and_merges(pieces, merges)
            .ignore_merges(row.ignore_merges)
            .build()
            .map_err(|e| Error::model_invalid(format!("tokenizer.ggml.merges: {e}")))?;
        Ok(Self { splitter: Splitter::new(row)?, merges, unknown })
    }

    /// Appends the ids of `text`. A byte without a token is passed over, and nothing merges across it, as in llama.cpp.
    pub(crate) fn encode(&self, text: &str, out: &mut Vec<u32>) -> Result<()> {
        let mut spelled = String::new();
        for word in self.splitter.split(text) {
            spelled.clear();
            byte_level::spell(&text[word], &mut spelled);
            if self.unknown.is_empty() {
                self.merge(&spelled, out)?;
            } else {
                spelled.split(self.unknown.as_slice()).try_for_each(|part| self.merge(part, out))?;
            }
        }
        Ok(())
    }

    fn merge(&self, spelled: &str, out: &mut Vec<u32>) -> Result<()> {
        let tokens = self
            .merges
            .tokenize(spelled)
            .map_err(|_| Error::tokenizer("The vocabulary cannot spell a word of the text."))?;
        out.extend(tokens.into_iter().map(|token| token.id));
        Ok(())
    }
}

/// The two sides of `"left right"`. The left side may begin with a space, so the first character is passed over.
fn split_merge(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let at = first + merge[first..].find(' ')?;
    Some((&merge[..at], &merge[at + 1..]))
}
