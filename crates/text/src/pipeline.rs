//! A `tokenizer.json`, run on the `tokenizers` library's parts.
//!
//! The library's own search for added tokens cannot be told to leave a place alone, and lets text add up to a control token when the
//! model has merges for it. So that search is done here, and control tokens are kept from the model. A panic of the library, which
//! was not made for files and texts of strangers, is caught and is an error.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use aho_corasick::{AhoCorasick, Input, MatchKind};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokenizers::models::bpe::{BpeBuilder, Vocab};
use tokenizers::tokenizer::normalizer::Range;
use tokenizers::{
    Model, ModelWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetType, PostProcessor, PostProcessorWrapper,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper, Token,
};
use wick_spec::{Error, Result};

use crate::folder::{Added, Folder};
use crate::literals::automaton;
use crate::rendered::is_split;
use crate::tokenizer::Prefix;

/// The parts in the order they run.
pub(crate) struct Pipeline {
    raw: AddedTokens,
    normalizer: Option<NormalizerWrapper>,
    normalized: AddedTokens,
    pre_tokenizer: Option<PreTokenizerWrapper>,
    model: ModelWrapper,
    special: Special,
    inserted: Option<Inserted>,
}

/// What is put around a text on request.
enum Special {
    PostProcessor(Box<PostProcessorWrapper>),
    /// `add_bos_token` and `add_eos_token` of `tokenizer_config.json`, which overrule.
    Flags {
        bos: Option<u32>,
        eos: Option<u32>,
    },
    None,
}

/// Which part puts a space in front of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inserted {
    /// `Prepend`: always.
    Normalizer,
    /// `Metaspace` or `ByteLevel`: unless there is one.
    PreTokenizer,
}

impl Pipeline {
    pub(crate) fn new(folder: &Folder) -> Result<Self> {
        guarded(|| Self::build(folder))
            .unwrap_or_else(|| Err(Error::model_invalid("tokenizer.json: the tokenizers library failed on it.")))
    }

    fn build(folder: &Folder) -> Result<Self> {
        let json = &folder.tokenizer;
        let normalizer: Option<NormalizerWrapper> = part(json, "normalizer")?;
        let pre_tokenizer = part(json, "pre_tokenizer")?;
        let (normalized, raw) =
            folder.added.iter().map(|(&id, token)| (id, token.clone())).partition(|(_, token)| token.normalized);
        Ok(Self {
            raw: AddedTokens::new(raw, None)?,
            normalized: AddedTokens::new(normalized, normalizer.as_ref())?,
            normalizer,
            pre_tokenizer,
            model: model(folder)?,
            special: Special::read(folder)?,
            inserted: Inserted::read(json),
        })
    }

    /// The ids of `text`. No token lies across one of the `marks`; `continues`: other text comes before.
    pub(crate) fn encode(
        &self,
        text: &str,
        marks: &[usize],
        control: bool,
        add_special: bool,
        continues: bool,
    ) -> Result<Vec<u32>> {
        let failed = || Error::tokenizer("The tokenizers library failed on a text.");
        guarded(|| self.run(text, marks, control, add_special, continues).map_err(|_| failed()))
            .unwrap_or_else(|| Err(failed()))
    }

    fn run(
        &self,
        text: &str,
        marks: &[usize],
        control: bool,
        add_special: bool,
        continues: bool,
    ) -> tokenizers::Result<Vec<u32>> {
        let mut string = PreTokenizedString::from(text);
        string.split(|_, part| self.raw.split(part, marks, control))?;
        string.split(|index, mut part| {
            let inserted = self.inserted == Some(Inserted::Normalizer) && continues && index == 0;
            if let Some(normalizer) = &self.normalizer {
                normalizer.normalize(&mut part)?;
            }
            self.normalized.split(if inserted { without_first(part) } else { part }, marks, control)
        })?;
        if let Some(pre_tokenizer) = &self.pre_tokenizer {
            pre_tokenizer.pre_tokenize(&mut string)?;
        }
        if self.inserted == Some(Inserted::PreTokenizer) && continues && !text.starts_with([' ', '▁']) {
            string.split(|index, part| Ok([if index == 0 { without_first(part) } else { part }]))?;
        }
        string.tokenize(|part| self.model.tokenize(part.get()))?;
        let encoding = string.into_encoding(None, 0, OffsetType::None)?;
        let ids = match &self.special {
            Special::PostProcessor(post) if add_special => post.process(encoding, None, true)?.get_ids().to_vec(),
            Special::Flags { bos, eos } if add_special => bos.iter().chain(encoding.get_ids()).chain(eos).copied().collect(),
            _ => encoding.get_ids().to_vec(),
        };
        Ok(ids)
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline").field("inserted", &self.inserted).finish_non_exhaustive()
    }
}

