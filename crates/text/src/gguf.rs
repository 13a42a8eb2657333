//! A tokenizer from the `tokenizer.ggml.*` keys of a GGUF file.

use std::collections::HashMap;

use wick_spec::{Error, Result};
use wick_weights::gguf::{Metadata, Strings};

use crate::bpe::Bpe;
use crate::infill::{Infill, Part};
use crate::literals::Literals;
use crate::spm::{Spm, byte_of};
use crate::tokenizer::{Encoder, Prefix, Tokenizer};
use crate::vocab::{Kind, Vocab};
use crate::{byte_level, ends, pre_tokenizer};

/// The keys that name single tokens, of those that end a text or a turn.
const END_KEYS: [&str; 3] = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"];
/// What `<s>`, `</s>` and `<unk>` are in SentencePiece models whose files do not say.
const SPM_DEFAULTS: [u32; 3] = [1, 2, 0];

impl Tokenizer {
    /// The tokenizer that a GGUF file carries: SentencePiece (`llama`) or byte-level BPE (`gpt2`) with a known pre-tokenizer.
    ///
    /// `model-invalid` when keys are missing or contradict each other; `unsupported` for other tokenizers, by name.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let model = metadata.require("tokenizer.ggml.model", Metadata::str)?;
        if !["llama", "gpt2"].contains(&model) {
            return Err(Error::unsupported(format!(
                "The tokenizer {model:?} (tokenizer.ggml.model) is not known; known are \"llama\" (SentencePiece) and \"gpt2\" (byte-level BPE)."
            )));
        }
        let spm = model == "llama";
        let table = Table::read(metadata, spm)?;
        let special = Special::read(metadata, spm, table.len())?;
        let mut pre = None;
        let encoder = if spm {
            let tokens = (0..table.len()).map(|id| (table.text(id), table.score(id), table.kinds[id]));
            Encoder::Spm(table.literals()?, Spm::new(tokens, special.unknown))
        } else {
            let row = pre_tokenizer::row(metadata.str("tokenizer.ggml.pre")?.unwrap_or("default"))?;
            pre = Some(row);
            let merges = metadata.require("tokenizer.ggml.merges", Metadata::strings)?;
            let pieces = (0..table.len())
                .filter(|&id| !matches!(table.kinds[id], Kind::Control | Kind::Unknown))
                .map(|id| (table.text(id), id as u32));
            Encoder::Bpe(table.literals()?, Box::new(Bpe::new(row, pieces, merges.iter())?))
        };
        let flag = |key, default| metadata.bool(key).map(|flag| flag.unwrap_or(default));
        let adds_bos = flag("tokenizer.ggml.add_bos_token", spm || pre.is_some_and(|row| row.adds_bos))?;
        let adds_eos = flag("tokenizer.ggml.add_eos_token", false)?;
        for (adds, id, name) in [(adds_bos, special.bos, "bos"), (adds_eos, special.eos, "eos")] {
            if adds && id.is_none() {
                return Err(Error::model_invalid(format!(
                    "tokenizer.ggml.add_{name}_token asks for a token that tokenizer.ggml.{name}_token_id does not name."
                )));
            }
        }
        let prefix =
            if spm && flag("tokenizer.ggml.add_space_prefix", true)? { Prefix::AfterLiterals } else { Prefix::Never };
        let infill = Infill::new(Infill::keys(metadata, table.len())?, table.infill(), |id| {
            Some(table.text(id as usize).to_owned())
        })?;
        Ok(Self {
            infill,
            kind: pre.map_or_else(|| "llama (spm)".to_owned(), |row| format!("gpt2 (pre {})", written_name(metadata, row))),
            ends: table.ends(&special),
            markup: table.user_defined(),
            vocab: table.vocab(spm),
            rows: 0,
            encoder,
            prefix,
            bos: special.bos,
            eos: special.eos,
            adds_bos,
            adds_eos,
        })
    }
}

/// The file's own name for the pre-tokenizer.
fn written_name<'a>(metadata: &'a Metadata, row: &pre_tokenizer::Row) -> &'a str {
    metadata.str("tokenizer.ggml.pre").ok().flatten().unwrap_or(row.names[0])
}

/// The columns of the vocabulary.
struct Table<'a> {
    texts: &'a Strings,
    /// One a token, or none at all.
    scores: Vec<f32>,
    kinds: Vec<Kind>,
    /// Whether literal tokens take the white space behind them.
    strips: bool,
}

/// What models are called whose literal tokens take white space. GGUF has no key for it; llama.cpp goes by `general.name`, too.
const STRIPPING: [&str; 2] = ["phi-3", "phi3"];
/// The tokens of such models that take none.
const KEEPING: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// Whether a GGUF file of that name has literal tokens that take the white space behind them.
pub(crate) fn is_stripping(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    STRIPPING.iter().any(|part| name.contains(part))
}

/// Whether a literal token of such a file takes it.
pub(crate) fn strips(token: &str) -> bool {
    !KEEPING.contains(&token)
}

