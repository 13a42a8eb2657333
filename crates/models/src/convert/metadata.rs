//! The GGUF keys of a decoder, as llama.cpp's converter names them.

use wick_spec::{Error, Result};
use wick_weights::DType;
use wick_weights::gguf::Metadata;

use crate::decoder::build::Decoder;
use crate::decoder::sizes::GGUF;

/// GGML's version of the quantised layouts.
const QUANTIZATION_VERSION: u32 = 2;

/// `general.file_type` of a file whose matrices have mostly this type.
pub(super) fn file_type(dtype: DType) -> u32 {
    match dtype {
        DType::F32 => 0,
        DType::F16 => 1,
        DType::Q4_0 => 2,
        DType::Q8_0 => 7,
        DType::BF16 => 32,
        // "Guessed": the figure for files that do not say.
        _ => 1024,
    }
}

/// Notes the type of the matrices.
pub(super) fn set_type(metadata: &mut Metadata, dtype: DType) {
    metadata.insert("general.file_type", file_type(dtype));
    metadata.insert("general.quantization_version", QUANTIZATION_VERSION);
}

/// What describes the model itself; the tokenizer's keys come after these.
pub(super) fn describe(decoder: &Decoder<'_>, vocab: usize, dtype: DType) -> Result<Metadata> {
    let (family, sizes) = (decoder.family, &decoder.sizes);
    let mut metadata = Metadata::new();
    metadata.insert("general.architecture", family.architecture);
    metadata.insert("general.type", "model");
    if let Some(name) = &decoder.name {
        metadata.insert("general.name", name.as_str());
    }
    set_type(&mut metadata, dtype);
    let spelled = |key: &str| format!("{}.{key}", family.architecture);
    let counts = [
        ("vocab_size", vocab),
        (GGUF.context, sizes.context),
        (GGUF.hidden, sizes.hidden),
        (GGUF.layers, sizes.layers),
        (GGUF.ffn, sizes.ffn),
        (GGUF.heads, sizes.heads),
        (GGUF.kv_heads, sizes.kv_heads),
        (GGUF.head_dim, sizes.head_dim),
        ("attention.value_length", sizes.head_dim),
        ("rope.dimension_count", decoder.rotation.elements),
    ];
    for (key, count) in counts {
        let count =
            u32::try_from(count).map_err(|_| Error::model_invalid(format!("{key} is {count}, more than GGUF can say.")))?;
        metadata.insert(spelled(key), count);
    }
    metadata.insert(spelled(GGUF.eps), sizes.eps);
    metadata.insert(spelled("rope.freq_base"), decoder.rotation.base);
    if decoder.rotation.linear != 1.0 {
        metadata.insert(spelled("rope.scaling.type"), "linear");
        metadata.insert(spelled("rope.scaling.factor"), decoder.rotation.linear);
    }
    if let Some((size, layers)) = decoder.windows.any() {
        metadata.insert(spelled("attention.sliding_window"), size as u32);
        metadata.insert(spelled("attention.sliding_window_pattern"), layers.to_vec());
    }
    Ok(metadata)
}
