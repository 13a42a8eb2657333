//! A Hugging Face `config.json` to a decoder.
//!
//! What a missing key means is what transformers takes it for. Rotations are read as transformers 5 writes them
//! (`rope_parameters`) and as versions before it did (`rope_theta`, `rope_scaling`).

use serde_json::Value as Json;
use wick_spec::{Error, Result};
use wick_weights::{Folder, Tensors};

use super::build::Decoder;
use super::family::{Defaults, Family};
use super::names::{Format, HEAD};
use super::rope::{Llama3, Rotation, frequencies};
use super::sizes::{self, Sizes};
use super::window::Windows;
use crate::Model;
use crate::facts::{Facts, JsonFacts, positive, required};

/// θ where the file does not say.
const BASE: f32 = 10_000.0;

/// Window of a model that asks for one without a size, and the first layer that has it where none is named.
const WINDOW: (usize, usize) = (4096, 28);

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
    refuse(&facts)?;
    // A default stands where the key is left out; null is the class's own None.
    let left_out = |key: &str| config.get(key).is_none();
    let defaults = Defaults {
        kv_heads: family.defaults.kv_heads.filter(|_| left_out(sizes::FOLDER.kv_heads)),
        head_dim: family.defaults.head_dim.filter(|_| left_out(sizes::FOLDER.head_dim)),
        ..family.defaults
    };
    let sizes = Sizes::read(&facts, &sizes::FOLDER, defaults, tensors, Format::Folder)?;
    Ok(Decoder {
        family,
        format: Format::Folder,
        keys: &sizes::FOLDER,
        rotation: rotation(&facts, &sizes)?,
        windows: if family.windows { windows(&facts, &sizes)? } else { Windows::default() },
        scale: None,
        tied: tied(&facts, tensors)?,
        name,
        warnings: Vec::new(),
        sizes,
        facts: Box::new(facts),
    })
}

fn refuse(facts: &JsonFacts<'_>) -> Result<()> {
    if let Some(quantization) = facts.object.get("quantization_config").filter(|value| !value.is_null()) {
        let method = quantization.get("quant_method").and_then(Json::as_str).unwrap_or("unnamed");
        return Err(Error::unsupported(format!(
            "config.json: weights quantised by {method:?}; wick reads F32, F16 and BF16 folders."
        )));
    }
    match facts.text("hidden_act")? {
        None | Some("silu" | "swish") => Ok(()),
        Some(other) => Err(Error::unsupported(format!("config.json: \"hidden_act\" is {other:?}; wick knows silu."))),
    }
}

/// A model that says it is tied is, whatever else is stored; one that does not say is where it has no head.
fn tied(facts: &JsonFacts<'_>, tensors: &dyn Tensors) -> Result<bool> {
    let head = HEAD.weight(Format::Folder, None);
    match (facts.flag("tie_word_embeddings")?, tensors.info(&head)) {
        (Some(true), _) | (None, None) => Ok(true),
        (_, Some(_)) => Ok(false),
        (Some(false), None) => {
            Err(Error::model_invalid(format!("Tensor {head:?} is missing, and \"tie_word_embeddings\" is false.")))
        }
    }
}

