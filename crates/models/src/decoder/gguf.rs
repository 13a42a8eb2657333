//! GGUF metadata to a decoder.
//!
//! Keys are those of the ggml project's `docs/gguf.md`; what a missing key means is what llama.cpp takes it for.

use wick_spec::{Error, Result, Warning};
use wick_weights::Tensors;
use wick_weights::gguf::Metadata;

use super::build::Decoder;
use super::family::{Defaults, Family};
use super::names::{Format, HEAD, ROPE_FREQS};
use super::rope::Rotation;
use super::sizes::{self, Sizes};
use super::window::Windows;
use crate::Model;
use crate::facts::{Facts, GgufFacts, positive};

/// θ where the file does not say.
const BASE: f32 = 10_000.0;

/// Keys that change what a model computes and that no family here has, with the values that change nothing.
const REFUSED: [(&str, &[f32]); 7] = [
    ("expert_count", &[0.0]),
    ("attn_logit_softcapping", &[0.0]),
    ("final_logit_softcapping", &[0.0]),
    ("attention.clamp_kqv", &[0.0]),
    ("attention.max_alibi_bias", &[0.0]),
    ("logit_scale", &[0.0, 1.0]),
    ("residual_scale", &[0.0, 1.0]),
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
    refuse(&facts)?;
    let sizes = Sizes::read(&facts, &sizes::GGUF, Defaults::default(), tensors, Format::Gguf)?;
    let (windows, warning) = windows(&facts, &sizes)?;
    let decoder = Decoder {
        family,
        format: Format::Gguf,
        keys: &sizes::GGUF,
        rotation: rotation(&facts, &sizes, tensors)?,
        windows,
        scale: facts.number("attention.scale")?.filter(|scale| *scale != 0.0),
        tied: tensors.info(&HEAD.weight(Format::Gguf, None)).is_none(),
        name: metadata.str("general.name")?.map(str::to_owned),
        warnings: warning.into_iter().collect(),
        sizes,
        facts: Box::new(facts),
    };
    decoder.build(tensors)
}

fn refuse(facts: &GgufFacts<'_>) -> Result<()> {
    for (key, neutral) in REFUSED {
        if let Some(value) = facts.number(key)?.filter(|value| !neutral.contains(value)) {
            return Err(Error::unsupported(format!("{:?} is {value}, which wick cannot do.", facts.spelled(key))));
        }
    }
    if facts.flag("attention.causal")? == Some(false) {
        return Err(Error::unsupported(format!(
            "{:?} is false; wick runs causal decoders.",
            facts.spelled("attention.causal")
        )));
    }
    Ok(())
}

/// The values' heads must be as wide as the keys'; how many elements turn, and how fast.
fn rotation(facts: &GgufFacts<'_>, sizes: &Sizes, tensors: &dyn Tensors) -> Result<Rotation> {
    let d = sizes.head_dim;
    if let Some(width) = facts.count("attention.value_length")?.filter(|width| *width != d) {
        let (keys, values) = (facts.spelled(sizes::GGUF.head_dim), facts.spelled("attention.value_length"));
        return Err(Error::unsupported(format!(
            "{values:?} {width} differs from the keys' {d} ({keys:?}), which wick cannot do."
        )));
    }
    let elements = facts.count("rope.dimension_count")?.unwrap_or(d);
    if elements == 0 || elements > d || elements % 2 != 0 {
        let key = facts.spelled("rope.dimension_count");
        return Err(Error::model_invalid(format!(
            "{key:?} is {elements}; it must be even, above 0, and at most the head size {d}."
        )));
    }
    let divisors = match tensors.info(ROPE_FREQS) {
        Some(info) if info.shape != [elements / 2] => {
            let (shape, pairs) = (&info.shape, elements / 2);
            return Err(Error::model_invalid(format!("Tensor {ROPE_FREQS:?} is {shape:?}; {pairs} pairs of a head turn.")));
        }
        Some(_) => Some(tensors.tensor(ROPE_FREQS)?.to_f32()?),
        None => None,
    };
    let base = positive(facts, "rope.freq_base")?.unwrap_or(BASE);
    Ok(Rotation { base, elements, linear: linear(facts)?, divisors })
}

/// The divisor of linear scaling. A factor without a type is linear, and a factor of 0 is none, as llama.cpp reads them.
fn linear(facts: &GgufFacts<'_>) -> Result<f32> {
    let factor = match facts.number("rope.scaling.factor")? {
        Some(factor) => Some(factor),
        None => facts.number("rope.scale_linear")?,
    };
    match facts.text("rope.scaling.type")?.unwrap_or("linear") {
        "none" => Ok(1.0),
        "linear" => match factor.unwrap_or(0.0) {
            0.0 => Ok(1.0),
            factor if factor > 0.0 => Ok(factor),
            factor => Err(Error::model_invalid(format!("{:?} is {factor}.", facts.spelled("rope.scaling.factor")))),
        },
        other => {
            let key = facts.spelled("rope.scaling.type");
            Err(Error::unsupported(format!(
                "{key:?} is {other:?}; wick knows none and linear, and rope_freqs.weight (llama3)."
            )))
        }
    }
}

/// A size alone says nothing of which layers have it, and llama.cpp leaves it out in these families; with a pattern, one truth
/// value a layer, it is what `wick convert` writes.
fn windows(facts: &GgufFacts<'_>, sizes: &Sizes) -> Result<(Windows, Option<Warning>)> {
    let (size_key, marks_key) =
        (facts.spelled("attention.sliding_window"), facts.spelled("attention.sliding_window_pattern"));
    let size = facts.count("attention.sliding_window")?.unwrap_or(0);
    match facts.metadata.bools(&marks_key)? {
        Some(marks) => Ok((Windows::new(size, marks.to_vec(), sizes.layers, (&size_key, &marks_key))?, None)),
        None if (1..sizes.context).contains(&size) => {
            let message = format!("{size_key:?} {size} is not applied: the file does not say to which layers.");
            Ok((Windows::default(), Some(Warning { message })))
        }
        None => Ok((Windows::default(), None)),
    }
}
