//! What a GGUF file cannot say of a folder, or says and llama.cpp does not read.

use wick_spec::{Error, Result, Warning};

use crate::decoder::build::Decoder;
use crate::decoder::factors::implied;
use crate::decoder::family::{Scales, Windowed};
use crate::decoder::names::HEAD;
use crate::decoder::rope::{Rotation, Yarn};
use crate::decoder::window::all_but;

/// `unsupported` for what every reader of the file would compute otherwise.
pub(super) fn refuse(decoder: &Decoder<'_>) -> Result<()> {
    let (turns, rotations) = (&decoder.family.turns, &decoder.rotations);
    let all = &rotations.all;
    let expected: Vec<bool> = match turns.none_every {
        Some(every) => (1..=decoder.sizes.layers).map(|layer| layer.is_multiple_of(every)).collect(),
        None => Vec::new(),
    };
    if rotations.unturned != expected {
        return Err(cannot(decoder, "which layers do not turn, other than every fourth"));
    }
    if let Some(yarn) = all.yarn {
        if !yarn.whole {
            return Err(cannot(decoder, "yarn with \"truncate\" false"));
        }
        if !turns.ministral && (yarn.fast, yarn.slow) != (Yarn::FAST, Yarn::SLOW) {
            return Err(cannot(decoder, "yarn with other betas than 32 and 1"));
        }
    }
    if rotations.growth.is_some_and(|growth| all.yarn.is_some_and(|yarn| yarn.original as usize != growth.original)) {
        return Err(cannot(decoder, "queries that grow from another context on than yarn's"));
    }
    if all.long.is_some() && !turns.gguf_long {
        return Err(cannot(decoder, "longrope"));
    }
    let windowed = rotations.windowed.as_ref().filter(|_| turns.windowed != Windowed::Same);
    if windowed.is_some_and(|windowed| *windowed != Rotation::plain(windowed.base, all.elements)) {
        return Err(cannot(decoder, "a scaled rotation of layers with a window"));
    }
    Ok(())
}

fn cannot(decoder: &Decoder<'_>, what: &str) -> Error {
    let architecture = decoder.family.architecture;
    Error::unsupported(format!("A GGUF file of the architecture {architecture} cannot say: {what}. The folder itself runs."))
}

/// What llama.cpp computes otherwise from the file, though wick reads it as it is meant.
pub(super) fn warnings(decoder: &Decoder<'_>) -> Vec<Warning> {
    let family = decoder.family;
    let architecture = family.architecture;
    let mut said = Vec::new();
    if let Some((size, _)) = decoder.windows.any().filter(|_| family.gguf_windows.is_none()) {
        said.push(format!(
            "Some layers see a window of {size} tokens. The file says so and wick reads it, but llama.cpp runs {architecture} without: \
             past {size} tokens its answers differ."
        ));
    }
    if family.scales != Scales::Granite && !query_is_implied(decoder) {
        let scale = decoder.factors.query;
        said.push(format!(
            "Scores are scaled by {scale}. The file says so and wick reads it, but llama.cpp scales {architecture} by its head size: \
             its answers differ."
        ));
    }
    let caps = [(family.caps.attention, decoder.factors.attention_cap), (family.caps.logits, decoder.factors.logit_cap)];
    if caps.iter().any(|(cap, figure)| cap.is_some_and(|cap| cap.default.is_some()) && figure.is_none()) {
        said.push(format!(
            "A soft cap is off. The file says so and wick reads it, but llama.cpp runs {architecture} with one: its answers are wrong."
        ));
    }
    if matches!(family.scales, Scales::Gemma(_)) && !decoder.tied {
        let head = HEAD.weight(crate::decoder::names::Format::Gguf, None);
        said.push(format!(
            "The head is not the embedding table. wick reads {head:?}, but llama.cpp may leave it out in {architecture}: its answers differ."
        ));
    }
    said.into_iter().map(|message| Warning { message }).collect()
}

/// Whether a file without marks means these layers to have the window.
pub(super) fn marks_are_implied(decoder: &Decoder<'_>) -> bool {
    match (decoder.family.gguf_windows, decoder.windows.any()) {
        (Some(rule), Some((_, marks))) => marks == all_but(rule.but, decoder.sizes.layers),
        _ => false,
    }
}

/// Whether a file without a figure means queries to be scaled as they are.
pub(super) fn query_is_implied(decoder: &Decoder<'_>) -> bool {
    let expected = match decoder.family.scales {
        Scales::Gemma(Some(scale)) => implied(scale, &decoder.sizes),
        _ => (decoder.sizes.head_dim as f32).sqrt().recip(),
    };
    (decoder.factors.query / expected - 1.0).abs() < 1e-6
}
