//! From what a reader found to a plan, with every tensor held to the metadata.

use std::collections::HashSet;

use wick_compute::{
    Activation, Attention, Embed, Head, HeadNorm, Linear, Mlp, Norm, NormKind, NormOver, Plan, Rope, RopeLayout, Step,
};
use wick_spec::{Error, Result, Warning};
use wick_weights::Tensors;

use super::family::{Bias, Family};
use super::names::{
    ATTENTION_NORM, DOWN, EMBED, Format, GATE, HEAD, K, K_NORM, MLP_NORM, NORM, O, Part, Q, Q_NORM, ROPE_FREQS, UP, V,
};
use super::rope::Rotation;
use super::sizes::{Keys, Sizes, missing};
use super::window::Windows;
use crate::Model;
use crate::facts::Facts;

/// Unused tensors that a warning names.
const NAMED: usize = 3;

/// A decoder as its metadata describes it, neutral between formats.
pub(crate) struct Decoder<'a> {
    /// Its row of the table.
    pub(crate) family: &'static Family,
    /// Whose names its tensors have.
    pub(crate) format: Format,
    /// Where the figures come from, for flags and messages.
    pub(crate) facts: Box<dyn Facts + 'a>,
    /// How the format spells the sizes.
    pub(crate) keys: &'static Keys,
    /// e, h, g, d, f, layers, context, eps.
    pub(crate) sizes: Sizes,
    /// Frequencies.
    pub(crate) rotation: Rotation,
    /// What each layer sees.
    pub(crate) windows: Windows,
    /// What q·k is multiplied by; `None`: 1 / sqrt(d).
    pub(crate) scale: Option<f32>,
    /// Whether the head is the embedding table.
    pub(crate) tied: bool,
    /// What the files call it.
    pub(crate) name: Option<String>,
    /// What the reader has to say.
    pub(crate) warnings: Vec<Warning>,
}

/// A plan and its tensors.
pub(crate) struct Planned {
    /// What is computed.
    pub(crate) plan: Plan,
    /// The tensors it names.
    pub(crate) used: HashSet<String>,
    /// Their elements.
    pub(crate) parameters: u64,
    /// What the files have beside them, and what the reader had to say.
    pub(crate) warnings: Vec<Warning>,
}

impl Decoder<'_> {
    /// Whether this part has a bias.
    fn has_bias(&self, bias: Bias, part: &Part, layer: usize, tensors: &dyn Tensors) -> Result<bool> {
        Ok(match (bias, self.format) {
            (Bias::Never, _) => false,
            (Bias::Always, _) => true,
            (Bias::Flag(key), Format::Folder) => self.facts.flag(key)?.unwrap_or(false),
            (Bias::Flag(_), Format::Gguf) => tensors.info(&part.bias(self.format, Some(layer))).is_some(),
        })
    }

    /// The plan, and what of the files it uses. `model-invalid` names the tensor that is missing or differs, and the keys it
    /// differs from.
    pub(crate) fn plan(&self, tensors: &dyn Tensors) -> Result<Planned> {
        let mut builder = Builder { decoder: self, tensors, used: HashSet::new(), parameters: 0 };
        let plan = builder.plan()?;
        let Builder { used, parameters, .. } = builder;
        let warnings = self.warnings.iter().cloned().chain(self.unused(tensors, &used)).collect();
        Ok(Planned { plan, used, parameters, warnings })
    }

    /// The plan with its description.
    pub(crate) fn build(self, tensors: &dyn Tensors) -> Result<Model> {
        let Planned { plan, parameters, warnings, .. } = self.plan(tensors)?;
        let Sizes { hidden, layers, heads, kv_heads, head_dim, context, .. } = self.sizes;
        let vocab = plan.vocab;
        Ok(Model {
            plan,
            architecture: self.family.architecture.to_owned(),
            name: self.name,
            trained_context: context,
            layers,
            heads,
            kv_heads,
            head_dim,
            hidden,
            vocab,
            long_from: None,
            parameters,
            warnings,
        })
    }

    /// A warning where the files have tensors that the plan does not use: it may be another model than its metadata says.
    fn unused(&self, tensors: &dyn Tensors, used: &HashSet<String>) -> Option<Warning> {
        let tied_head = HEAD.weight(self.format, None);
        let known = |name: &str| {
            let tied = self.tied && name == tied_head;
            // Old folders carry the frequencies, which are computed.
            tied || name == ROPE_FREQS || name.ends_with("rotary_emb.inv_freq") || tensors.is_scale(name)
        };
        let names: Vec<&str> = tensors.names().into_iter().filter(|name| !used.contains(*name) && !known(name)).collect();
        if names.is_empty() {
            return None;
        }
        let some = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let architecture = self.family.architecture;
        Some(Warning { message: format!("The {architecture} architecture does not use the tensors {some}{more}.") })
    }
}

struct Builder<'a> {
    decoder: &'a Decoder<'a>,
    tensors: &'a dyn Tensors,
    used: HashSet<String>,
    parameters: u64,
}

