//! The GGUF keys of a decoder, as llama.cpp's converter names them.

use wick_spec::{Error, Result};
use wick_weights::gguf::Metadata;

use super::differences::{marks_are_implied, query_is_implied};
use crate::decoder::build::Decoder;
use crate::decoder::factors::{ATTENTION_CAP, GGUF_EMBED, GGUF_LOGITS, GGUF_QUERY, GGUF_RESIDUAL, LOGIT_CAP};
use crate::decoder::family::Scales;
use crate::decoder::gguf::rope::{
    BASE, BLUNTNESS, FACTOR, FAST, GROWTH, MAGNITUDE, ORIGINAL, SCALING, SLOW, TURNED, WINDOWED_BASE,
};
use crate::decoder::gguf::windows::{MARKS, SIZE};
use crate::decoder::rope::{Rotation, Yarn};
use crate::decoder::sizes::GGUF;

/// GGML's version of the quantised layouts.
const QUANTIZATION_VERSION: u32 = 2;

/// Notes the type of the matrices, by the figure of [`super::mix`].
pub(super) fn set_type(metadata: &mut Metadata, file_type: u32) {
    metadata.insert("general.file_type", file_type);
    metadata.insert("general.quantization_version", QUANTIZATION_VERSION);
}

/// What describes the model itself; the tokenizer's keys come after these.
pub(super) fn describe(decoder: &Decoder<'_>, vocab: usize, file_type: u32) -> Result<Metadata> {
    let (family, sizes) = (decoder.family, &decoder.sizes);
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", family.architecture);
    metadata.insert("general.type", "model");
    if let Some(name) = &decoder.name {
        metadata.insert("general.name", name.as_str());
    }
    set_type(&mut metadata, file_type);
    let spelled = |key: &str| format!("{}.{key}", family.architecture);
    let counts = [
        ("vocab_size", vocab),
        (GGUF.context, sizes.context),
        (GGUF.hidden, sizes.hidden),
        (GGUF.layers, sizes.layers),
        (GGUF.ffn, sizes.ffn),
        (GGUF.heads, sizes.heads),
        (GGUF.kv_heads, sizes.kv_heads),
        (GGUF.head_dim, sizes.head_dim),
        ("attention.value_length", sizes.head_dim),
        (TURNED, decoder.rotations.all.elements),
    ];
    for (key, count) in counts {
        let count =
            u32::try_from(count).map_err(|_| Error::model_invalid(format!("{key} is {count}, more than GGUF can say.")))?;
        metadata.insert(spelled(key), count);
    }
    metadata.insert(spelled(GGUF.eps), sizes.eps);
    for (key, figure) in factors(decoder).into_iter().chain(rotation(decoder)) {
        metadata.insert(spelled(key), figure);
    }
    if let Some(kind) = scaling(&decoder.rotations.all) {
        metadata.insert(spelled(SCALING), kind);
    }
    if let Some(original) = original(decoder) {
        metadata.insert(spelled(ORIGINAL), original);
    }
    if let Some((size, layers)) = decoder.windows.any() {
        metadata.insert(spelled(SIZE), size as u32);
        if !marks_are_implied(decoder) {
            metadata.insert(spelled(MARKS), layers.to_vec());
        }
    }
    Ok(metadata)
}

/// What parts are multiplied by, as far as the family's files say so.
fn factors(decoder: &Decoder<'_>) -> Vec<(&'static str, f32)> {
    let (family, factors) = (decoder.family, &decoder.factors);
    let mut figures = Vec::new();
    if family.scales == Scales::Granite {
        figures.extend([
            (GGUF_EMBED, factors.embed),
            (GGUF_RESIDUAL, factors.residual),
            (GGUF_LOGITS, factors.logits),
            (GGUF_QUERY, factors.query),
        ]);
    } else if !query_is_implied(decoder) {
        figures.push((GGUF_QUERY, factors.query));
    }
    let caps =
        [(ATTENTION_CAP, family.caps.attention, factors.attention_cap), (LOGIT_CAP, family.caps.logits, factors.logit_cap)];
    for (key, cap, figure) in caps {
        if cap.is_some_and(|cap| cap.default.is_some()) || figure.is_some() {
            figures.push((key, figure.unwrap_or(0.0)));
        }
    }
    figures
}

/// The figures of the rotation. A magnitude is what remains of it beside what readers of YaRN compute for themselves.
fn rotation(decoder: &Decoder<'_>) -> Vec<(&'static str, f32)> {
    let (turns, rotations) = (&decoder.family.turns, &decoder.rotations);
    let all = &rotations.all;
    let mut figures = vec![(BASE, all.base)];
    if let Some(windowed) = &rotations.windowed {
        figures.push((WINDOWED_BASE, windowed.base));
    }
    if all.linear != 1.0 || all.yarn.is_some() {
        figures.push((FACTOR, all.linear));
    }
    let mut magnitude = all.magnitude;
    if let Some(yarn) = all.yarn {
        if turns.ministral {
            // Its readers divide what they compute by the same: nothing remains.
            figures.extend([(FAST, yarn.fast), (SLOW, yarn.slow), (BLUNTNESS, 1.0)]);
        } else {
            magnitude /= Yarn::sharpness(all.linear, 1.0);
        }
    }
    if magnitude != 1.0 {
        figures.push((MAGNITUDE, magnitude));
    }
    if let Some(growth) = rotations.growth {
        figures.push((GROWTH, growth.beta));
    }
    figures
}

fn scaling(rotation: &Rotation) -> Option<&'static str> {
    match rotation {
        Rotation { yarn: Some(_), .. } => Some("yarn"),
        Rotation { long: Some(_), .. } => Some("longrope"),
        Rotation { linear, .. } if *linear != 1.0 => Some("linear"),
        _ => None,
    }
}

/// The context before scaling.
fn original(decoder: &Decoder<'_>) -> Option<u32> {
    let rotations = &decoder.rotations;
    let yarn = rotations.all.yarn.map(|yarn| yarn.original as u32);
    let long = rotations.all.long.as_ref().map(|long| long.original as u32);
    yarn.or(long).or(rotations.growth.map(|growth| growth.original as u32))
}
