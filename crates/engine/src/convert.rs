//! `wick convert` and `wick quantize`, on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use wick_spec::{Error, Result, Stop};
use wick_weights::DType;

use crate::load::Progress;

pub use wick_models::Converted;

/// What to make of which files.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// A Hugging Face folder, which becomes GGUF, or a `.gguf` file, which is quantised.
    pub from: PathBuf,
    /// The `.gguf` file to write.
    pub to: PathBuf,
    /// Type of the matrices, by name (`q8_0`); `None` for a folder: as stored.
    pub dtype: Option<String>,
}

/// Converts on a new thread and calls `done` from it. `stop` ends the work with `cancelled`; nothing is left behind then.
pub fn convert(
    conversion: Conversion,
    progress: Progress,
    stop: Stop,
    done: impl FnOnce(Result<Converted>) + Send + 'static,
) {
    std::thread::spawn(move || {
        let work = AssertUnwindSafe(|| run(&conversion, progress, &stop));
        done(catch_unwind(work).unwrap_or_else(|_| Err(Error::internal("The conversion panicked. Please report it."))));
    });
}

fn run(conversion: &Conversion, mut progress: Progress, stop: &Stop) -> Result<Converted> {
    let Conversion { from, to, dtype } = conversion;
    let dtype = dtype.as_deref().map(target).transpose()?;
    if from.is_dir() {
        return wick_models::convert(from, to, dtype, &mut progress, stop);
    }
    let dtype =
        dtype.ok_or_else(|| Error::invalid_request("Say which type to quantise to: f32, f16, bf16, q8_0 or q4_0."))?;
    wick_models::quantize(from, to, dtype, &mut progress, stop)
}

fn target(name: &str) -> Result<DType> {
    let known =
        [("f32", DType::F32), ("f16", DType::F16), ("bf16", DType::BF16), ("q8_0", DType::Q8_0), ("q4_0", DType::Q4_0)];
    let found = known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found
        .map(|&(_, dtype)| dtype)
        .ok_or_else(|| Error::unsupported(format!("Cannot write type {name:?}; wick writes f32, f16, bf16, q8_0 and q4_0.")))
}