thread_local! {
    /// Whether a panic of this thread is caught here and is nobody's business.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// `None` when `run` panicked, which prints nothing: the message could hold text of a prompt.
fn guarded<T>(run: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let other = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                other(panic);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    QUIET.set(before);
    result.ok()
}

/// `string` without its first character.
fn without_first(string: NormalizedString) -> NormalizedString {
    let first = string.get().chars().next().map_or(0, char::len_utf8);
    string.slice(Range::Normalized(first..string.get().len())).unwrap_or(string)
}

fn part<T: DeserializeOwned>(json: &Json, name: &str) -> Result<Option<T>> {
    match &json[name] {
        Json::Null => Ok(None),
        part => T::deserialize(part).map(Some).map_err(|e| Error::model_invalid(format!("tokenizer.json: {name}: {e}"))),
    }
}

impl Special {
    fn read(folder: &Folder) -> Result<Self> {
        let config = &folder.tokenizer_config;
        let post: Option<PostProcessorWrapper> = part(&folder.tokenizer, "post_processor")?;
        if post.is_some() && config["add_bos_token"].is_null() && config["add_eos_token"].is_null() {
            return Ok(post.map_or(Special::None, |post| Special::PostProcessor(Box::new(post))));
        }
        let flag = |flag: &str, token: &str| folder.named_id(token).filter(|_| config[flag] == true);
        Ok(Special::Flags { bos: flag("add_bos_token", "bos_token"), eos: flag("add_eos_token", "eos_token") })
    }
}

impl Inserted {
    fn read(json: &Json) -> Option<Self> {
        if parts(&json["normalizer"], "normalizers").any(|part| part["type"] == "Prepend") {
            return Some(Inserted::Normalizer);
        }
        let inserts = |part: &Json| match part["type"].as_str() {
            Some("Metaspace") => metaspace_prefix(part) != Prefix::Never,
            Some("ByteLevel") => part["add_prefix_space"] == true,
            _ => false,
        };
        parts(&json["pre_tokenizer"], "pretokenizers").any(inserts).then_some(Inserted::PreTokenizer)
    }
}

/// A part, or the parts of a `Sequence`.
pub(crate) fn parts<'a>(json: &'a Json, list: &str) -> impl Iterator<Item = &'a Json> {
    json[list].as_array().map_or(std::slice::from_ref(json), Vec::as_slice).iter().filter(|part| !part.is_null())
}

/// Where a `Metaspace` puts a space.
pub(crate) fn metaspace_prefix(part: &Json) -> Prefix {
    match part["prepend_scheme"].as_str() {
        Some("never") => Prefix::Never,
        Some("first") => Prefix::Start,
        None if part["add_prefix_space"] == false => Prefix::Never,
        _ => Prefix::AfterLiterals,
    }
}

/// The model without its control tokens: what text can add up to.
fn model(folder: &Folder) -> Result<ModelWrapper> {
    let json = &folder.tokenizer["model"];
    let invalid = |e: &dyn std::fmt::Display| Error::model_invalid(format!("tokenizer.json: model: {e}"));
    if !json.is_object() {
        return Err(Error::model_invalid("tokenizer.json: there is no model."));
    }
    let unknown = json["unk_token"].as_str();
    let mut hidden = folder.control();
    match folder.model_type() {
        "BPE" => bpe(json, &hidden).map(ModelWrapper::BPE),
        "Unigram" => {
            // A piece's place is its id, so it stays and gets a text that nobody can write: half of it is drawn anew each time.
            let key = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0u8);
            let mut json = json.clone();
            let unknown = json["unk_id"].as_u64();
            for (id, piece) in json.get_mut("vocab").and_then(Json::as_array_mut).into_iter().flatten().enumerate() {
                let Some(text) = piece.get_mut(0).filter(|text| text.as_str().is_some_and(|text| hidden.contains(text)))
                else {
                    continue;
                };
                if unknown != Some(id as u64) {
                    *text = format!("\u{10FFFF}{key:016x}{id}").into();
                }
            }
            json["type"] = "Unigram".into();
            serde_json::from_value(json).map_err(|e| invalid(&e))
        }
        name => {
            hidden.retain(|text| Some(*text) != unknown);
            let mut json = json.clone();
            if let Some(vocab) = json.get_mut("vocab").and_then(Json::as_object_mut) {
                vocab.retain(|text, _| !hidden.contains(text.as_str()));
            }
            json["type"] = name.into();
            serde_json::from_value(json).map_err(|e| invalid(&e))
        }
    }
}

