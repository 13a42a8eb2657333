//! A folder's tokenizer as GGUF metadata, as llama.cpp's converter writes it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value as Json;
use wick_spec::{Error, Result};
use wick_weights::gguf::Value;

use crate::folder::Folder;
use crate::gguf::{is_stripping, strips};
use crate::pipeline::{merge_sides, metaspace_prefix, parts};
use crate::pre_tokenizer::{Cut, ROWS, Row};
use crate::template::TemplateSource;
use crate::tokenizer::Prefix;
use crate::vocab::Kind;

/// The score of what no merge makes: below all that merges.
const UNMERGED: f32 = -1e6;

/// The `tokenizer.*` keys for the folder at `dir`, whose embedding table has `vocab_rows` rows; and `general.name` where control
/// tokens take the white space behind them, as those of Phi-3 do: readers of GGUF know that by the name.
///
/// `unsupported`, naming it, when the tokenizer has something GGUF cannot say: a pre-tokenizer, normalizer or merges of another
/// kind, tokens that take white space with them. `model-invalid` when it has more tokens than rows.
pub fn to_gguf(dir: &Path, vocab_rows: usize) -> Result<Vec<(String, Value)>> {
    let folder = Folder::read(dir)?;
    let model = &folder.tokenizer["model"];
    if folder.model_type() != "BPE" {
        return Err(unsupported(format!("the model {:?}; BPE can be converted", folder.model_type())));
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if model[name].as_str().is_some_and(|text| !text.is_empty()) {
            return Err(unsupported(format!("the model's {name}")));
        }
    }
    let mut metadata = Entries::default();
    if takes_space(&folder)? {
        let name = dir.file_name().and_then(|name| name.to_str()).filter(|name| is_stripping(name));
        metadata.put("general.name", name.unwrap_or(STRIPPING_NAME));
    }
    let spm = model["byte_fallback"] == true;
    let columns = Columns::read(&folder, vocab_rows, spm)?;
    if spm {
        metadata.put("tokenizer.ggml.model", "llama");
        metadata.put("tokenizer.ggml.pre", "default");
        metadata.put("tokenizer.ggml.add_space_prefix", space_prefix(&folder.tokenizer)?);
        metadata.put("tokenizer.ggml.scores", columns.scores(model)?);
    } else {
        metadata.put("tokenizer.ggml.model", "gpt2");
        metadata.put("tokenizer.ggml.pre", pre_tokenizer(&folder.tokenizer)?.names[0]);
        let merges = model["merges"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|merge| merge_sides(merge).map(|(l, r)| format!("{l} {r}")));
        metadata.put("tokenizer.ggml.merges", merges.collect::<Result<Vec<String>>>()?);
    }
    metadata.put("tokenizer.ggml.token_type", columns.kinds.iter().map(|kind| kind.to_gguf()).collect::<Vec<i32>>());
    metadata.put("tokenizer.ggml.tokens", columns.texts);
    special_tokens(&folder, vocab_rows, &mut metadata)?;
    let template = TemplateSource::from_folder(dir)?;
    for (key, template) in
        [("tokenizer.chat_template", template.default), ("tokenizer.chat_template.tool_use", template.tool_use)]
    {
        if let Some(template) = template {
            metadata.put(key, template);
        }
    }
    Ok(metadata.0)
}

/// The name that makes readers of GGUF give literal tokens the white space behind them.
const STRIPPING_NAME: &str = "Phi-3";

/// Whether literal tokens take the white space behind them, in the one way that GGUF can say: by the model's name.
fn takes_space(folder: &Folder) -> Result<bool> {
    let any = folder.added.values().any(|token| token.rstrip);
    for token in folder.added.values() {
        if token.lstrip || token.single_word || token.rstrip != (any && strips(&token.content)) {
            return Err(unsupported(format!(
                "whether the token {:?} takes white space or stands alone (lstrip, rstrip, single_word)",
                token.content
            )));
        }
    }
    Ok(any)
}

#[derive(Default)]
struct Entries(Vec<(String, Value)>);

impl Entries {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.push((key.to_owned(), value.into()));
    }
}

fn unsupported(what: String) -> Error {
    Error::unsupported(format!("tokenizer.json: GGUF cannot express {what}."))
}

/// Text and kind of each row of the embedding table.
struct Columns {
    texts: Vec<String>,
    kinds: Vec<Kind>,
}

