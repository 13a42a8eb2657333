//! A Hugging Face folder to one GGUF file, with the names, the order of rows and the keys of llama.cpp's converter.

use std::path::Path;

use wick_compute::RopeLayout;
use wick_spec::{Result, Stop};
use wick_weights::{DType, Folder, OpenOptions, TensorInfo, Tensors};

use super::stream::{Origin, Piece, write};
use super::{Converted, differences, metadata, target, uneven};
use crate::decoder::build::{Decoder, Planned};
use crate::decoder::folder::{decoder, name};
use crate::decoder::names::{Format, K, MODEL_PARTS, Part, Q, ROPE_FREQS, ROPE_LONG, ROPE_SHORT};

/// Writes the folder `from` as the GGUF file `to`. Matrices get the type `dtype` (F32, F16, BF16, Q8_0, Q4_0), or keep the one
/// they are stored in; vectors are F32. `progress` is told the bytes written and all there are.
///
/// # Errors
/// What [`crate::from_folder`] and [`wick_text::to_gguf`] refuse; `io` when the file cannot be written; `cancelled` when
/// `stop` was set. No file is left behind then.
pub fn convert(
    from: &Path,
    to: &Path,
    dtype: Option<DType>,
    progress: &mut dyn FnMut(u64, u64),
    stop: &Stop,
) -> Result<Converted> {
    let folder = Folder::open(from, &OpenOptions::default())?;
    let decoder = decoder(folder.config(), name(&folder), &folder)?;
    let Planned { plan, used, mut warnings, .. } = decoder.plan(&folder)?;
    differences::refuse(&decoder)?;
    let mut pieces = Pieces { decoder: &decoder, folder: &folder, dtype, list: Vec::new(), uneven: Vec::new() };
    pieces.divisors();
    let parts = decoder.family.layer_parts();
    let layers = (0..decoder.sizes.layers).flat_map(|layer| parts.iter().map(move |part| (*part, Some(layer))));
    for (part, layer) in MODEL_PARTS.map(|part| (part, None)).into_iter().chain(layers) {
        for suffix in [Part::weight, Part::bias] {
            if used.contains(&suffix(part, Format::Folder, layer)) {
                pieces.add(part, layer, suffix);
            }
        }
    }
    let Pieces { list, uneven: names, .. } = pieces;
    warnings.extend(dtype.and_then(|dtype| uneven(dtype, &names)));
    warnings.extend(differences::warnings(&decoder));
    let mut metadata = metadata::describe(&decoder, plan.vocab, dtype.unwrap_or_else(|| mostly(&list)))?;
    for (key, value) in wick_text::to_gguf(from, plan.vocab)? {
        metadata.insert(key, value);
    }
    let bytes = write(to, &metadata, &list, &folder, progress, stop)?;
    Ok(Converted { bytes, tensors: list.len(), warnings })
}

struct Pieces<'a> {
    decoder: &'a Decoder<'a>,
    folder: &'a Folder,
    dtype: Option<DType>,
    list: Vec<Piece>,
    /// Matrices that could not have the type asked for.
    uneven: Vec<String>,
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
        let info = TensorInfo { dtype: target(stored, self.dtype), shape: stored.shape.clone() };
        if info.shape.len() > 1 && self.dtype.is_some_and(|dtype| dtype != info.dtype) {
            self.uneven.push(name.clone());
        }
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
