//! GGUF metadata to a decoder.
//!
//! Keys are those of the ggml project's `docs/gguf.md`; what a missing key means is what llama.cpp takes it for.

pub(crate) mod rope;
pub(crate) mod windows;

use wick_spec::{Error, Result};
use wick_weights::Tensors;
use wick_weights::gguf::Metadata;

use super::build::Decoder;
use super::factors::{ATTENTION_CAP, Factors, GGUF_EMBED, GGUF_LOGITS, GGUF_RESIDUAL, LOGIT_CAP};
use super::family::{Defaults, Family, Scales};
use super::names::{Format, HEAD};
use super::sizes::{self, Sizes};
use crate::facts::{Facts, GgufFacts};
use crate::{LongFrom, Model};

/// A key that changes what a model computes, the values that change nothing, and the families that know it.
type Refused = (&'static str, &'static [f32], fn(&Family) -> bool);

/// Those of architectures that wick has.
const REFUSED: [Refused; 10] = [
    ("expert_count", &[0.0], |_| false),
    ("attention.clamp_kqv", &[0.0], |_| false),
    ("attention.max_alibi_bias", &[0.0], |_| false),
    ("nextn_predict_layers", &[0.0], |_| false),
    (ATTENTION_CAP, &[0.0], |family| family.caps.attention.is_some()),
    (LOGIT_CAP, &[0.0], |family| family.caps.logits.is_some()),
    (GGUF_LOGITS, &[0.0, 1.0], |family| family.scales == Scales::Granite),
    (GGUF_RESIDUAL, &[0.0, 1.0], |family| family.scales == Scales::Granite),
    (GGUF_EMBED, &[0.0, 1.0], |family| family.scales == Scales::Granite),
    (rope::GROWTH, &[0.0], |family| family.turns.ministral),
];

/// The model of a GGUF file, or of all parts of a split one.
///
/// # Errors
/// `unsupported` names an architecture, a scaling or another feature that wick does not have; `model-invalid` names the key or
/// tensor that contradicts the others.
pub fn from_gguf(metadata: &Metadata, tensors: &dyn Tensors) -> Result<Model> {
    if let Some(kind) = metadata.str("general.type")?.filter(|kind| *kind != "model") {
        return Err(Error::unsupported(format!("The file is of the type {kind:?}, not a model that can run by itself.")));
    }
    let architecture = metadata.require("general.architecture", Metadata::str)?;
    let family = Family::of_gguf(architecture)?;
    let facts = GgufFacts { metadata, architecture };
    refuse(&facts, family)?;
    let sizes = Sizes::read(&facts, &sizes::GGUF, Defaults::GGUF, tensors, Format::Gguf)?;
    let (windows, unmarked) = windows::windows(&facts, &sizes, family)?;
    let (rotations, unread) = rope::rotations(&facts, &sizes, tensors, family, windows.any().is_some())?;
    let decoder = Decoder {
        family,
        format: Format::Gguf,
        keys: &sizes::GGUF,
        long_from: rotations.all.long.as_ref().map(|long| LongFrom::Window(long.original)),
        rotations,
        windows,
        factors: Factors::read(&facts, family, &sizes, Format::Gguf)?,
        tied: tensors.info(&HEAD.weight(Format::Gguf, None)).is_none(),
        name: metadata.str("general.name")?.map(str::to_owned),
        warnings: unmarked.into_iter().chain(unread).collect(),
        sizes,
        facts: Box::new(facts),
    };
    decoder.build(tensors)
}

fn refuse(facts: &GgufFacts<'_>, family: &Family) -> Result<()> {
    for (key, neutral, knows) in REFUSED {
        if knows(family) {
            continue;
        }
        if let Some(value) = facts.number(key)?.filter(|value| !neutral.contains(value)) {
            return Err(Error::unsupported(format!(
                "{:?} is {value}, which wick cannot do in this family.",
                facts.spelled(key)
            )));
        }
    }
    if facts.flag("attention.causal")? == Some(false) {
        return Err(Error::unsupported(format!(
            "{:?} is false; wick runs causal decoders.",
            facts.spelled("attention.causal")
        )));
    }
    // Granite's files say so of models whose layers do not turn at all.
    if family.scales == Scales::Granite && facts.flag("rope.scaling.finetuned")? == Some(false) {
        return Err(Error::unsupported(format!(
            "{:?} is false: a granite without rotation, which wick cannot do.",
            facts.spelled("rope.scaling.finetuned")
        )));
    }
    Ok(())
}