impl Columns {
    fn read(folder: &Folder, vocab_rows: usize, spm: bool) -> Result<Self> {
        let known = folder.texts()?;
        if known.len() > vocab_rows {
            return Err(Error::model_invalid(format!(
                "tokenizer.json has ids up to {}; the embedding table has {vocab_rows} rows.",
                known.len() - 1
            )));
        }
        let mut columns = Self { texts: Vec::with_capacity(vocab_rows), kinds: Vec::with_capacity(vocab_rows) };
        for id in 0..vocab_rows {
            let Some(text) = known.get(id).copied().flatten() else {
                columns.texts.push(format!("[PAD{id}]"));
                columns.kinds.push(Kind::Unused);
                continue;
            };
            let mut kind = folder.kind(id as u32, text, spm);
            if kind == Kind::UserDefined && looks_like_control(text) {
                kind = Kind::Control;
            }
            columns.texts.push(if kind == Kind::UserDefined { text.replace('▁', " ") } else { text.to_owned() });
            columns.kinds.push(kind);
        }
        Ok(columns)
    }

    /// Scores that make SentencePiece's rule do what the merges say: the earlier a piece is made, the higher.
    ///
    /// SentencePiece merges any two neighbours that make a piece, so the merges must be all the ways to make it, which they are in
    /// files that were converted from SentencePiece; others are `unsupported`.
    fn scores(&self, model: &Json) -> Result<Vec<f32>> {
        let plain =
            || self.texts.iter().zip(&self.kinds).filter(|(_, kind)| **kind == Kind::Normal).map(|(text, _)| text.as_str());
        let pieces: HashSet<&str> = plain().collect();
        let mut rank: HashMap<String, usize> = HashMap::new();
        let mut pairs = HashSet::new();
        for merge in model["merges"].as_array().into_iter().flatten() {
            let (left, right) = merge_sides(merge)?;
            let next = rank.len();
            rank.entry(format!("{left}{right}")).or_insert(next);
            pairs.insert((left, right));
        }
        for piece in plain() {
            let borders = piece.char_indices().skip(1).map(|(at, _)| piece.split_at(at));
            if let Some((left, right)) =
                borders.filter(|(l, r)| pieces.contains(l) && pieces.contains(r)).find(|pair| !pairs.contains(pair))
            {
                return Err(unsupported(format!(
                    "that {left:?} and {right:?} do not merge though {piece:?} is a token: this is no SentencePiece vocabulary"
                )));
            }
        }
        Ok(self
            .texts
            .iter()
            .zip(&self.kinds)
            .map(|(text, kind)| match (kind, rank.get(text)) {
                (Kind::Normal, Some(rank)) => -(*rank as f32),
                (Kind::Normal, None) => UNMERGED,
                _ => 0.0,
            })
            .collect())
    }
}

/// What llama.cpp's converter takes for a control token though it is not marked as one.
fn looks_like_control(text: &str) -> bool {
    ["<pad>", "<mask>", "<2mass>", "[@BOS@]"].contains(&text)
        || (text.starts_with("<|") && text.ends_with("|>"))
        || (text.starts_with("<｜") && text.ends_with("｜>"))
        || text.starts_with("<unused")
}

/// Whether a space is put in front of texts; `unsupported` for a SentencePiece-like file of another form.
fn space_prefix(tokenizer: &Json) -> Result<bool> {
    let (mut escapes, mut prefix) = (false, false);
    for part in parts(&tokenizer["normalizer"], "normalizers") {
        match part["type"].as_str().unwrap_or_default() {
            "Prepend" if part["prepend"] == "▁" => prefix = true,
            "Replace" if part["pattern"]["String"] == " " && part["content"] == "▁" => escapes = true,
            name => return Err(unsupported(format!("the normalizer {name:?} in a SentencePiece vocabulary"))),
        }
    }
    for part in parts(&tokenizer["pre_tokenizer"], "pretokenizers") {
        // Gemma's: there are no spaces any more to split at.
        if escapes && part["type"] == "Split" && part["pattern"]["String"] == " " {
            continue;
        }
        // A piece never has a space inside here, so cutting at spaces changes nothing, as long as no merge crosses one.
        if part["type"] != "Metaspace" || part["replacement"] != "▁" || part["split"] != false {
            return Err(unsupported(format!("the pre-tokenizer {} in a SentencePiece vocabulary", part["type"])));
        }
        escapes = true;
        prefix |= metaspace_prefix(part) != Prefix::Never;
    }
    if !escapes {
        return Err(unsupported("a byte-fallback vocabulary that does not write spaces as \"▁\"".to_owned()));
    }
    Ok(prefix)
}

