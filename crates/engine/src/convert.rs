//! `wick convert` and `wick quantize`, on a thread of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use wick_models::Mix;
use wick_spec::{Error, Result, Stop};

use crate::load::Progress;

pub use wick_models::Converted;

/// What to make of which files.
#[derive(Debug, Clone)]
pub struct Conversion {
    /// A Hugging Face folder, which becomes GGUF, or a `.gguf` file, which is quantised.
    pub from: PathBuf,
    /// The `.gguf` file to write.
    pub to: PathBuf,
    /// Type of the matrices, by the name of a [`Mix`] (`q4_k_m`); `None` for a folder: as stored.
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
    let mix = dtype.as_deref().map(Mix::named).transpose()?;
    if from.is_dir() {
        return wick_models::convert(from, to, mix, &mut progress, stop);
    }
    let mix = mix.ok_or_else(|| {
        let known = Mix::all().map(|mix| mix.name).collect::<Vec<_>>().join(", ");
        Error::invalid_request(format!("Say which type to quantise to: {known}."))
    })?;
    wick_models::quantize(from, to, mix, &mut progress, stop)
}
