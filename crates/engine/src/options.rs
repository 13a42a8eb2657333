//! What a load may be told.

use std::path::PathBuf;

use wick_compute::Program;
use wick_models::Mix;
use wick_spec::{Error, Result};

/// Which backend computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendKind {
    /// On the processor the cpu backend where it has kernels for the instruction set (x86-64), else candle.
    #[default]
    Auto,
    /// Our own kernels.
    Cpu,
    /// Small f32 operations on one thread: slow, and the truth in tests.
    Reference,
    /// Candle on the device.
    Candle,
}

/// Which device computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceKind {
    /// The best this build has.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// An NVIDIA GPU.
    Cuda,
    /// An Apple GPU.
    Metal,
}

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvType {
    /// As they are computed: twice the memory of f16.
    F32,
    /// In half precision.
    #[default]
    F16,
    /// In eight bits, a scale for 32 of them: about half the memory of f16.
    Q8_0,
}

/// Sessions that hold keys and values at once, where a load does not say.
pub(crate) const DEFAULT_SESSIONS: u32 = 64;

/// Most of them that a load may ask for.
pub(crate) const MOST_SESSIONS: u32 = 1024;

/// Where drafts of an answer's next tokens come from. They make it faster and never change it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DraftKind {
    /// There are none, but for requests that predict.
    None,
    /// From the prompt and the answer themselves: what followed the same tokens before.
    #[default]
    PromptLookup,
    /// From a smaller model of the same vocabulary: a file or folder as [`LoadOptions::path`].
    Model(PathBuf),
}

/// How an engine drafts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// Where drafts come from.
    pub kind: DraftKind,
    /// Most tokens drafted at once, 1 to 63; `None`: 15. How many of them are worth it is measured.
    pub tokens: Option<u32>,
}

/// Puts a program into another one.
pub type Wrap = fn(Box<dyn Program>) -> Box<dyn Program>;

/// Options of [`crate::load`].
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// A `.gguf` file, any part of a split one, or a Hugging Face folder.
    pub path: PathBuf,
    /// Which device computes.
    pub device: DeviceKind,
    /// Which backend computes.
    pub backend: BackendKind,
    /// Threads to compute with, 1 and up; `None`: [`wick_kernels::default_threads`]. All models share the process's threads.
    pub threads: Option<usize>,
    /// Tokens a session holds; `None`: what the model was trained on, or what memory allows.
    pub context_tokens: Option<u32>,
    /// Replaces the file's chat template.
    pub chat_template: Option<String>,
    /// JSON object of values that replace the file's: GGUF metadata keys, or keys of `config.json` for a folder.
    pub metadata: Option<String>,
    /// Reads the file into memory instead of mapping it: for files that may change underneath.
    pub no_mmap: bool,
    /// Asks the system to keep the mapped file in memory; a refusal is a warning.
    pub mlock: bool,
    /// The types that matrices of F32, F16 and BF16 are given while they are loaded; `None`: as the file has them.
    pub quantize: Option<&'static Mix>,
    /// How the cpu backend keeps keys and values; `None`: f16. `unsupported` with another backend.
    pub kv_type: Option<KvType>,
    /// Most sessions that hold keys and values at once, 1 to 1,024; others wait in line. `None`: 64.
    pub max_sessions: Option<u32>,
    /// Most bytes of keys and values, the prefix cache included; `None`: what memory allows.
    pub kv_bytes: Option<u64>,
    /// Most bytes of keys and values that are kept of what ended; 0 keeps and shares nothing. `None`: what others leave of all.
    pub prefix_cache_bytes: Option<u64>,
    /// How answers are drafted; `None`: by prompt lookup on the cpu and reference backends, not at all on others, where a draft could
    /// change an answer and asking for it is `unsupported`. `unsupported` also where a draft model has another vocabulary.
    pub draft: Option<Draft>,
    /// Loads the tokenizer and the metadata alone.
    pub vocab_only: bool,
    /// Wraps the program before it is run; tests inject faults with it.
    pub wrap: Option<Wrap>,
}

/// A type for [`LoadOptions::quantize`], by name. `invalid-request` names those there are.
pub fn quantised_type(name: &str) -> Result<&'static Mix> {
    let loadable = || Mix::all().filter(|mix| mix.loadable());
    loadable().find(|mix| mix.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let known = loadable().map(|mix| format!("{:?}", mix.name)).collect::<Vec<_>>().join(", ");
        Error::invalid_request(format!("quantize is {name:?}; it can be {known}."))
    })
}

macro_rules! names {
    ($type:ident, $option:literal, $($name:literal => $variant:ident),*) => {
        impl std::str::FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)*
                    _ => Err(Error::invalid_request(format!(
                        concat!($option, " is {:?}; it can be ", $("\"", $name, "\", ",)* "and nothing else."), name
                    ))),
                }
            }
        }
    };
}

names!(BackendKind, "backend", "auto" => Auto, "cpu" => Cpu, "reference" => Reference, "candle" => Candle);
names!(KvType, "kvType", "f32" => F32, "f16" => F16, "q8_0" => Q8_0);
names!(DeviceKind, "device", "auto" => Auto, "cpu" => Cpu, "cuda" => Cuda, "metal" => Metal);
