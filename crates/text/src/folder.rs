//! What a Hugging Face folder says of its tokenizer, and the tokenizer it describes.
//!
//! `tokenizer.json` has the vocabulary and the pipeline; `tokenizer_config.json` names the special tokens and may overrule;
//! `config.json` and `generation_config.json` name the ids that end a text.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;
use wick_spec::{Error, Result};

use crate::ends;
use crate::infill::Infill;
use crate::pipeline::Pipeline;
use crate::spelling::Spelling;
use crate::tokenizer::{Encoder, Tokenizer};
use crate::vocab::{Kind, Vocab};

/// The largest published `tokenizer.json` are below 40 MB.
const MAX_FILE: u64 = 256 << 20;
/// Ids above it are no vocabulary's.
const MAX_ID: u32 = 1 << 24;
const NAMED: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
const NAMED_LISTS: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

impl Tokenizer {
    /// The tokenizer of a Hugging Face folder, as the `tokenizers` library and transformers run it.
    ///
    /// `model-not-found` without a `tokenizer.json`; `model-invalid` when it is broken; `unsupported` for a decoder that does not
    /// turn tokens into text.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        let folder = Folder::read(dir)?;
        let pipeline = Pipeline::new(&folder)?;
        let spelling = Spelling::read(&folder.tokenizer)?;
        let vocab = folder.vocab(&spelling)?;
        let bos = folder.named_id("bos_token").or_else(|| folder.config_ids("bos_token_id").first().copied());
        let bos = bos.filter(|&id| (id as usize) < vocab.len());
        let names = Infill::names(|name| folder.added_id(name).filter(|&id| (id as usize) < vocab.len()));
        let infill = Infill::new(Vec::new(), names, |id| Some(folder.added.get(&id)?.content.clone()))?;
        let mut tokenizer = Self {
            infill,
            kind: format!("tokenizer.json ({})", folder.model_type()),
            ends: folder.ends(),
            markup: folder.added.values().filter(|token| !token.special).map(|token| token.content.clone()).collect(),
            vocab,
            prefix: spelling.prefix,
            rows: 0,
            encoder: Encoder::Pipeline(Box::new(pipeline)),
            bos,
            eos: folder.named_id("eos_token"),
            adds_bos: false,
            adds_eos: false,
        };
        let added = tokenizer.encode("", crate::Control::AsText, true)?;
        tokenizer.adds_bos = bos.is_some() && added.first() == bos.as_ref();
        Ok(tokenizer)
    }
}

/// The files of a folder that concern the tokenizer.
pub(crate) struct Folder {
    /// `tokenizer.json`.
    pub(crate) tokenizer: Json,
    /// `tokenizer_config.json`, or null.
    pub(crate) tokenizer_config: Json,
    /// `config.json` and `generation_config.json`, or null.
    configs: [Json; 2],
    /// The tokens that are looked for in the text itself, by id.
    pub(crate) added: BTreeMap<u32, Added>,
}

/// A token that is looked for in the text itself.
#[derive(Debug, Clone)]
pub(crate) struct Added {
    pub(crate) content: String,
    /// Matches whole words only.
    pub(crate) single_word: bool,
    /// Takes the white space before it.
    pub(crate) lstrip: bool,
    /// Takes the white space behind it.
    pub(crate) rstrip: bool,
    /// Is looked for after normalisation.
    pub(crate) normalized: bool,
    /// Is a control token.
    pub(crate) special: bool,
}