/// The library's BPE, with neither control tokens nor merges into them or out of them.
fn bpe(json: &Json, hidden: &HashSet<&str>) -> Result<tokenizers::models::bpe::BPE> {
    let unknown = json["unk_token"].as_str();
    let vocab =
        json["vocab"].as_object().ok_or_else(|| Error::model_invalid("tokenizer.json: the BPE model has no vocabulary."))?;
    let visible = |text: &str| !hidden.contains(text) && Some(text) != unknown;
    let prefix = json["continuing_subword_prefix"].as_str().unwrap_or_default();
    let mut ranked = Vec::new();
    for merge in json["merges"].as_array().into_iter().flatten() {
        let (left, right) = merge_sides(merge)?;
        let into = format!("{left}{}", right.strip_prefix(prefix).unwrap_or(right));
        if visible(left) && visible(right) && visible(&into) {
            ranked.push((left.to_owned(), right.to_owned()));
        }
    }
    let ids: Vocab = vocab
        .iter()
        .filter(|(text, _)| !hidden.contains(text.as_str()) || Some(text.as_str()) == unknown)
        .filter_map(|(text, id)| Some((text.clone(), u32::try_from(id.as_u64()?).ok()?)))
        .collect();
    let flag = |name: &str| json[name].as_bool().unwrap_or(false);
    let mut builder = BpeBuilder::new()
        .vocab_and_merges(ids, ranked)
        .fuse_unk(flag("fuse_unk"))
        .byte_fallback(flag("byte_fallback"))
        .ignore_merges(flag("ignore_merges"));
    for (name, set) in [
        ("unk_token", BpeBuilder::unk_token as fn(BpeBuilder, String) -> BpeBuilder),
        ("continuing_subword_prefix", BpeBuilder::continuing_subword_prefix),
        ("end_of_word_suffix", BpeBuilder::end_of_word_suffix),
    ] {
        if let Some(text) = json[name].as_str().filter(|text| !text.is_empty() || name == "unk_token") {
            builder = set(builder, text.to_owned());
        }
    }
    builder.build().map_err(|e| Error::model_invalid(format!("tokenizer.json: model: {e}")))
}

/// The two sides of a merge: `"a b"`, or `["a", "b"]` as newer files have it.
pub(crate) fn merge_sides(merge: &Json) -> Result<(&str, &str)> {
    let pair = match merge {
        Json::String(text) => text.split_once(' ').filter(|(_, right)| !right.contains(' ')),
        pair => pair[0].as_str().zip(pair[1].as_str()),
    };
    pair.ok_or_else(|| Error::model_invalid("tokenizer.json: a merge is not two tokens."))
}

/// Tokens that are looked for in the text itself: the leftmost match, of those the longest.
struct AddedTokens {
    automaton: Option<AhoCorasick>,
    tokens: Vec<(u32, Added)>,
}

impl AddedTokens {
    fn new(tokens: Vec<(u32, Added)>, normalizer: Option<&NormalizerWrapper>) -> Result<Self> {
        let text = |(_, token): &(u32, Added)| {
            let mut text = NormalizedString::from(token.content.as_str());
            if let Some(normalizer) = normalizer {
                normalizer
                    .normalize(&mut text)
                    .map_err(|e| Error::model_invalid(format!("tokenizer.json: normalizer: {e}")))?;
            }
            Ok(text.get().to_owned())
        };
        let (tokens, texts): (Vec<_>, Vec<String>) = tokens
            .into_iter()
            .map(|token| text(&token).map(|text| (token, text)))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .unzip();
        Ok(Self { automaton: automaton(texts.iter().map(String::as_str), MatchKind::LeftmostLongest)?, tokens })
    }

    #[allow(clippy::type_complexity)]
    fn split(
        &self,
        string: NormalizedString,
        marks: &[usize],
        control: bool,
    ) -> tokenizers::Result<Vec<(NormalizedString, Option<Vec<Token>>)>> {
        let text = string.get();
        let mut out = Vec::new();
        let part =
            |range: std::ops::Range<usize>| string.slice(Range::Normalized(range)).ok_or("a token ends inside a character");
        let mut done = 0;
        for (id, range) in self.find(&string, marks, control) {
            let start = range.start.max(done);
            if done < start {
                out.push((part(done..start)?, None));
            }
            let token = Token::new(id, text[start..range.end].to_owned(), (0, range.end - start));
            out.push((part(start..range.end)?, Some(vec![token])));
            done = range.end;
        }
        if done < text.len() {
            out.push((part(done..text.len())?, None));
        }
        Ok(out)
    }

    /// The tokens in `string` with the stretch that each takes.
    fn find(&self, string: &NormalizedString, marks: &[usize], control: bool) -> Vec<(u32, std::ops::Range<usize>)> {
        let (text, offset) = (string.get(), string.offsets_original().0);
        let mut found = Vec::new();
        let Some(automaton) = &self.automaton else { return found };
        let mut from = 0;
        while let Some(hit) = automaton.find(Input::new(text).range(from..)) {
            let (id, token) = &self.tokens[hit.pattern()];
            let original = string.convert_offsets(Range::Normalized(hit.range())).unwrap_or(0..0);
            let refused = (token.special && !control)
                || is_split(marks, &(offset + original.start..offset + original.end))
                || (token.single_word && !stands_alone(text, hit.range()));
            if refused {
                from = hit.start() + text[hit.start()..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let (before, behind) = (&text[..hit.start()], &text[hit.end()..]);
            let start = if token.lstrip { before.trim_end().len() } else { hit.start() };
            let end = if token.rstrip { text.len() - behind.trim_start().len() } else { hit.end() };
            found.push((*id, start..end));
            from = end;
        }
        found
    }
}

fn stands_alone(text: &str, range: std::ops::Range<usize>) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    !text[..range.start].ends_with(word) && !text[range.end..].starts_with(word)
}
