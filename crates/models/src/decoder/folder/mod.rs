//! A Hugging Face `config.json` to a decoder.
//!
//! What a missing key means is what transformers takes it for.

mod rope;
mod windows;

use serde_json::Value as Json;
use wick_spec::{Error, Result};
use wick_weights::{Folder, Tensors};

use super::build::Decoder;
use super::factors::Factors;
use super::family::{Defaults, Family, Gate};
use super::names::{Format, HEAD};
use super::sizes::{self, Sizes};
use crate::facts::{Facts, JsonFacts};
use crate::{LongFrom, Model};

/// The model of a Hugging Face folder.
///
/// # Errors
/// `unsupported` names an architecture, a scaling or another feature that wick does not have; `model-invalid` names the key or
/// tensor that contradicts the others.
pub fn from_folder(folder: &Folder) -> Result<Model> {
    decoder(folder.config(), name(folder), folder)?.build(folder)
}

/// What the folder is called.
pub(crate) fn name(folder: &Folder) -> Option<String> {
    // `.` and `..` have no name of their own until they are resolved.
    let path = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
    path.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// The decoder that `config` describes.
pub(crate) fn decoder<'a>(config: &'a Json, name: Option<String>, tensors: &dyn Tensors) -> Result<Decoder<'a>> {
    let facts = JsonFacts { object: config, path: "" };
    let class = config.get("architectures").and_then(|list| list.get(0)).and_then(Json::as_str);
    let family = Family::of_folder(class, facts.text("model_type")?)?;
    refuse(&facts, family)?;
    // A default stands where the key is left out; null is the class's own None.
    let defaults = Defaults {
        kv_heads: family.defaults.kv_heads.filter(|_| !facts.null(sizes::FOLDER.kv_heads)),
        head_dim: family.defaults.head_dim.filter(|_| !facts.null(sizes::FOLDER.head_dim)),
        ..family.defaults
    };
    let sizes = Sizes::read(&facts, &sizes::FOLDER, defaults, tensors, Format::Folder)?;
    let unturned = rope::unturned(&facts, &sizes, family)?;
    let windows = windows::windows(&facts, &sizes, family, &unturned)?;
    let rotations = rope::rotations(&facts, &sizes, family, unturned)?;
    Ok(Decoder {
        family,
        format: Format::Folder,
        keys: &sizes::FOLDER,
        long_from: rotations.all.long.as_ref().map(|long| LongFrom::Tokens(long.original)),
        rotations,
        windows,
        factors: Factors::read(&facts, family, &sizes, Format::Folder)?,
        tied: tied(&facts, family, tensors)?,
        name,
        warnings: Vec::new(),
        sizes,
        facts: Box::new(facts),
    })
}

fn refuse(facts: &JsonFacts<'_>, family: &Family) -> Result<()> {
    if let Some(quantization) = facts.object.get("quantization_config").filter(|value| !value.is_null()) {
        let method = quantization.get("quant_method").and_then(Json::as_str).unwrap_or("unnamed");
        return Err(Error::unsupported(format!(
            "config.json: weights quantised by {method:?}; wick reads F32, F16 and BF16 folders."
        )));
    }
    if facts.flag("use_bidirectional_attention")? == Some(true) {
        return Err(Error::unsupported("config.json: \"use_bidirectional_attention\" is true; wick runs causal decoders."));
    }
    let Gate { key, names, .. } = family.gate;
    match facts.text(key)? {
        Some(other) if !names.contains(&other) => Err(Error::unsupported(format!(
            "config.json: {key:?} is {other:?}; in this family wick knows {}.",
            names.join(", ")
        ))),
        _ => Ok(()),
    }
}

/// A model that says it is tied is, whatever else is stored; one that does not say is where its class is, or it has no head.
fn tied(facts: &JsonFacts<'_>, family: &Family, tensors: &dyn Tensors) -> Result<bool> {
    let head = HEAD.weight(Format::Folder, None);
    match (facts.flag("tie_word_embeddings")?, tensors.info(&head)) {
        (Some(true), _) | (None, None) => Ok(true),
        (None, Some(_)) => Ok(family.defaults.tied),
        (Some(false), Some(_)) => Ok(false),
        (Some(false), None) => {
            Err(Error::model_invalid(format!("Tensor {head:?} is missing, and \"tie_word_embeddings\" is false.")))
        }
    }
}