impl Folder {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let json = |name: &str| read_json(&dir.join(name));
        let tokenizer = json("tokenizer.json")?.ok_or_else(|| {
            Error::model_not_found(format!("{} has no tokenizer.json; a fast tokenizer's file is needed.", dir.display()))
        })?;
        let configs = [json("config.json")?.unwrap_or_default(), json("generation_config.json")?.unwrap_or_default()];
        let tokenizer_config = json("tokenizer_config.json")?.unwrap_or_default();
        let mut folder = Self { tokenizer, tokenizer_config, configs, added: BTreeMap::new() };
        folder.read_added()?;
        Ok(folder)
    }

    /// `BPE`, `Unigram`, …: as written, or told from the fields as files did before they wrote it.
    pub(crate) fn model_type(&self) -> &str {
        let model = &self.tokenizer["model"];
        let guess = || match () {
            () if model["merges"].is_array() => "BPE",
            () if model["vocab"].is_array() => "Unigram",
            () if model["continuing_subword_prefix"].is_string() => "WordPiece",
            () => "WordLevel",
        };
        model["type"].as_str().unwrap_or_else(guess)
    }

    fn read_added(&mut self) -> Result<()> {
        let mut added = BTreeMap::new();
        for token in self.tokenizer["added_tokens"].as_array().into_iter().flatten() {
            added.insert(checked_id(&token["id"])?, Added::read(token)?);
        }
        for (id, token) in self.tokenizer_config["added_tokens_decoder"].as_object().into_iter().flatten() {
            added.insert(checked_id(&Json::from(id.parse::<u64>().unwrap_or(u64::MAX)))?, Added::read(token)?);
        }
        let listed =
            NAMED_LISTS.iter().filter_map(|list| self.tokenizer_config[*list].as_array()).flatten().filter_map(content);
        for text in NAMED.iter().filter_map(|name| self.named(name)).chain(listed) {
            if let Some(token) = added.values_mut().find(|token| token.content == text) {
                token.special = true;
            } else if let Some(id) = self.model_id(text) {
                let [single_word, lstrip, rstrip, normalized] = [false; 4];
                added.insert(id, Added { content: text.to_owned(), single_word, lstrip, rstrip, normalized, special: true });
            }
        }
        added.retain(|_, token| !token.content.is_empty());
        self.added = added;
        Ok(())
    }

    /// The text of a special token that `tokenizer_config.json` names.
    pub(crate) fn named(&self, name: &str) -> Option<&str> {
        content(&self.tokenizer_config[name])
    }

    /// The id of a special token that `tokenizer_config.json` names.
    pub(crate) fn named_id(&self, name: &str) -> Option<u32> {
        self.id(self.named(name)?)
    }

    /// The id of a token that is looked for in the text itself.
    fn added_id(&self, text: &str) -> Option<u32> {
        self.added.iter().find(|(_, token)| token.content == text).map(|(id, _)| *id)
    }

    /// The id of a token's text.
    pub(crate) fn id(&self, text: &str) -> Option<u32> {
        self.added_id(text).or_else(|| self.model_id(text))
    }

    fn model_id(&self, text: &str) -> Option<u32> {
        match &self.tokenizer["model"]["vocab"] {
            Json::Object(vocab) => checked_id(vocab.get(text)?).ok(),
            Json::Array(pieces) => pieces.iter().position(|piece| piece[0] == text).and_then(|id| u32::try_from(id).ok()),
            _ => None,
        }
    }

    /// The ids under `key` in the model's configurations, which may be one number or a list.
    pub(crate) fn config_ids(&self, key: &str) -> Vec<u32> {
        let places = self.configs.iter().flat_map(|config| [&config[key], &config["text_config"][key]]);
        let mut ids = Vec::new();
        for place in places {
            let listed = place.as_array().map_or(std::slice::from_ref(place), Vec::as_slice);
            ids.extend(
                listed.iter().filter_map(|id| checked_id(id).ok()).filter(|id| !ids.contains(id)).collect::<Vec<_>>(),
            );
        }
        ids
    }

    /// Every id that the folder says ends a text, the tokenizer's own first.
    pub(crate) fn end_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.named_id("eos_token").into_iter().collect();
        ids.extend(self.config_ids("eos_token_id").into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>());
        ids
    }

    fn ends(&self) -> Vec<u32> {
        let name = |id| self.added.get(&id).map_or("", |token: &Added| token.content.as_str());
        ends::settle(self.end_ids().into_iter().map(|id| (id, name(id))).collect())
    }

    /// The text of each id of the model, `None` where it has none; the added tokens are laid over it.
    pub(crate) fn texts(&self) -> Result<Vec<Option<&str>>> {
        let mut texts: Vec<Option<&str>> = Vec::new();
        let mut put = |id: u32, text| {
            let id = id as usize;
            if id >= texts.len() {
                texts.resize(id + 1, None);
            }
            texts[id] = Some(text);
        };
        match &self.tokenizer["model"]["vocab"] {
            Json::Object(vocab) => {
                for (text, id) in vocab {
                    put(checked_id(id)?, text.as_str());
                }
            }
            Json::Array(pieces) => {
                for (id, piece) in (0..MAX_ID).zip(pieces) {
                    put(id, piece[0].as_str().unwrap_or_default());
                }
            }
            _ => return Err(Error::model_invalid("tokenizer.json: the model has no vocabulary.")),
        }
        for (&id, token) in &self.added {
            put(id, token.content.as_str());
        }
        Ok(texts)
    }

    /// What `id`, whose text is `text`, is for. `bytes`: whether `<0x0A>` is a byte.
    pub(crate) fn kind(&self, id: u32, text: &str, bytes: bool) -> Kind {
        let unknown = self.tokenizer["model"]["unk_token"].as_str().or_else(|| self.named("unk_token"));
        match self.added.get(&id) {
            _ if unknown == Some(text) => Kind::Unknown,
            Some(token) if token.special => Kind::Control,
            Some(_) => Kind::UserDefined,
            None if bytes && crate::spm::byte_of(text).is_some() => Kind::Byte,
            None => Kind::Normal,
        }
    }

    fn vocab(&self, spelling: &Spelling) -> Result<Vocab> {
        let mut vocab = Vocab::default();
        for (id, text) in (0u32..).zip(self.texts()?) {
            let Some(text) = text else {
                vocab.push(b"", Kind::Unused);
                continue;
            };
            let kind = self.kind(id, text, spelling.bytes);
            match kind {
                Kind::Normal | Kind::Byte => vocab.push(&spelling.spell(text), kind),
                _ => vocab.push(text.as_bytes(), kind),
            }
        }
        Ok(vocab)
    }

    /// The texts that the model must not make out of others: control tokens.
    pub(crate) fn control(&self) -> HashSet<&str> {
        self.added.values().filter(|token| token.special).map(|token| token.content.as_str()).collect()
    }
}

