//! The tables of what is known, as they cross.

use napi_derive::napi;

/// An architecture, as files name it.
#[napi(object, object_from_js = false)]
pub struct NativeArchitecture {
    /// `general.architecture` of GGUF files.
    pub gguf: String,
    /// `architectures[0]` of `config.json`.
    pub class: String,
}

/// What this build knows of model files.
#[napi(object, object_from_js = false)]
pub struct NativeSupport {
    pub architectures: Vec<NativeArchitecture>,
    /// Pre-tokenizers, each with all its names.
    pub pre_tokenizers: Vec<Vec<String>>,
    /// Types of tensors that are computed with.
    pub types: Vec<String>,
    /// Types of tensors that are only named.
    pub other_types: Vec<String>,
}

/// Reads the tables.
#[napi(catch_unwind)]
pub fn support() -> NativeSupport {
    let support = wick_engine::support();
    let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    let architectures = support.architectures.iter();
    NativeSupport {
        architectures: architectures.map(|a| NativeArchitecture { gguf: a.gguf.into(), class: a.class.into() }).collect(),
        pre_tokenizers: support.pre_tokenizers.iter().map(|names| strings(names)).collect(),
        types: strings(&support.types),
        other_types: strings(&support.other_types),
    }
}
