//! What the parts of a decoder are multiplied by, and their soft caps.

use wick_spec::{Error, Result};

use super::family::{Cap, Family, QueryScale, Scales};
use super::names::Format;
use super::sizes::Sizes;
use crate::facts::{Facts, positive, required};

/// The figures, in either format's meaning.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Factors {
    /// What the rows of ids are multiplied by.
    pub(crate) embed: f32,
    /// What q·k is multiplied by.
    pub(crate) query: f32,
    /// What attention and feed-forward are multiplied by when they are added.
    pub(crate) residual: f32,
    /// What logits are divided by.
    pub(crate) logits: f32,
    /// Of scores.
    pub(crate) attention_cap: Option<f32>,
    /// Of logits.
    pub(crate) logit_cap: Option<f32>,
}

/// What both formats call soft caps.
pub(crate) const ATTENTION_CAP: &str = "attn_logit_softcapping";
pub(crate) const LOGIT_CAP: &str = "final_logit_softcapping";
/// What GGUF calls the rest.
pub(crate) const GGUF_QUERY: &str = "attention.scale";
pub(crate) const GGUF_EMBED: &str = "embedding_scale";
pub(crate) const GGUF_RESIDUAL: &str = "residual_scale";
pub(crate) const GGUF_LOGITS: &str = "logit_scale";

impl Factors {
    /// Reads them. `model-invalid` for figures that leave nothing to compute with.
    pub(crate) fn read(facts: &dyn Facts, family: &Family, sizes: &Sizes, format: Format) -> Result<Self> {
        let plain = Self {
            embed: 1.0,
            query: (sizes.head_dim as f32).sqrt().recip(),
            residual: 1.0,
            logits: 1.0,
            attention_cap: cap(facts, ATTENTION_CAP, family.caps.attention)?,
            logit_cap: cap(facts, LOGIT_CAP, family.caps.logits)?,
        };
        // In GGUF files 0 is the same as left out.
        let said = |key: &str| Ok::<_, Error>(facts.number(key)?.filter(|x| *x != 0.0));
        let embed = (sizes.hidden as f32).sqrt();
        Ok(match (family.scales, format) {
            (Scales::Plain, Format::Folder) => plain,
            (Scales::Plain, Format::Gguf) => Self { query: said(GGUF_QUERY)?.unwrap_or(plain.query), ..plain },
            (Scales::Gemma(None), _) => Self { embed, ..plain },
            (Scales::Gemma(Some(scale)), Format::Folder) => {
                let scalar = positive(facts, "query_pre_attn_scalar")?.unwrap_or(scale.default);
                Self { embed, query: scalar.sqrt().recip(), ..plain }
            }
            (Scales::Gemma(Some(scale)), Format::Gguf) => {
                Self { embed, query: said(GGUF_QUERY)?.unwrap_or_else(|| implied(scale, sizes)), ..plain }
            }
            (Scales::Granite, Format::Folder) => {
                let figure = |key: &str| Ok::<_, Error>(facts.number(key)?.unwrap_or(1.0));
                Self {
                    embed: figure("embedding_multiplier")?,
                    query: figure("attention_multiplier")?,
                    residual: figure("residual_multiplier")?,
                    logits: positive(facts, "logits_scaling")?.unwrap_or(1.0),
                    ..plain
                }
            }
            (Scales::Granite, Format::Gguf) => Self {
                embed: said(GGUF_EMBED)?.unwrap_or(1.0),
                query: said(GGUF_QUERY)?.unwrap_or(plain.query),
                residual: said(GGUF_RESIDUAL)?.unwrap_or(1.0),
                logits: required(facts, GGUF_LOGITS, positive(facts, GGUF_LOGITS)?)?,
                ..plain
            },
        })
    }
}

/// The scale of queries that a GGUF file of gemma means without saying so.
pub(crate) fn implied(scale: QueryScale, sizes: &Sizes) -> f32 {
    let width = if sizes.layers == scale.by_width { sizes.hidden / sizes.heads } else { sizes.head_dim };
    (width as f32).sqrt().recip()
}

fn cap(facts: &dyn Facts, key: &str, cap: Option<Cap>) -> Result<Option<f32>> {
    let Some(Cap { default }) = cap else { return Ok(None) };
    match facts.number(key)? {
        Some(0.0) => Ok(None),
        Some(x) if x < 0.0 => Err(Error::model_invalid(format!("{:?} is {x}; it must not be below 0.", facts.spelled(key)))),
        Some(x) => Ok(Some(x)),
        None if facts.null(key) => Ok(None),
        None => Ok(default),
    }
}
