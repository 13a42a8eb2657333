//! Quantising while loading: which tensors get which type. The rules are those of [`crate::quantize`], so that a model loaded so
//! answers as the file it writes does.

use wick_spec::{Error, Result, Warning};
use wick_weights::{DType, Tensors};

use super::{is_norm, is_quantised, target, uneven};

/// Types that matrices can be given while they are loaded.
pub const LOADABLE: [DType; 4] = [DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0];

/// What is to be done to a model's tensors.
#[derive(Debug)]
pub struct Loading {
    /// The tensors that change, and the type each gets.
    pub types: Vec<(String, DType)>,
    /// What comes out otherwise than asked.
    pub warnings: Vec<Warning>,
}

/// Gives matrices of F32, F16 and BF16 the type `dtype`, one of [`LOADABLE`]. Vectors and norms stay as they are, since backends
/// hold them in f32; so do matrices that are quantised already, which a second rounding would only make worse. `unsupported`
/// for other types.
pub fn while_loading(tensors: &dyn Tensors, dtype: DType) -> Result<Loading> {
    if !LOADABLE.contains(&dtype) {
        let known = LOADABLE.map(DType::name).join(", ");
        return Err(Error::unsupported(format!("wick does not quantise to {dtype} while loading; it does to {known}.")));
    }
    let (mut types, mut small, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for name in tensors.names() {
        let Some(stored) = tensors.info(name).filter(|info| info.shape.len() > 1 && !is_norm(name)) else { continue };
        if is_quantised(stored.dtype) {
            kept.push(stored.dtype);
            continue;
        }
        // What is neither a float nor a block is for whoever asks for it to refuse.
        if !matches!(stored.dtype, DType::F32 | DType::F16 | DType::BF16) {
            continue;
        }
        let target = target(stored, Some(dtype));
        if target != dtype {
            small.push(name.to_owned());
        }
        if target != stored.dtype {
            types.push((name.to_owned(), target));
        }
    }
    let warnings = uneven(dtype, &small).into_iter().chain(already(&kept)).collect();
    Ok(Loading { types, warnings })
}

fn already(kept: &[DType]) -> Option<Warning> {
    let first = kept.first()?;
    let count = kept.len();
    Some(Warning {
        message: format!(
            "{count} matrices are quantised already ({first}) and stay as they are. To round them a second time, write a file \
             with wick quantize."
        ),
    })
}