fn rotation(config: &JsonFacts<'_>, sizes: &Sizes) -> Result<Rotation> {
    let filled = |key: &'static str| match config.object.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::Object(object)) if object.is_empty() => Ok(None),
        Some(object @ Json::Object(_)) => Ok(Some(object)),
        Some(_) => Err(Error::model_invalid(format!("config.json: {key:?} must be an object."))),
    };
    // Where both are given, transformers goes by the older.
    let (object, path) = match (filled("rope_scaling")?, filled("rope_parameters")?) {
        (Some(object), _) => (object, "rope_scaling."),
        (None, Some(object)) => (object, "rope_parameters."),
        (None, None) => (&Json::Null, "rope_parameters."),
    };
    if let Some((key, _)) = object.as_object().and_then(|object| object.iter().find(|(_, value)| value.is_object())) {
        return Err(Error::unsupported(format!(
            "config.json: \"{path}{key}\": rotations that differ by layer; wick has one a model."
        )));
    }
    let rope = JsonFacts { object, path };
    for facts in [config, &rope] {
        if let Some(part) = facts.number("partial_rotary_factor")?.filter(|part| *part != 1.0) {
            let key = facts.spelled("partial_rotary_factor");
            return Err(Error::unsupported(format!("config.json: {key:?} is {part}; in this family all of a head turns.")));
        }
    }
    let base = positive(&rope, "rope_theta")?.or(positive(config, "rope_theta")?).unwrap_or(BASE);
    let plain = Rotation { base, elements: sizes.head_dim, linear: 1.0, divisors: None };
    match rope.text("rope_type")?.or(rope.text("type")?).unwrap_or("default") {
        "default" => Ok(plain),
        "linear" => Ok(Rotation { linear: required(&rope, "factor", positive(&rope, "factor")?)?, ..plain }),
        "llama3" => {
            let divisors = llama3(&rope, config, sizes)?.divisors(&frequencies(base, plain.elements));
            Ok(Rotation { divisors: Some(divisors), ..plain })
        }
        other => Err(Error::unsupported(format!(
            "config.json: \"{path}rope_type\" is {other:?}; wick knows default, linear and llama3."
        ))),
    }
}

fn llama3(rope: &JsonFacts<'_>, config: &JsonFacts<'_>, sizes: &Sizes) -> Result<Llama3> {
    let figure = |key: &str| required(rope, key, positive(rope, key)?);
    let original = "original_max_position_embeddings";
    let context = match (positive(config, original)?, positive(rope, original)?) {
        (Some(context), _) | (None, Some(context)) => context,
        (None, None) => sizes.context as f32,
    };
    let scaling =
        Llama3 { factor: figure("factor")?, low: figure("low_freq_factor")?, high: figure("high_freq_factor")?, context };
    if scaling.high <= scaling.low {
        let (low, high) = (rope.spelled("low_freq_factor"), rope.spelled("high_freq_factor"));
        return Err(Error::model_invalid(format!(
            "config.json: {high:?} {} is not above {low:?} {}.",
            scaling.high, scaling.low
        )));
    }
    Ok(scaling)
}

/// `use_sliding_window` turns it on, in the layers that `layer_types` names, or from `max_window_layers` on.
fn windows(facts: &JsonFacts<'_>, sizes: &Sizes) -> Result<Windows> {
    let on = facts.flag("use_sliding_window")?.unwrap_or(false);
    let size = match facts.object.get("sliding_window") {
        // Transformers' default stands only where the key is left out; null is no window.
        None => WINDOW.0,
        Some(_) => facts.count("sliding_window")?.unwrap_or(0),
    };
    let layers = match facts.object.get("layer_types") {
        None | Some(Json::Null) => {
            let first = facts.count("max_window_layers")?.unwrap_or(WINDOW.1);
            (0..sizes.layers).map(|layer| on && size > 0 && layer >= first).collect()
        }
        Some(types) => layer_types(types)?,
    };
    if !on && layers.contains(&true) {
        return Err(Error::model_invalid(
            "config.json: \"layer_types\" has sliding_attention, and \"use_sliding_window\" is not true.",
        ));
    }
    Windows::new(size, layers, sizes.layers, ("sliding_window", "layer_types"))
}

fn layer_types(types: &Json) -> Result<Vec<bool>> {
    let wrong = || Error::model_invalid("config.json: \"layer_types\" must be an array of strings.");
    let sliding = |value: &Json| match value.as_str().ok_or_else(wrong)? {
        "full_attention" => Ok(false),
        "sliding_attention" => Ok(true),
        other => Err(Error::unsupported(format!(
            "config.json: \"layer_types\" has {other:?}; wick knows full_attention and sliding_attention."
        ))),
    };
    types.as_array().ok_or_else(wrong)?.iter().map(sliding).collect()
}