impl Builder<'_> {
    fn plan(&mut self) -> Result<Plan> {
        let (sizes, keys) = (&self.decoder.sizes, self.decoder.keys);
        let rope = Rope { layout: self.layout(), inv_freq: self.decoder.rotation.inv_freq()?, magnitude: 1.0, long: None };
        let embed = EMBED.weight(self.decoder.format, None);
        let vocab = self.tensors.info(&embed).ok_or_else(|| missing(&embed))?.shape.first().copied().unwrap_or(0);
        if vocab == 0 {
            return Err(Error::model_invalid(format!("Tensor {embed:?} has no rows.")));
        }
        self.hold(&embed, &[vocab, sizes.hidden], &[keys.hidden])?;
        let mut steps = vec![Step::Embed(Embed { weight: embed.clone(), scale: 1.0 })];
        for layer in 0..sizes.layers {
            steps.push(Step::Attention(Box::new(self.attention(layer, &rope)?)));
            steps.push(Step::Mlp(Box::new(self.mlp(layer)?)));
        }
        steps.push(Step::Norm(self.norm(&NORM, None, sizes.hidden, keys.hidden)?));
        let linear = if self.decoder.tied {
            Linear { weight: embed, bias: None, rows: None }
        } else {
            let weight = HEAD.weight(self.decoder.format, None);
            self.hold(&weight, &[vocab, sizes.hidden], &[keys.hidden])?;
            Linear { weight, bias: None, rows: None }
        };
        steps.push(Step::Head(Head { linear, scale: 1.0, softcap: None }));
        Ok(Plan { architecture: self.decoder.family.architecture.to_owned(), hidden: sizes.hidden, vocab, steps })
    }

    fn layout(&self) -> RopeLayout {
        match self.decoder.format {
            Format::Gguf => self.decoder.family.gguf_rope,
            Format::Folder => RopeLayout::Neox,
        }
    }

    fn attention(&mut self, layer: usize, rope: &Rope) -> Result<Attention> {
        let Decoder { sizes, keys, family, .. } = self.decoder;
        let (e, d) = (sizes.hidden, sizes.head_dim);
        let (queries, kv) = (sizes.heads * d, sizes.kv_heads * d);
        let (query_keys, kv_keys) = ([keys.heads, keys.head_dim, keys.hidden], [keys.kv_heads, keys.head_dim, keys.hidden]);
        Ok(Attention {
            layer,
            norm: Some(self.norm(&ATTENTION_NORM, Some(layer), e, keys.hidden)?),
            q: self.linear(&Q, layer, [queries, e], &query_keys, family.qkv_bias)?,
            k: self.linear(&K, layer, [kv, e], &kv_keys, family.qkv_bias)?,
            v: self.linear(&V, layer, [kv, e], &kv_keys, family.qkv_bias)?,
            o: self.linear(&O, layer, [e, queries], &query_keys, family.output_bias)?,
            q_norm: self.head_norm(&Q_NORM, layer)?,
            k_norm: self.head_norm(&K_NORM, layer)?,
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_dim: d,
            rope: Some(rope.clone()),
            growth: None,
            softcap: None,
            post_norm: None,
            residual: 1.0,
            scale: self.decoder.scale.unwrap_or_else(|| (d as f32).sqrt().recip()),
            window: self.decoder.windows.of(layer),
        })
    }

    fn mlp(&mut self, layer: usize) -> Result<Mlp> {
        let Decoder { sizes, keys, family, .. } = self.decoder;
        let (e, f, because) = (sizes.hidden, sizes.ffn, [keys.ffn, keys.hidden]);
        Ok(Mlp {
            norm: Some(self.norm(&MLP_NORM, Some(layer), e, keys.hidden)?),
            post_norm: None,
            residual: 1.0,
            gate: self.linear(&GATE, layer, [f, e], &because, family.mlp_bias)?,
            up: self.linear(&UP, layer, [f, e], &because, family.mlp_bias)?,
            down: self.linear(&DOWN, layer, [e, f], &because, family.mlp_bias)?,
            activation: Activation::Silu,
        })
    }

    fn linear(&mut self, part: &Part, layer: usize, shape: [usize; 2], because: &[&str], bias: Bias) -> Result<Linear> {
        let format = self.decoder.format;
        let weight = part.weight(format, Some(layer));
        self.hold(&weight, &shape, because)?;
        let bias = if self.decoder.has_bias(bias, part, layer, self.tensors)? {
            let bias = part.bias(format, Some(layer));
            self.hold(&bias, &shape[..1], because)?;
            Some(bias)
        } else {
            None
        };
        Ok(Linear { weight, bias, rows: None })
    }

    fn norm(&mut self, part: &Part, layer: Option<usize>, n: usize, because: &str) -> Result<Norm> {
        let weight = part.weight(self.decoder.format, layer);
        self.hold(&weight, &[n], &[because])?;
        Ok(Norm { kind: NormKind::Rms, weight, eps: self.decoder.sizes.eps, offset: 0.0 })
    }

    fn head_norm(&mut self, part: &Part, layer: usize) -> Result<Option<HeadNorm>> {
        if !self.decoder.family.qk_norm {
            return Ok(None);
        }
        let norm = self.norm(part, Some(layer), self.decoder.sizes.head_dim, self.decoder.keys.head_dim)?;
        Ok(Some(HeadNorm { norm, over: NormOver::Head }))
    }

    /// The tensor is there and has this shape, which these keys gave it.
    fn hold(&mut self, name: &str, shape: &[usize], because: &[&str]) -> Result<()> {
        let found = &self.tensors.info(name).ok_or_else(|| missing(name))?.shape;
        if found != shape {
            let keys =
                because.iter().map(|key| format!("{:?}", self.decoder.facts.spelled(key))).collect::<Vec<_>>().join(", ");
            return Err(Error::model_invalid(format!(
                "Tensor {name:?} is {found:?}; the metadata ({keys}) makes it {shape:?}."
            )));
        }
        if self.used.insert(name.to_owned()) {
            self.parameters += shape.iter().map(|&n| n as u64).product::<u64>();
        }
        Ok(())
    }
}
