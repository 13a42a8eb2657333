//! Quantising while loading: which tensors get which type. The rules are those of [`crate::quantize`], so that a model loaded so
//! answers as the file it writes does.

use wick_spec::Warning;
use wick_weights::{DType, Tensors};

use super::mix::{Mix, Mixing, Uneven, uneven};
use super::{is_norm, is_quantised};

/// What is to be done to a model's tensors.
#[derive(Debug)]
pub struct Loading {
    /// The tensors that change, and the type each gets.
    pub types: Vec<(String, DType)>,
    /// What comes out otherwise than asked.
    pub warnings: Vec<Warning>,
}

/// Gives matrices of F32, F16 and BF16 the types of `mix`. Vectors and norms stay as they are, since backends hold them in f32; so do
/// matrices that are quantised already, which a second rounding would only make worse.
pub fn while_loading(tensors: &dyn Tensors, mix: &'static Mix) -> Loading {
    let mixing = Mixing::new(mix, tensors.names().into_iter());
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
        let (written, wanted) = mixing.target(name, stored);
        if written != wanted {
            small.push(Uneven { name: name.to_owned(), wanted, written });
        }
        if written != stored.dtype {
            types.push((name.to_owned(), written));
        }
    }
    let warnings = uneven(&small).into_iter().chain(already(&kept)).collect();
    Loading { types, warnings }
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
