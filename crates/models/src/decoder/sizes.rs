//! The sizes of a decoder, read by key and held to each other and to the tensors.

use wick_spec::{Error, Result};
use wick_weights::Tensors;

use super::family::Defaults;
use super::names::{Format, Q, QKV};
use crate::facts::{Facts, required};

/// What the keys of one format are.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) hidden: &'static str,
    pub(crate) layers: &'static str,
    pub(crate) heads: &'static str,
    pub(crate) kv_heads: &'static str,
    pub(crate) head_dim: &'static str,
    pub(crate) ffn: &'static str,
    pub(crate) context: &'static str,
    pub(crate) eps: &'static str,
}

/// Keys of a GGUF file, after the architecture's name.
pub(crate) static GGUF: Keys = Keys {
    hidden: "embedding_length",
    layers: "block_count",
    heads: "attention.head_count",
    kv_heads: "attention.head_count_kv",
    head_dim: "attention.key_length",
    ffn: "feed_forward_length",
    context: "context_length",
    eps: "attention.layer_norm_rms_epsilon",
};

/// Keys of `config.json`.
pub(crate) static FOLDER: Keys = Keys {
    hidden: "hidden_size",
    layers: "num_hidden_layers",
    heads: "num_attention_heads",
    kv_heads: "num_key_value_heads",
    head_dim: "head_dim",
    ffn: "intermediate_size",
    context: "max_position_embeddings",
    eps: "rms_norm_eps",
};

/// The sizes, none of them 0.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sizes {
    /// e.
    pub(crate) hidden: usize,
    /// Layers.
    pub(crate) layers: usize,
    /// h, a multiple of g.
    pub(crate) heads: usize,
    /// g.
    pub(crate) kv_heads: usize,
    /// d.
    pub(crate) head_dim: usize,
    /// f.
    pub(crate) ffn: usize,
    /// Tokens it was trained to attend over.
    pub(crate) context: usize,
    /// Of all norms.
    pub(crate) eps: f32,
}

impl Sizes {
    /// Reads them, and holds them to each other and to the first layer's queries: after that, no size is larger than the
    /// files are.
    pub(crate) fn read(
        facts: &dyn Facts,
        keys: &Keys,
        defaults: Defaults,
        tensors: &dyn Tensors,
        format: Format,
    ) -> Result<Self> {
        let count = |key: &str| match facts.count(key)? {
            Some(0) => Err(Error::model_invalid(format!("{:?} is 0.", facts.spelled(key)))),
            answer => Ok(answer),
        };
        let hidden = required(facts, keys.hidden, count(keys.hidden)?)?;
        let heads = required(facts, keys.heads, count(keys.heads)?)?;
        let head_dim = match count(keys.head_dim)?.or(defaults.head_dim) {
            Some(head_dim) => head_dim,
            None if hidden % heads == 0 => hidden / heads,
            None => {
                return Err(Error::model_invalid(format!(
                    "{:?} {hidden} is no multiple of {:?} {heads}, and {:?} is not given.",
                    facts.spelled(keys.hidden),
                    facts.spelled(keys.heads),
                    facts.spelled(keys.head_dim)
                )));
            }
        };
        let eps = required(facts, keys.eps, facts.number(keys.eps)?.or(defaults.eps))?;
        let sizes = Self {
            hidden,
            layers: required(facts, keys.layers, count(keys.layers)?)?,
            heads,
            kv_heads: count(keys.kv_heads)?.or(defaults.kv_heads).unwrap_or(heads),
            head_dim,
            ffn: required(facts, keys.ffn, count(keys.ffn)?)?,
            context: required(facts, keys.context, count(keys.context)?.or(defaults.context))?,
            eps,
        };
        sizes.check(facts, keys)?;
        sizes.check_bounds(facts, keys, tensors, format)?;
        Ok(sizes)
    }

    fn check(&self, facts: &dyn Facts, keys: &Keys) -> Result<()> {
        let Self { heads, kv_heads, head_dim, eps, .. } = self;
        if heads % kv_heads != 0 {
            let (heads_key, kv_key) = (facts.spelled(keys.heads), facts.spelled(keys.kv_heads));
            return Err(Error::model_invalid(format!("{heads_key:?} {heads} is no multiple of {kv_key:?} {kv_heads}.")));
        }
        if *eps < 0.0 {
            return Err(Error::model_invalid(format!("{:?} is {eps}; it must not be below 0.", facts.spelled(keys.eps))));
        }
        if head_dim % 2 != 0 {
            let key = facts.spelled(keys.head_dim);
            return Err(Error::model_invalid(format!("The head size ({key:?}) is {head_dim}; rotation needs an even one.")));
        }
        Ok(())
    }

    /// A figure of the metadata must not make wick take memory or time that no file of this size calls for.
    fn check_bounds(&self, facts: &dyn Facts, keys: &Keys, tensors: &dyn Tensors, format: Format) -> Result<()> {
        let have = tensors.names().len();
        if self.layers > have {
            let key = facts.spelled(keys.layers);
            return Err(Error::model_invalid(format!("{key:?} is {}; the model has {have} tensors in all.", self.layers)));
        }
        let (alone, fused) = (Q.weight(format, Some(0)), QKV.weight(format, Some(0)));
        let (name, info, heads) = match (tensors.info(&alone), tensors.info(&fused)) {
            (Some(info), _) => (alone, info, self.heads as u64),
            // u32 each, so neither sum nor product can overflow 64 bits.
            (None, Some(info)) => (fused, info, self.heads as u64 + 2 * self.kv_heads as u64),
            (None, None) => return Err(missing(&alone)),
        };
        let rows = heads.saturating_mul(self.head_dim as u64);
        if info.shape.first().map(|&n| n as u64) != Some(rows) {
            return Err(Error::model_invalid(format!(
                "Tensor {name:?} is {:?}; {:?} {} and {:?} {} make it {rows} rows.",
                info.shape,
                facts.spelled(keys.heads),
                self.heads,
                facts.spelled(keys.head_dim),
                self.head_dim
            )));
        }
        Ok(())
    }
}

/// The error for a tensor that must be there.
pub(crate) fn missing(name: &str) -> Error {
    Error::model_invalid(format!("Tensor {name:?} is missing from the model's files."))
}
