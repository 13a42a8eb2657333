//! Loading a model, as JavaScript sees it.

use std::path::PathBuf;
use std::sync::Mutex;

use napi::Status;
use napi::bindgen_prelude::{Env, Function, Object};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use wick_engine::spec::{Error, Result, Stop};
use wick_engine::{Draft, DraftKind, LoadOptions, Log, Progress, load, quantised_type};

use crate::model::NativeModel;
use crate::outcome::promise;

/// Options of a load; what is absent has its default.
#[napi(object, object_to_js = false)]
pub struct NativeLoadOptions {
    /// A `.gguf` file, any part of a split one, or a Hugging Face folder.
    pub path: String,
    /// `auto`, `cpu`, `cuda`, `metal`.
    pub device: Option<String>,
    /// `auto`, `cpu`, `candle`, `reference`.
    pub backend: Option<String>,
    /// Threads to compute with, from 1.
    pub threads: Option<u32>,
    pub context_tokens: Option<u32>,
    pub chat_template: Option<String>,
    /// JSON object of metadata to replace.
    pub metadata: Option<String>,
    pub mmap: Option<bool>,
    pub mlock: Option<bool>,
    /// The name of a type or mix (`q4_k_m`), of any but `f32`.
    pub quantize: Option<String>,
    /// `f16`, `q8_0`, `f32`.
    pub kv_type: Option<String>,
    /// Most sessions that hold keys and values at once, from 1.
    pub max_sessions: Option<u32>,
    /// Most bytes of keys and values, the prefix cache included.
    pub kv_bytes: Option<f64>,
    /// Most bytes that are kept of what ended; 0 keeps and shares nothing.
    pub prefix_cache_bytes: Option<f64>,
    /// Where drafts of an answer's next tokens come from.
    pub draft: Option<NativeDraft>,
    pub vocab_only: Option<bool>,
}

/// Where drafts come from; they make answers faster and never change them.
#[napi(object, object_to_js = false)]
pub struct NativeDraft {
    /// `none`, `prompt-lookup`, `model`.
    pub kind: String,
    /// Of a draft model: a file or folder.
    pub path: Option<String>,
    /// Most tokens drafted at once, 1 to 63; 15 unless given.
    pub tokens: Option<u32>,
}

/// How far a load, conversion or quantisation is.
#[napi(object, object_from_js = false)]
pub struct NativeProgress {
    pub done_bytes: f64,
    pub total_bytes: f64,
}

/// What the engine says of its own doings.
#[napi(object, object_from_js = false)]
pub struct NativeLogRecord {
    /// `debug`, `info` or `warn`.
    pub level: String,
    pub message: String,
}

/// Calls a JavaScript function from any thread without keeping the process alive.
pub(crate) type Callback<T> = ThreadsafeFunction<T, (), T, Status, false, true>;

/// A load that can be cancelled.
#[napi]
pub struct NativeLoad {
    options: Mutex<Option<NativeLoadOptions>>,
    stop: Stop,
}

#[napi]
impl NativeLoad {
    /// Nothing is opened before `run`.
    #[napi(constructor, catch_unwind)]
    pub fn new(options: NativeLoadOptions) -> Self {
        Self { options: Mutex::new(Some(options)), stop: Stop::default() }
    }

    /// Loads, on a thread of the model's own. May be called once.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeOutcome<NativeModel>>")]
    pub fn run<'env>(
        &self,
        env: &'env Env,
        on_progress: Option<Function<'env, NativeProgress, ()>>,
        on_log: Option<Function<'env, NativeLogRecord, ()>>,
    ) -> napi::Result<Object<'env>> {
        let on_progress = on_progress.map(callback).transpose()?;
        let on_log = on_log.map(callback).transpose()?;
        let options = self.options.lock().ok().and_then(|mut options| options.take());
        let options = options.ok_or_else(|| Error::invalid_request("This load was run already.")).and_then(into_options);
        let log = on_log.map_or(Log::none(), |on_log| {
            Log::new(move |level, message| {
                let record = NativeLogRecord { level: level.as_str().into(), message: message.into() };
                on_log.call(record, ThreadsafeFunctionCallMode::NonBlocking);
            })
        });
        promise(env, |answer| match options {
            Err(error) => answer(Err(error)),
            Ok(options) => {
                load(options, reporter(on_progress), log, self.stop.clone(), |model| answer(model.map(NativeModel)))
            }
        })
    }

    /// `run` resolves with `cancelled`.
    #[napi(catch_unwind)]
    pub fn cancel(&self) {
        self.stop.set();
    }
}

pub(crate) fn callback<T>(function: Function<'_, T, ()>) -> napi::Result<Callback<T>>
where
    T: napi::bindgen_prelude::JsValuesTupleIntoVec + 'static,
{
    function.build_threadsafe_function::<T>().callee_handled::<false>().weak::<true>().build()
}

/// Hands progress over; a callback that cannot be reached any more is no reason to stop.
pub(crate) fn reporter(on_progress: Option<Callback<NativeProgress>>) -> Progress {
    Box::new(move |done, total| {
        if let Some(on_progress) = &on_progress {
            let progress = NativeProgress { done_bytes: done as f64, total_bytes: total as f64 };
            on_progress.call(progress, ThreadsafeFunctionCallMode::NonBlocking);
        }
    })
}

fn into_options(options: NativeLoadOptions) -> Result<LoadOptions> {
    Ok(LoadOptions {
        path: PathBuf::from(options.path),
        device: options.device.as_deref().unwrap_or("auto").parse()?,
        backend: options.backend.as_deref().unwrap_or("auto").parse()?,
        threads: options.threads.map(|threads| threads as usize),
        context_tokens: options.context_tokens,
        chat_template: options.chat_template,
        metadata: options.metadata,
        no_mmap: options.mmap == Some(false),
        mlock: options.mlock.unwrap_or(false),
        quantize: options.quantize.as_deref().map(quantised_type).transpose()?,
        kv_type: options.kv_type.as_deref().map(str::parse).transpose()?,
        max_sessions: options.max_sessions,
        // A number is rounded towards the bytes that there can be.
        kv_bytes: options.kv_bytes.map(|bytes| bytes as u64),
        prefix_cache_bytes: options.prefix_cache_bytes.map(|bytes| bytes as u64),
        draft: options.draft.map(into_draft).transpose()?,
        vocab_only: options.vocab_only.unwrap_or(false),
        wrap: wick_engine::fault_from_environment(),
    })
}

fn into_draft(draft: NativeDraft) -> Result<Draft> {
    let kind = match (draft.kind.as_str(), draft.path) {
        ("none", None) => DraftKind::None,
        ("prompt-lookup", None) => DraftKind::PromptLookup,
        ("model", Some(path)) => DraftKind::Model(PathBuf::from(path)),
        ("model", None) => return Err(Error::invalid_request("A draft model needs its path.")),
        ("none" | "prompt-lookup", Some(_)) => {
            return Err(Error::invalid_request("draft.path is for a draft model alone."));
        }
        (other, _) => {
            return Err(Error::invalid_request(format!(
                "draft.kind is {other:?}; it can be \"none\", \"prompt-lookup\" or \"model\"."
            )));
        }
    };
    Ok(Draft { kind, tokens: draft.tokens })
}
