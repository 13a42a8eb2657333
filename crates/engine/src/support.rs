//! What this build knows of model files: the rows of its tables.

use wick_models::Architecture;
use wick_weights::DType;

/// Everything that is known by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    /// Architectures; every other is refused by name.
    pub architectures: Vec<Architecture>,
    /// Pre-tokenizers of byte-level BPE, each with all its names; every other is refused by name.
    pub pre_tokenizers: Vec<&'static [&'static str]>,
    /// Types of tensors that are computed with.
    pub types: Vec<&'static str>,
    /// Types of tensors that are only named.
    pub other_types: Vec<&'static str>,
}

/// Reads the tables.
pub fn support() -> Support {
    Support {
        architectures: wick_models::architectures().collect(),
        pre_tokenizers: wick_text::pre_tokenizers().collect(),
        types: DType::known().map(DType::name).collect(),
        other_types: DType::others().map(DType::name).collect(),
    }
}
