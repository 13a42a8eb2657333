//! Filling in the middle (Bavarian et al. 2022): the tokens a model marks a gap with, and a gap as ids.
//!
//! With a middle token the text goes prefix, suffix, middle; models that have none (Codestral) take the suffix first and go on
//! from the prefix. Other files of a repository come before, as Qwen2.5-Coder (Hui et al. 2024) and StarCoder2 were trained.
//! What a user writes is cut wherever it spells one of these tokens, so that no way of tokenising can make one of it.

use wick_spec::{Error, InfillPrompt, Result};
use wick_weights::gguf::Metadata;

use crate::template::ControlTexts;
use crate::tokenizer::Tokenizer;

/// What a token is for in a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Prefix,
    Suffix,
    Middle,
    /// Fills batches up in training; as an answer it ends one.
    Pad,
    Repository,
    File,
    /// Ends an answer in the middle.
    End,
}

/// The keys of GGUF files, new and old.
const KEYS: [(Part, &str); 9] = [
    (Part::Prefix, "tokenizer.ggml.fim_pre_token_id"),
    (Part::Suffix, "tokenizer.ggml.fim_suf_token_id"),
    (Part::Middle, "tokenizer.ggml.fim_mid_token_id"),
    (Part::Pad, "tokenizer.ggml.fim_pad_token_id"),
    (Part::Repository, "tokenizer.ggml.fim_rep_token_id"),
    (Part::File, "tokenizer.ggml.fim_sep_token_id"),
    (Part::Prefix, "tokenizer.ggml.prefix_token_id"),
    (Part::Suffix, "tokenizer.ggml.suffix_token_id"),
    (Part::Middle, "tokenizer.ggml.middle_token_id"),
];

/// The names models give them, family by family: a prefix of one and a suffix of another make no gap.
const NAMES: [(&str, &[(Part, &str)]); 8] = [
    (
        "Qwen2.5-Coder",
        &[
            (Part::Prefix, "<|fim_prefix|>"),
            (Part::Suffix, "<|fim_suffix|>"),
            (Part::Middle, "<|fim_middle|>"),
            (Part::Pad, "<|fim_pad|>"),
            (Part::Repository, "<|repo_name|>"),
            (Part::File, "<|file_sep|>"),
        ],
    ),
    (
        "StarCoder, Granite",
        &[
            (Part::Prefix, "<fim_prefix>"),
            (Part::Suffix, "<fim_suffix>"),
            (Part::Middle, "<fim_middle>"),
            (Part::Pad, "<fim_pad>"),
            (Part::Repository, "<repo_name>"),
            (Part::Repository, "<reponame>"),
            (Part::File, "<file_sep>"),
            (Part::File, "<filename>"),
        ],
    ),
    (
        "SantaCoder",
        &[
            (Part::Prefix, "<fim-prefix>"),
            (Part::Suffix, "<fim-suffix>"),
            (Part::Middle, "<fim-middle>"),
            (Part::Pad, "<fim-pad>"),
        ],
    ),
    (
        "DeepSeek Coder",
        &[(Part::Prefix, "<｜fim▁begin｜>"), (Part::Suffix, "<｜fim▁hole｜>"), (Part::Middle, "<｜fim▁end｜>")],
    ),
    ("CodeLlama", &[(Part::Prefix, "▁<PRE>"), (Part::Suffix, "▁<SUF>"), (Part::Middle, "▁<MID>"), (Part::End, "▁<EOT>")]),
    (
        "CodeLlama, without the space",
        &[(Part::Prefix, "<PRE>"), (Part::Suffix, "<SUF>"), (Part::Middle, "<MID>"), (Part::End, "<EOT>")],
    ),
    ("GLM", &[(Part::Prefix, "<|code_prefix|>"), (Part::Suffix, "<|code_suffix|>"), (Part::Middle, "<|code_middle|>")]),
    ("Codestral", &[(Part::Prefix, "[PREFIX]"), (Part::Suffix, "[SUFFIX]")]),
];

/// The tokens of a gap.
#[derive(Debug)]
pub(crate) struct Infill {
    prefix: u32,
    suffix: u32,
    middle: Option<u32>,
    repository: Option<u32>,
    file: Option<u32>,
    /// All of them: an answer that says one is over.
    all: Vec<u32>,
    /// What the user's text is cut at.
    guard: ControlTexts,
}

impl Infill {
    /// The tokens by key of a GGUF file, where it has any; `model-invalid` when one is past the vocabulary of `len`.
    pub(crate) fn keys(metadata: &Metadata, len: usize) -> Result<Vec<(Part, u32)>> {
        let mut found = Vec::new();
        for (part, key) in KEYS {
            match metadata.u32(key)? {
                Some(id) if id as usize >= len => {
                    return Err(Error::model_invalid(format!("{key} is {id}; the vocabulary has {len} tokens.")));
                }
                Some(id) => found.push((part, id)),
                None => {}
            }
        }
        Ok(found)
    }

    /// The tokens of the first family whose prefix and suffix `id` knows by name.
    pub(crate) fn names(id: impl Fn(&str) -> Option<u32>) -> Vec<(Part, u32)> {
        let known = |names: &[(Part, &str)]| -> Vec<(Part, u32)> {
            names.iter().filter_map(|&(part, name)| Some((part, id(name)?))).collect()
        };
        NAMES.iter().map(|(_, names)| known(names)).find(|found| is_whole(found)).unwrap_or_default()
    }

