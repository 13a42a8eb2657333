//! From what a reader found to a plan, with every tensor held to the metadata.

use std::collections::HashSet;

use wick_compute::{Attention, Embed, Head, HeadNorm, Linear, Mlp, Norm, NormKind, NormOver, Plan, Rope, RopeLayout, Step};
use wick_spec::{Error, Result, Warning};
use wick_weights::Tensors;

use super::factors::Factors;
use super::family::{Bias, Family};
use super::names::{
    DOWN, EMBED, Format, GATE, GATE_UP, HEAD, K, K_NORM, NORM, O, Part, Q, Q_NORM, QKV, ROPE_FREQS, ROPE_LONG, ROPE_SHORT,
    UP, V,
};
use super::rope::Rotations;
use super::sizes::{Keys, Sizes, missing};
use super::window::Windows;
use crate::facts::Facts;
use crate::{LongFrom, Model};

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
    /// How each layer turns.
    pub(crate) rotations: Rotations,
    /// Which sequences are long.
    pub(crate) long_from: Option<LongFrom>,
    /// What each layer sees.
    pub(crate) windows: Windows,
    /// What its parts are multiplied by, and their soft caps.
    pub(crate) factors: Factors,
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
            long_from: self.long_from,
            parameters,
            warnings,
        })
    }

    /// A warning where the files have tensors that the plan does not use: it may be another model than its metadata says.
    fn unused(&self, tensors: &dyn Tensors, used: &HashSet<String>) -> Option<Warning> {
        let tied_head = HEAD.weight(self.format, None);
        let known = |name: &str| {
            let tied = self.tied && name == tied_head;
            let long = self.long_from.is_some() && [ROPE_SHORT, ROPE_LONG].contains(&name);
            // Old folders carry the frequencies, which are computed.
            tied || long || name == ROPE_FREQS || name.ends_with("rotary_emb.inv_freq") || tensors.is_scale(name)
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

/// The rotations of a plan's layers.
struct Ropes {
    all: Rope,
    windowed: Option<Rope>,
}

impl Builder<'_> {
    fn plan(&mut self) -> Result<Plan> {
        let Decoder { sizes, keys, family, rotations, factors, .. } = self.decoder;
        let layout = self.layout();
        let windowed = rotations.windowed.as_ref().map(|rotation| rotation.rope(layout)).transpose()?;
        let ropes = Ropes { all: rotations.all.rope(layout)?, windowed };
        let embed = EMBED.weight(self.decoder.format, None);
        let vocab = self.tensors.info(&embed).ok_or_else(|| missing(&embed))?.shape.first().copied().unwrap_or(0);
        if vocab == 0 {
            return Err(Error::model_invalid(format!("Tensor {embed:?} has no rows.")));
        }
        self.hold(&embed, &[vocab, sizes.hidden], &[keys.hidden])?;
        let mut steps = vec![Step::Embed(Embed { weight: embed.clone(), scale: factors.embed })];
        for layer in 0..sizes.layers {
            steps.push(Step::Attention(Box::new(self.attention(layer, &ropes)?)));
            steps.push(Step::Mlp(Box::new(self.mlp(layer)?)));
        }
        steps.push(Step::Norm(self.norm(&NORM, None, sizes.hidden, &[keys.hidden])?));
        let weight = if self.decoder.tied { embed } else { HEAD.weight(self.decoder.format, None) };
        self.hold(&weight, &[vocab, sizes.hidden], &[keys.hidden])?;
        let linear = Linear { weight, bias: None, rows: None };
        steps.push(Step::Head(Head { linear, scale: factors.logits.recip(), softcap: factors.logit_cap }));
        Ok(Plan { architecture: family.architecture.to_owned(), hidden: sizes.hidden, vocab, steps })
    }

    fn layout(&self) -> RopeLayout {
        match self.decoder.format {
            Format::Gguf => self.decoder.family.gguf_rope,
            Format::Folder => RopeLayout::Neox,
        }
    }

    fn attention(&mut self, layer: usize, ropes: &Ropes) -> Result<Attention> {
        let Decoder { sizes, keys, family, rotations, factors, .. } = self.decoder;
        let (e, d) = (sizes.hidden, sizes.head_dim);
        let because = [keys.heads, keys.head_dim, keys.hidden];
        let window = self.decoder.windows.of(layer);
        let rope = ropes.windowed.as_ref().filter(|_| window.is_some()).unwrap_or(&ropes.all);
        let turns = !rotations.unturned.get(layer).copied().unwrap_or(false);
        let [q, k, v] = self.projections(layer)?;
        Ok(Attention {
            layer,
            norm: self.layer_norm(family.norms.attention, layer)?,
            q,
            k,
            v,
            o: self.linear(&O, layer, [e, sizes.heads * d], &because, family.output_bias)?,
            q_norm: self.head_norm(&Q_NORM, layer, sizes.heads)?,
            k_norm: self.head_norm(&K_NORM, layer, sizes.kv_heads)?,
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            head_dim: d,
            rope: turns.then(|| rope.clone()),
            growth: rotations.growth,
            softcap: factors.attention_cap,
            post_norm: self.layer_norm(family.norms.after_attention, layer)?,
            residual: factors.residual,
            scale: factors.query,
            window,
        })
    }

    /// q, k and v: tensors of their own, or rows of one. A folder's family says which; a GGUF file of any family may have one.
    fn projections(&mut self, layer: usize) -> Result<[Linear; 3]> {
        let Decoder { sizes, keys, family, format, .. } = self.decoder;
        let (e, bias) = (sizes.hidden, family.qkv_bias);
        let (queries, kv) = (sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim);
        let fused = match format {
            Format::Folder => family.fused,
            Format::Gguf => self.tensors.info(&QKV.weight(*format, Some(layer))).is_some(),
        };
        if fused {
            let because = [keys.heads, keys.kv_heads, keys.head_dim, keys.hidden];
            let all = self.linear(&QKV, layer, [queries + 2 * kv, e], &because, bias)?;
            let ends = [0, queries, queries + kv, queries + 2 * kv];
            return Ok([0, 1, 2].map(|n| Linear { rows: Some(ends[n]..ends[n + 1]), ..all.clone() }));
        }
        let (query_keys, kv_keys) = ([keys.heads, keys.head_dim, keys.hidden], [keys.kv_heads, keys.head_dim, keys.hidden]);
        Ok([
            self.linear(&Q, layer, [queries, e], &query_keys, bias)?,
            self.linear(&K, layer, [kv, e], &kv_keys, bias)?,
            self.linear(&V, layer, [kv, e], &kv_keys, bias)?,
        ])
    }

    fn mlp(&mut self, layer: usize) -> Result<Mlp> {
        let Decoder { sizes, keys, family, factors, .. } = self.decoder;
        let (e, f, because) = (sizes.hidden, sizes.ffn, [keys.ffn, keys.hidden]);
        let (gate, up) = if family.fused {
            let both = self.linear(&GATE_UP, layer, [2 * f, e], &because, family.mlp_bias)?;
            (Linear { rows: Some(0..f), ..both.clone() }, Linear { rows: Some(f..2 * f), ..both })
        } else {
            let gate = self.linear(&GATE, layer, [f, e], &because, family.mlp_bias)?;
            (gate, self.linear(&UP, layer, [f, e], &because, family.mlp_bias)?)
        };
        Ok(Mlp {
            norm: self.layer_norm(family.norms.mlp, layer)?,
            post_norm: self.layer_norm(family.norms.after_mlp, layer)?,
            residual: factors.residual,
            gate,
            up,
            down: self.linear(&DOWN, layer, [e, f], &because, family.mlp_bias)?,
            activation: family.gate.activation,
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

    fn norm(&mut self, part: &Part, layer: Option<usize>, n: usize, because: &[&str]) -> Result<Norm> {
        let Decoder { format, family, sizes, .. } = self.decoder;
        let weight = part.weight(*format, layer);
        self.hold(&weight, &[n], because)?;
        Ok(Norm { kind: NormKind::Rms, weight, eps: sizes.eps, offset: family.offset(*format) })
    }

    fn layer_norm(&mut self, part: Option<&Part>, layer: usize) -> Result<Option<Norm>> {
        let Decoder { sizes, keys, .. } = self.decoder;
        part.map(|part| self.norm(part, Some(layer), sizes.hidden, &[keys.hidden])).transpose()
    }

    fn head_norm(&mut self, part: &Part, layer: usize, heads: usize) -> Result<Option<HeadNorm>> {
        let Decoder { sizes, keys, family, .. } = self.decoder;
        let Some(over) = family.qk_norm else { return Ok(None) };
        let (n, because): (_, &[&str]) = match over {
            NormOver::Head => (sizes.head_dim, &[keys.head_dim]),
            NormOver::Row => (heads * sizes.head_dim, &[keys.heads, keys.kv_heads, keys.head_dim]),
        };
        Ok(Some(HeadNorm { norm: self.norm(part, Some(layer), n, because)?, over }))
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
