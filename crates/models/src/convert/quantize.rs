//! A GGUF file to another whose matrices have other types.

use std::path::Path;

use wick_spec::{Result, Stop, Warning};
use wick_weights::gguf::{File, Metadata};
use wick_weights::{DType, OpenOptions, TensorInfo, Tensors};

use super::mix::{Mix, Mixing, Uneven, uneven};
use super::stream::{Origin, Piece, write};
use super::{Converted, is_norm, is_quantised, metadata};

/// Writes the model of `from`, all its parts if it is split, as the one file `to` with matrices of the types of `mix`. Vectors and
/// norms are F32. `progress` is told the bytes written and all there are.
///
/// # Errors
/// What [`File::open`] refuses; `unsupported` for a type in the file that wick does not read; `io` when the file cannot be written;
/// `cancelled` when `stop` was set. No file is left behind then.
pub fn quantize(
    from: &Path,
    to: &Path,
    mix: &'static Mix,
    progress: &mut dyn FnMut(u64, u64),
    stop: &Stop,
) -> Result<Converted> {
    let file = File::open(from, &OpenOptions::default())?;
    let mut metadata: Metadata = unsplit(file.metadata());
    metadata::set_type(&mut metadata, mix.file_type);
    let mixing = Mixing::new(mix, file.names().into_iter());
    let (mut pieces, mut others, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    for name in file.names().into_iter().filter(|name| !file.is_scale(name)) {
        let Some(stored) = file.info(name) else { continue };
        let (written, wanted) = match stored.shape.len() < 2 || is_norm(name) {
            true => (DType::F32, DType::F32),
            false => mixing.target(name, stored),
        };
        if written != wanted {
            others.push(Uneven { name: name.to_owned(), wanted, written });
        }
        if is_quantised(stored.dtype) && is_quantised(written) && stored.dtype != written {
            twice.push(stored.dtype);
        }
        let info = TensorInfo { dtype: written, shape: stored.shape.clone() };
        pieces.push(Piece { name: name.to_owned(), info, origin: Origin::Tensor(name.to_owned()) });
    }
    let warnings = uneven(&others).into_iter().chain(requantised(&twice)).collect();
    let bytes = write(to, &metadata, &pieces, &file, progress, stop)?;
    Ok(Converted { bytes, tensors: pieces.len(), warnings })
}

/// The metadata of one file, whatever parts it was read from.
fn unsplit(metadata: &Metadata) -> Metadata {
    metadata.iter().filter(|(key, _)| !key.starts_with("split.")).map(|(key, value)| (key, value.clone())).collect()
}

fn requantised(twice: &[DType]) -> Option<Warning> {
    let first = twice.first()?;
    let count = twice.len();
    Some(Warning {
        message: format!(
            "{count} matrices were quantised before ({first}); from a file of F32, F16 or BF16 the result is better."
        ),
    })
}