impl Added {
    fn read(json: &Json) -> Result<Self> {
        let content = json["content"]
            .as_str()
            .ok_or_else(|| Error::model_invalid("tokenizer.json: an added token has no content."))?;
        let flag = |name: &str, default| json[name].as_bool().unwrap_or(default);
        let special = flag("special", false);
        Ok(Self {
            content: content.to_owned(),
            single_word: flag("single_word", false),
            lstrip: flag("lstrip", false),
            rstrip: flag("rstrip", false),
            normalized: flag("normalized", !special),
            special,
        })
    }
}

/// A token is named by its text, or by an object that has it.
fn content(json: &Json) -> Option<&str> {
    json.as_str().or_else(|| json["content"].as_str())
}

fn checked_id(json: &Json) -> Result<u32> {
    let id = json.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|&id| id < MAX_ID);
    id.ok_or_else(|| Error::model_invalid(format!("tokenizer.json: {} is not a token id below {MAX_ID}.", brief(json))))
}

fn brief(json: &Json) -> String {
    if json.is_number() { json.to_string() } else { "a value that is no number".to_owned() }
}

/// A text file of the model, `None` when there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(format!("{}: {e}", path.display()))),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|e| Error::io(format!("{}: {e}", path.display())))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::model_invalid(format!("{} is larger than {MAX_FILE} bytes.", path.display())));
    }
    let text = String::from_utf8(bytes).map_err(|_| Error::model_invalid(format!("{} is not UTF-8.", path.display())))?;
    Ok(Some(text))
}

/// A JSON file of the model, `None` when there is none.
pub(crate) fn read_json(path: &Path) -> Result<Option<Json>> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    let json =
        serde_json::from_str(&text).map_err(|e| Error::model_invalid(format!("{} is not JSON: {e}", path.display())))?;
    Ok(Some(json))
}
