//! A Hugging Face folder to one GGUF file, with the names, the order of rows and the keys of llama.cpp's converter.

use std::path::Path;

use wick_compute::RopeLayout;
use wick_spec::{Result, Stop};
use wick_weights::{DType, Folder, OpenOptions, TensorInfo, Tensors};

use super::mix::{Mix, Mixing, Uneven, file_type, uneven};
use super::stream::{Origin, Piece, write};
use super::{Converted, differences, metadata};
use crate::decoder::build::{Decoder, Planned};
use crate::decoder::folder::{decoder, name};
use crate::decoder::names::{Format, K, MODEL_PARTS, Part, Q, ROPE_FREQS, ROPE_LONG, ROPE_SHORT};

/// Writes the folder `from` as the GGUF file `to`. Matrices get the types of `mix`, or keep those they are stored in; vectors are
/// F32. `progress` is told the bytes written and all there are.
///
/// # Errors
/// What [`crate::from_folder`] and [`wick_text::to_gguf`] refuse; `io` when the file cannot be written; `cancelled` when
/// `stop` was set. No file is left behind then.
pub fn convert(
    from: &Path,
    to: &Path,
    mix: Option<&'static Mix>,
    progress: &mut dyn FnMut(u64, u64),
    stop: &Stop,
) -> Result<Converted> {
    let folder = Folder::open(from, &OpenOptions::default())?;
    let decoder = decoder(folder.config(), name(&folder), &folder)?;
    let Planned { plan, used, mut warnings, .. } = decoder.plan(&folder)?;
    differences::refuse(&decoder)?;
    let parts = decoder.family.layer_parts();
    let layers = (0..decoder.sizes.layers).flat_map(|layer| parts.iter().map(move |part| (*part, Some(layer))));
    let all = MODEL_PARTS.map(|part| (part, None)).into_iter().chain(layers);
    let there: Vec<_> = all
        .flat_map(|(part, layer)| [Part::weight, Part::bias].map(|suffix| (part, layer, suffix)))
        .filter(|(part, layer, suffix)| used.contains(&suffix(part, Format::Folder, *layer)))
        .collect();
    let names: Vec<String> = there.iter().map(|(part, layer, suffix)| suffix(part, Format::Gguf, *layer)).collect();
    let mixing = mix.map(|mix| Mixing::new(mix, names.iter().map(String::as_str)));
    let mut pieces = Pieces { decoder: &decoder, folder: &folder, mixing, list: Vec::new(), uneven: Vec::new() };
    pieces.divisors();
    for (part, layer, suffix) in there {
        pieces.add(part, layer, suffix);
    }
    let Pieces { list, uneven: others, .. } = pieces;
    warnings.extend(uneven(&others));
    warnings.extend(differences::warnings(&decoder));
    let mut metadata =
        metadata::describe(&decoder, plan.vocab, mix.map_or_else(|| file_type(mostly(&list)), |mix| mix.file_type))?;
    for (key, value) in wick_text::to_gguf(from, plan.vocab)? {
        metadata.insert(key, value);
    }
    let bytes = write(to, &metadata, &list, &folder, progress, stop)?;
    Ok(Converted { bytes, tensors: list.len(), warnings })
}

struct Pieces<'a> {
    decoder: &'a Decoder<'a>,
    folder: &'a Folder,
    mixing: Option<Mixing>,
    list: Vec<Piece>,
    /// Matrices that could not have the type asked for.
    uneven: Vec<Uneven>,
}

impl Pieces<'_> {
    /// What frequencies are divided by.
    fn divisors(&mut self) {
        let rotation = &self.decoder.rotations.all;
        let long = rotation.long.as_ref().map(|long| &long.divisors);
        let short = if long.is_some() { ROPE_SHORT } else { ROPE_FREQS };
        for (name, divisors) in [(short, rotation.divisors.as_ref()), (ROPE_LONG, long)] {
            if let Some(divisors) = divisors {
                let info = TensorInfo { dtype: DType::F32, shape: vec![divisors.len()] };
                self.list.push(Piece { name: name.to_owned(), info, origin: Origin::Values(divisors.clone()) });
            }
        }
    }

    fn add(&mut self, part: &'static Part, layer: Option<usize>, suffix: fn(&Part, Format, Option<usize>) -> String) {
        let old = suffix(part, Format::Folder, layer);
        let Some(stored) = self.folder.info(&old) else { return };
        let name = suffix(part, Format::Gguf, layer);
        let (written, wanted) = match &self.mixing {
            _ if stored.shape.len() < 2 => (DType::F32, DType::F32),
            None => (stored.dtype, stored.dtype),
            Some(mixing) => mixing.target(&name, stored),
        };
        if written != wanted {
            self.uneven.push(Uneven { name: name.clone(), wanted, written });
        }
        let info = TensorInfo { dtype: written, shape: stored.shape.clone() };
        let sizes = &self.decoder.sizes;
        let heads = match part {
            _ if self.decoder.family.gguf_rope != RopeLayout::Interleaved => None,
            part if *part == Q => Some(sizes.heads),
            part if *part == K => Some(sizes.kv_heads),
            _ => None,
        };
        let offset = self.decoder.family.norm_offset;
        let origin = match heads {
            Some(heads) => Origin::Interleaved { name: old, heads },
            None if offset != 0.0 && part.is_norm() => Origin::Raised { name: old, by: offset },
            None => Origin::Tensor(old),
        };
        self.list.push(Piece { name, info, origin });
    }
}

/// The type of most elements in matrices.
fn mostly(pieces: &[Piece]) -> DType {
    let mut sums: Vec<(DType, usize)> = Vec::new();
    for info in pieces.iter().map(|piece| &piece.info).filter(|info| info.shape.len() > 1) {
        let elements = info.elements().unwrap_or(0);
        match sums.iter_mut().find(|(dtype, _)| *dtype == info.dtype) {
            Some((_, sum)) => *sum += elements,
            None => sums.push((info.dtype, elements)),
        }
    }
    sums.into_iter().max_by_key(|(_, sum)| *sum).map_or(DType::F32, |(dtype, _)| dtype)
}