impl<'a> Table<'a> {
    fn read(metadata: &'a Metadata, spm: bool) -> Result<Self> {
        let texts = metadata.require("tokenizer.ggml.tokens", Metadata::strings)?;
        if texts.is_empty() || u32::try_from(texts.len()).is_err() {
            return Err(Error::model_invalid(format!("tokenizer.ggml.tokens has {} tokens.", texts.len())));
        }
        let scores = metadata.f32s("tokenizer.ggml.scores")?.map(|scores| scores.into_owned()).unwrap_or_default();
        if spm && scores.is_empty() {
            return Err(Error::model_invalid(
                "tokenizer.ggml.scores is missing: a SentencePiece vocabulary merges by score.",
            ));
        }
        let kinds = match metadata.i32s("tokenizer.ggml.token_type")? {
            None => vec![Kind::Normal; texts.len()],
            Some(types) => types.iter().enumerate().map(|(id, &t)| kind(id, t)).collect::<Result<_>>()?,
        };
        for (name, len) in [("scores", scores.len()), ("token_type", kinds.len())] {
            if len < texts.len() && (len > 0 || name == "token_type") {
                return Err(Error::model_invalid(format!(
                    "tokenizer.ggml.{name} has {len} entries for {} tokens.",
                    texts.len()
                )));
            }
        }
        let strips = metadata.str("general.name")?.is_some_and(is_stripping);
        let table = Self { texts, scores, kinds, strips };
        table.check_distinct()?;
        Ok(table)
    }

    /// Two ids with one text would make encoding a matter of chance.
    fn check_distinct(&self) -> Result<()> {
        let mut seen = HashMap::with_capacity(self.len());
        for (id, text) in self.texts.iter().enumerate() {
            if let Some(first) = seen.insert(text, id).filter(|_| !text.is_empty()) {
                return Err(Error::model_invalid(format!("tokenizer.ggml.tokens: ids {first} and {id} are both {text:?}.")));
            }
        }
        Ok(())
    }

    fn len(&self) -> usize {
        self.texts.len()
    }

    fn text(&self, id: usize) -> &'a str {
        self.texts.get(id).unwrap_or_default()
    }

    fn score(&self, id: usize) -> f32 {
        self.scores.get(id).copied().unwrap_or_default()
    }

    fn literals(&self) -> Result<Literals> {
        let literals = (0..self.len()).filter_map(|id| {
            let control = match self.kinds[id] {
                Kind::Control | Kind::Unknown => true,
                Kind::UserDefined => false,
                _ => return None,
            };
            Some((self.text(id).to_owned(), id as u32, control))
        });
        Literals::new(literals, |text| self.strips && strips(text))
    }

    fn user_defined(&self) -> Vec<String> {
        (0..self.len()).filter(|&id| self.kinds[id] == Kind::UserDefined).map(|id| self.text(id).to_owned()).collect()
    }

    /// The tokens of a gap by name; a plain piece of text is none, whatever it is called.
    fn infill(&self) -> Vec<(Part, u32)> {
        let literals = (0..self.len()).filter(|&id| matches!(self.kinds[id], Kind::Control | Kind::UserDefined));
        let ids: HashMap<&str, u32> = literals.map(|id| (self.text(id), id as u32)).collect();
        Infill::names(|name| ids.get(name).copied())
    }

    fn ends(&self, special: &Special) -> Vec<u32> {
        let named = special.ends.iter().map(|&id| (id, self.text(id as usize)));
        let known = (0..self.len())
            .filter(|&id| self.kinds[id] == Kind::Control && ends::NAMES.contains(&self.text(id)))
            .map(|id| (id as u32, self.text(id)));
        ends::settle(named.chain(known).collect())
    }

    fn vocab(&self, spm: bool) -> Vocab {
        let mut vocab = Vocab::default();
        for id in 0..self.len() {
            let (text, kind) = (self.text(id), self.kinds[id]);
            match (kind, byte_of(text)) {
                (Kind::Byte, Some(byte)) => vocab.push(&[byte], kind),
                (Kind::Normal, _) if spm => vocab.push(text.replace('▁', " ").as_bytes(), kind),
                (Kind::Normal, _) => match byte_level::unspell(text) {
                    Some(bytes) => vocab.push(&bytes, kind),
                    None => vocab.push(text.as_bytes(), kind),
                },
                _ => vocab.push(text.as_bytes(), kind),
            }
        }
        vocab
    }
}

fn kind(id: usize, value: i32) -> Result<Kind> {
    Kind::from_gguf(value).ok_or_else(|| {
        Error::model_invalid(format!("tokenizer.ggml.token_type: token {id} has the type {value}; types are 0 to 6."))
    })
}

/// The tokens that have a key of their own.
struct Special {
    bos: Option<u32>,
    eos: Option<u32>,
    unknown: Option<u32>,
    ends: Vec<u32>,
}

impl Special {
    fn read(metadata: &Metadata, spm: bool, len: usize) -> Result<Self> {
        let id = |key: &str, default: Option<u32>| -> Result<Option<u32>> {
            match metadata.u32(key)? {
                Some(id) if id as usize >= len => {
                    Err(Error::model_invalid(format!("{key} is {id}; the vocabulary has {len} tokens.")))
                }
                Some(id) => Ok(Some(id)),
                None => Ok(default.filter(|&id| spm && (id as usize) < len)),
            }
        };
        let [bos, eos, unknown] = SPM_DEFAULTS.map(Some);
        let eos = id(END_KEYS[0], eos)?;
        let mut ends: Vec<u32> = eos.into_iter().collect();
        for key in &END_KEYS[1..] {
            ends.extend(id(key, None)?);
        }
        Ok(Self {
            bos: id("tokenizer.ggml.bos_token_id", bos)?,
            eos,
            unknown: id("tokenizer.ggml.unknown_token_id", unknown)?,
            ends,
        })
    }
}