    /// From what keys say, and names where they do not say enough; `None` without a prefix and a suffix. `text` spells an id.
    pub(crate) fn new(
        keys: Vec<(Part, u32)>,
        names: Vec<(Part, u32)>,
        text: impl Fn(u32) -> Option<String>,
    ) -> Result<Option<Self>> {
        let found: Vec<(Part, u32)> = keys.into_iter().chain(names).collect();
        if !is_whole(&found) {
            return Ok(None);
        }
        let first = |part| found.iter().find(|(is, _)| *is == part).map(|&(_, id)| id);
        let (Some(prefix), Some(suffix)) = (first(Part::Prefix), first(Part::Suffix)) else { return Ok(None) };
        let mut all: Vec<u32> = found.iter().map(|&(_, id)| id).collect();
        all.sort_unstable();
        all.dedup();
        // SentencePiece writes a space as ▁.
        let spelled = all.iter().filter_map(|&id| text(id)).flat_map(|text| [text.replace('▁', " "), text]);
        let mut spelled: Vec<String> = spelled.collect();
        spelled.sort_unstable();
        spelled.dedup();
        let guard = ControlTexts::new(&spelled.iter().map(String::as_str).collect::<Vec<_>>(), &[])?;
        Ok(Some(Self {
            prefix,
            suffix,
            middle: first(Part::Middle),
            repository: first(Part::Repository),
            file: first(Part::File),
            all,
            guard,
        }))
    }
}

fn is_whole(found: &[(Part, u32)]) -> bool {
    [Part::Prefix, Part::Suffix].iter().all(|part| found.iter().any(|(is, _)| is == part))
}

impl Tokenizer {
    /// Whether the file names the tokens that a gap is marked with.
    pub fn can_infill(&self) -> bool {
        self.infill.is_some()
    }

    /// The tokens that end what is filled in, beside [`Tokenizer::end_tokens`]. `unsupported` where the file names none.
    pub fn infill_ends(&self) -> Result<&[u32]> {
        Ok(&self.infill()?.all)
    }

    /// The ids of a text with a gap, up to where the model begins to fill it.
    ///
    /// `unsupported` where the file names no tokens for it, or none for a repository or files that are given; `invalid-request`
    /// for files without the path of the one that is filled in.
    pub fn encode_infill(&self, prompt: &InfillPrompt) -> Result<Vec<u32>> {
        let infill = self.infill()?;
        let mut ids: Vec<u32> = self.bos().filter(|_| self.adds_bos()).into_iter().collect();
        self.repository(infill, prompt, &mut ids)?;
        match infill.middle {
            Some(middle) => {
                ids.push(infill.prefix);
                self.own_words(infill, &prompt.prefix, false, &mut ids)?;
                ids.push(infill.suffix);
                self.own_words(infill, &prompt.suffix, true, &mut ids)?;
                ids.push(middle);
            }
            None => {
                ids.push(infill.suffix);
                self.own_words(infill, &prompt.suffix, true, &mut ids)?;
                ids.push(infill.prefix);
                self.own_words(infill, &prompt.prefix, false, &mut ids)?;
            }
        }
        Ok(ids)
    }

    fn infill(&self) -> Result<&Infill> {
        self.infill.as_ref().ok_or_else(|| {
            Error::unsupported(
                "This model's file names no tokens for infill, so it was not trained to fill a gap. Use a code model that was, \
                 such as Qwen2.5-Coder, or ask this one in a chat.",
            )
        })
    }

    /// What stands in front of the gap's own file.
    fn repository(&self, infill: &Infill, prompt: &InfillPrompt, ids: &mut Vec<u32>) -> Result<()> {
        let missing = |what: &str| {
            Err(Error::unsupported(format!(
                "This model's file names no token for {what} in front of an infill; leave it out."
            )))
        };
        if !prompt.files.is_empty() && prompt.path.is_none() {
            return Err(Error::invalid_request("infill.files needs infill.path, the path of the file with the gap."));
        }
        if let Some(name) = &prompt.repository {
            let Some(token) = infill.repository else { return missing("a repository's name") };
            ids.push(token);
            self.own_words(infill, &format!("{name}\n"), true, ids)?;
        }
        let Some(path) = &prompt.path else { return Ok(()) };
        let Some(token) = infill.file else { return missing("files") };
        for file in &prompt.files {
            let end = if file.text.ends_with('\n') { "" } else { "\n" };
            ids.push(token);
            self.own_words(infill, &format!("{}\n{}{end}", file.path, file.text), true, ids)?;
        }
        ids.push(token);
        self.own_words(infill, &format!("{path}\n"), true, ids)
    }

    /// Text in which no token of a gap is made, whatever it spells. `continues`: no space is put in front.
    fn own_words(&self, infill: &Infill, text: &str, continues: bool, ids: &mut Vec<u32>) -> Result<()> {
        let mut from = 0;
        for to in infill.guard.marks(text, false).into_iter().chain([text.len()]) {
            ids.extend(self.encode_part(&text[from..to], continues || from > 0)?);
            from = to;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_family_that_is_whole_is_taken() {
        let names = ["<PRE>", "<fim_prefix>", "<fim_suffix>", "<reponame>"];
        let id = |name: &str| names.iter().position(|known| *known == name).map(|at| at as u32);
        assert_eq!(Infill::names(id), [(Part::Prefix, 1), (Part::Suffix, 2), (Part::Repository, 3)]);
        assert_eq!(Infill::names(|name| (name == "<PRE>").then_some(7)), []);
    }

    #[test]
    fn keys_come_before_names() {
        let names = vec![(Part::Prefix, 1), (Part::Suffix, 2), (Part::Middle, 3)];
        let infill = Infill::new(vec![(Part::Middle, 9)], names, |id| Some(format!("<{id}>"))).unwrap().unwrap();
        assert_eq!((infill.prefix, infill.suffix, infill.middle), (1, 2, Some(9)));
        assert_eq!(infill.all, [1, 2, 3, 9]);
    }
}
