//! `wick convert` and `wick quantize`, as JavaScript sees them.

use std::sync::Mutex;

use napi::bindgen_prelude::{Env, Function, Object};
use napi_derive::napi;
use wick_engine::spec::{Error, Stop};
use wick_engine::{Conversion, convert};

use crate::load::{NativeProgress, callback, reporter};
use crate::outcome::promise;

/// What to make of which files.
#[napi(object, object_to_js = false)]
pub struct NativeConvertOptions {
    /// A Hugging Face folder (converted to GGUF) or a `.gguf` file (quantised).
    pub from: String,
    /// The `.gguf` file to write; written beside it first, then renamed.
    pub to: String,
    /// The name of a type or mix (`q4_k_m`); absent for a folder: as stored.
    pub dtype: Option<String>,
}

/// What was written.
#[napi(object, object_from_js = false)]
pub struct NativeConverted {
    pub bytes: f64,
    pub tensors: u32,
    pub warnings: Vec<String>,
}

/// A conversion that can be cancelled.
#[napi]
pub struct NativeConversion {
    conversion: Mutex<Option<Conversion>>,
    stop: Stop,
}

#[napi]
impl NativeConversion {
    /// Nothing is opened before `run`.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: NativeConvertOptions) -> Self {
        let conversion = Conversion { from: options.from.into(), to: options.to.into(), dtype: options.dtype };
        Self { conversion: Mutex::new(Some(conversion)), stop: Stop::default() }
    }

    /// Converts, on a thread of its own. May be called once.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<NativeConverted>>")]
    pub fn run<'env>(
        &self,
        env: &'env Env,
        on_progress: Option<Function<'env, NativeProgress, ()>>,
    ) -> napi::Result<Object<'env>> {
        let on_progress = on_progress.map(callback).transpose()?;
        let conversion = self.conversion.lock().ok().and_then(|mut conversion| conversion.take());
        promise(env, |answer| match conversion {
            None => answer(Err(Error::invalid_request("This conversion was run already."))),
            Some(conversion) => convert(conversion, reporter(on_progress), self.stop.clone(), |done| {
                answer(done.map(|done| NativeConverted {
                    bytes: done.bytes as f64,
                    tensors: done.tensors as u32,
                    warnings: done.warnings.into_iter().map(|w| w.message).collect(),
                }));
            }),
        })
    }

    /// `run` resolves with `cancelled`; nothing is left behind.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.stop.set();
    }
}