/// The row of the table that describes the pre-tokenizer.
fn pre_tokenizer(tokenizer: &Json) -> Result<&'static Row> {
    let normalizers: Vec<_> = parts(&tokenizer["normalizer"], "normalizers").collect();
    // llama.cpp knows no normalization of byte-level BPE and its files of Qwen, which has NFC, go without.
    if let Some(other) = normalizers.iter().find(|part| part["type"] != "NFC") {
        return Err(unsupported(format!("the normalizer {}", other["type"])));
    }
    let mut regexes = Vec::new();
    let mut byte_level = false;
    for part in parts(&tokenizer["pre_tokenizer"], "pretokenizers") {
        match part["type"].as_str().unwrap_or_default() {
            "Split" if part["behavior"] == "Isolated" && part["invert"] != true => {
                regexes.push(part["pattern"]["Regex"].as_str().ok_or_else(|| unsupported("a Split at a text".to_owned()))?);
            }
            "Digits" if part["individual_digits"] == true => regexes.push(r"\p{N}"),
            "ByteLevel" if part["add_prefix_space"] != true => {
                byte_level = true;
                // The expression is built in, and used unless the file says no.
                if let (true, Cut::At(regex)) = (part["use_regex"] != false, &ROWS[0].cuts[0]) {
                    regexes.push(regex);
                }
            }
            name => return Err(unsupported(format!("the pre-tokenizer {name:?}"))),
        }
    }
    let ignore_merges = tokenizer["model"]["ignore_merges"] == true;
    let known = ROWS.iter().find(|row| byte_level && row.ignore_merges == ignore_merges && row.is_in_folders_as(&regexes));
    known.ok_or_else(|| {
        let names: Vec<_> = ROWS.iter().map(|row| row.names[0]).collect();
        unsupported(format!("the pre-tokenizer {regexes:?} (ignore_merges {ignore_merges}); known are {}", names.join(", ")))
    })
}

fn special_tokens(folder: &Folder, vocab_rows: usize, metadata: &mut Entries) -> Result<()> {
    let mut put = |name: &str, id: Option<u32>| match id {
        Some(id) if id as usize >= vocab_rows => {
            Err(Error::model_invalid(format!("{name} is {id}; the embedding table has {vocab_rows} rows.")))
        }
        Some(id) => {
            metadata.put(&format!("tokenizer.ggml.{name}_token_id"), id);
            Ok(())
        }
        None => Ok(()),
    };
    let bos = folder.named_id("bos_token").or_else(|| folder.config_ids("bos_token_id").first().copied());
    put("bos", bos)?;
    // GGUF has three keys for what ends an answer.
    for (name, id) in ["eos", "eot", "eom"].into_iter().zip(folder.end_ids()) {
        put(name, Some(id))?;
    }
    put("unknown", folder.named_id("unk_token").or_else(|| folder.id(folder.tokenizer["model"]["unk_token"].as_str()?)))?;
    put("padding", folder.named_id("pad_token").or_else(|| folder.config_ids("pad_token_id").first().copied()))?;
    let (adds_bos, adds_eos) = adds(folder, bos);
    metadata.put("tokenizer.ggml.add_bos_token", adds_bos);
    metadata.put("tokenizer.ggml.add_eos_token", adds_eos);
    Ok(())
}

/// Whether a text gets the beginning-of-text token in front and an end token behind.
fn adds(folder: &Folder, bos: Option<u32>) -> (bool, bool) {
    let config = &folder.tokenizer_config;
    if !config["add_bos_token"].is_null() || !config["add_eos_token"].is_null() {
        let flag = |flag: &str, token: &str| config[flag] == true && folder.named_id(token).is_some();
        return (flag("add_bos_token", "bos_token"), flag("add_eos_token", "eos_token"));
    }
    let template =
        parts(&folder.tokenizer["post_processor"], "processors").find(|part| part["type"] == "TemplateProcessing");
    let Some(single) = template.and_then(|part| part["single"].as_array()) else { return (false, false) };
    let id = |piece: Option<&Json>| folder.id(piece?["SpecialToken"]["id"].as_str()?);
    let eos = folder.named_id("eos_token");
    (bos.is_some() && id(single.first()) == bos, eos.is_some() && single.len() > 1 && id(single.last()) == eos)
}
