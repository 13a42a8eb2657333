//! A GGUF file to another whose matrices have another type.

use std::path::Path;

use wick_spec::{Error, Result, Stop, Warning};
use wick_weights::gguf::{File, Metadata};
use wick_weights::{DType, OpenOptions, TensorInfo, Tensors};

use super::stream::{Origin, Piece, write};
use super::{Converted, is_norm, is_quantised, metadata, target, uneven};

/// Types that can be written.
const TARGETS: [DType; 5] = [DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0];

/// Writes the model of `from`, all its parts if it is split, as the one file `to` with matrices of type `dtype` (F32, F16,
/// BF16, Q8_0, Q4_0). Vectors and norms are F32. `progress` is told the bytes written and all there are.
///
/// # Errors
/// What [`File::open`] refuses; `unsupported` for a type wick does not write, or one in the file that it does not read; `io`
/// when the file cannot be written; `cancelled` when `stop` was set. No file is left behind then.
pub fn quantize(from: &Path, to: &Path, dtype: DType, progress: &mut dyn FnMut(u64, u64), stop: &Stop) -> Result<Converted> {
    if !TARGETS.contains(&dtype) {
        let known = TARGETS.map(DType::name).join(", ");
        return Err(Error::unsupported(format!("wick does not write {dtype}; it writes {known}.")));
    }
    let file = File::open(from, &OpenOptions::default())?;
    let mut metadata: Metadata = unsplit(file.metadata());
    metadata::set_type(&mut metadata, dtype);
    let (mut pieces, mut names, mut twice) = (Vec::new(), Vec::new(), Vec::new());
    for name in file.names().into_iter().filter(|name| !file.is_scale(name)) {
        let Some(stored) = file.info(name) else { continue };
        let kept = is_norm(name);
        let info =
            TensorInfo { dtype: if kept { DType::F32 } else { target(stored, Some(dtype)) }, shape: stored.shape.clone() };
        if info.shape.len() > 1 && !kept {
            if info.dtype != dtype {
                names.push(name.to_owned());
            }
            if is_quantised(stored.dtype) && is_quantised(info.dtype) && stored.dtype != info.dtype {
                twice.push(stored.dtype);
            }
        }
        pieces.push(Piece { name: name.to_owned(), info, origin: Origin::Tensor(name.to_owned()) });
    }
    let warnings = uneven(dtype, &names).into_iter().chain(requantised(&twice)).collect();
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
