//! The windows of a `config.json`.

use serde_json::Value as Json;
use wick_spec::{Error, Result};

use crate::decoder::family::{Family, FolderWindows, Requested};
use crate::decoder::sizes::Sizes;
use crate::decoder::window::{Windows, all_but};
use crate::facts::{Facts, JsonFacts};

/// The first layer that has a requested window where none is named.
const FIRST: usize = 28;

const KEYS: (&str, &str) = ("sliding_window", "layer_types");

/// Which layers have a window; `unturned` marks those that do not turn.
pub(super) fn windows(facts: &JsonFacts<'_>, sizes: &Sizes, family: &Family, unturned: &[bool]) -> Result<Windows> {
    let size = match facts.count(KEYS.0)? {
        // A default stands only where the key is left out; null is no window.
        None if facts.null(KEYS.0) => None,
        answer => answer.or(family.defaults.window),
    };
    let layers = match family.folder_windows {
        FolderWindows::Never => return Ok(Windows::default()),
        FolderWindows::OnRequest(others) => return requested(facts, sizes, size, others, unturned),
        FolderWindows::Every => vec![size.is_some(); sizes.layers],
        FolderWindows::AllBut(n) => match layer_types(facts)? {
            Some(marks) => marks,
            None => all_but(facts.count("sliding_window_pattern")?.unwrap_or(n), sizes.layers),
        },
    };
    Windows::new(size.unwrap_or(0), layers, sizes.layers, KEYS)
}

fn requested(
    facts: &JsonFacts<'_>,
    sizes: &Sizes,
    size: Option<usize>,
    others: Requested,
    unturned: &[bool],
) -> Result<Windows> {
    let on = facts.flag("use_sliding_window")?.unwrap_or(false);
    let layers = match (layer_types(facts)?, others) {
        (Some(marks), _) => marks,
        (None, _) if !on || size.is_none_or(|size| size == 0) => vec![false; sizes.layers],
        (None, Requested::MaxWindowLayers) => {
            let first = facts.count("max_window_layers")?.unwrap_or(FIRST);
            (0..sizes.layers).map(|layer| layer >= first).collect()
        }
        (None, Requested::Unturned) => unturned.to_vec(),
    };
    if !on && layers.contains(&true) {
        return Err(Error::model_invalid(
            "config.json: \"layer_types\" has sliding_attention, and \"use_sliding_window\" is not true.",
        ));
    }
    Windows::new(size.unwrap_or(0), layers, sizes.layers, KEYS)
}

/// Whether each layer has a window.
fn layer_types(facts: &JsonFacts<'_>) -> Result<Option<Vec<bool>>> {
    let wrong = || Error::model_invalid("config.json: \"layer_types\" must be an array of strings.");
    let sliding = |value: &Json| match value.as_str().ok_or_else(wrong)? {
        "full_attention" => Ok(false),
        "sliding_attention" => Ok(true),
        other => Err(Error::unsupported(format!(
            "config.json: \"layer_types\" has {other:?}; wick knows full_attention and sliding_attention."
        ))),
    };
    match facts.object.get("layer_types") {
        None | Some(Json::Null) => Ok(None),
        Some(types) => types.as_array().ok_or_else(wrong)?.iter().map(sliding).collect::<Result<_>>().map(Some),
    }
}
