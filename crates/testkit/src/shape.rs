//! Random little models.

use wick_compute::{
    Attention, Embed, Head, HeadNorm, Linear, LongRope, Mlp, Norm, NormKind, NormOver, Plan, Rope, RopeLayout, Step,
};
use wick_weights::gguf::Metadata;

use crate::{Checkpoint, Extras, Norms, Random};

/// The sizes and options of a decoder, awkward on purpose: few are powers of two.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// e.
    pub hidden: usize,
    /// v.
    pub vocab: usize,
    /// f.
    pub ffn: usize,
    /// Attention layers.
    pub layers: usize,
    /// h, a multiple of g.
    pub heads: usize,
    /// g.
    pub kv_heads: usize,
    /// d.
    pub head_dim: usize,
    /// Pairs of a head that are rotated, at most d / 2.
    pub pairs: usize,
    /// How they are paired.
    pub layout: RopeLayout,
    /// Norms of each head of q and k.
    pub qk_norm: bool,
    /// Biases of q, k and v.
    pub qkv_bias: bool,
    /// Biases of everything else that multiplies.
    pub other_bias: bool,
    /// Window of every second layer.
    pub window: Option<usize>,
    /// Whether the head is the embedding table.
    pub tied: bool,
    /// What the family adds to that.
    pub extras: Extras,
}

impl Shape {
    /// A shape without extras for each seed; over a few dozen seeds every option is met in both states.
    pub fn random(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let kv_heads = 1 + random.below(3);
        let head_dim = random.pick(&[4, 6, 10, 16]);
        Self {
            hidden: random.pick(&[12, 20, 33, 48]),
            vocab: 40 + random.below(30),
            ffn: random.pick(&[17, 36, 64]),
            layers: 1 + random.below(3),
            heads: kv_heads * (1 + random.below(3)),
            kv_heads,
            head_dim,
            pairs: if random.coin() { head_dim / 2 } else { head_dim / 4 },
            layout: random.pick(&[RopeLayout::Interleaved, RopeLayout::Neox]),
            qk_norm: random.coin(),
            qkv_bias: random.coin(),
            other_bias: random.coin(),
            window: random.coin().then(|| 1 + random.below(9)),
            tied: random.coin(),
            extras: Extras::NONE,
        }
    }

    /// [`Shape::random`] with extras: over two dozen seeds each of their options is met in every state.
    pub fn with_extras(seed: u64) -> Self {
        Self { extras: Extras::random(&mut Random::new(seed ^ 0xE)), ..Self::random(seed) }
    }

    /// The plan, with the names GGUF files use.
    pub fn plan(&self) -> Plan {
        let extras = &self.extras;
        let mut steps = vec![Step::Embed(Embed { weight: "token_embd.weight".into(), scale: extras.embed_scale })];
        for layer in 0..self.layers {
            steps.push(Step::Attention(Box::new(self.attention(layer))));
            steps.push(Step::Mlp(Box::new(self.mlp(layer))));
        }
        let linear = linear(if self.tied { "token_embd" } else { "output" }, self.other_bias);
        steps.push(Step::Norm(self.norm("output_norm".into())));
        steps.push(Step::Head(Head { linear, scale: extras.logit_scale, softcap: extras.logit_softcap }));
        Plan { architecture: "random".into(), hidden: self.hidden, vocab: self.vocab, steps }
    }

    /// The GGUF metadata that describes [`Shape::plan`], under an architecture's name.
    pub fn metadata(&self, architecture: &str) -> Metadata {
        let mut metadata = Metadata::new();
        metadata.insert("general.architecture", architecture);
        metadata.insert("general.name", "Random");
        let counts = [
            ("context_length", 512),
            ("embedding_length", self.hidden),
            ("block_count", self.layers),
            ("feed_forward_length", self.ffn),
            ("attention.head_count", self.heads),
            ("attention.head_count_kv", self.kv_heads),
            ("attention.key_length", self.head_dim),
            ("attention.value_length", self.head_dim),
            ("rope.dimension_count", 2 * self.pairs),
        ];
        for (key, count) in counts {
            metadata.insert(format!("{architecture}.{key}"), count as u32);
        }
        metadata.insert(format!("{architecture}.attention.layer_norm_rms_epsilon"), 1e-5f32);
        metadata.insert(format!("{architecture}.rope.freq_base"), 1e4f32);
        if let Some(window) = self.window {
            let layers: Vec<bool> = (0..self.layers).map(|layer| layer % 2 == 0).collect();
            metadata.insert(format!("{architecture}.attention.sliding_window"), window as u32);
            metadata.insert(format!("{architecture}.attention.sliding_window_pattern"), layers);
        }
        metadata
    }

    fn norm(&self, name: String) -> Norm {
        Norm { kind: NormKind::Rms, weight: format!("{name}.weight"), eps: 1e-5, offset: self.extras.norm_offset }
    }

    /// The norms of a step: before it, and after it.
    fn norms(&self, layer: usize, step: &str) -> (Option<Norm>, Option<Norm>) {
        let norm = |part: &str| self.norm(format!("blk.{layer}.{part}"));
        let (before, after) = match self.extras.norms {
            Norms::Before => (true, false),
            Norms::After => (false, true),
            Norms::Both => (true, true),
        };
        (before.then(|| norm(&format!("{step}_norm"))), after.then(|| norm(&format!("post_{step}_norm"))))
    }

    /// Linears of these outputs: each a tensor of its own, or all rows of one.
    fn linears<const N: usize>(&self, layer: usize, fused: &str, parts: [(&str, usize); N], bias: bool) -> [Linear; N] {
        let mut next = 0;
        parts.map(|(part, outputs)| {
            let rows = next..next + outputs;
            next = rows.end;
            match self.extras.fused {
                true => Linear { rows: Some(rows), ..linear(&format!("blk.{layer}.{fused}"), bias) },
                false => linear(&format!("blk.{layer}.{part}"), bias),
            }
        })
    }

    fn attention(&self, layer: usize) -> Attention {
        let (d, extras) = (self.head_dim, &self.extras);
        let (queries, keys) = (self.heads * d, self.kv_heads * d);
        let over = if extras.row_norm { NormOver::Row } else { NormOver::Head };
        let head_norm = |part: &str| self.qk_norm.then(|| HeadNorm { norm: self.norm(format!("blk.{layer}.{part}")), over });
        let parts = [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)];
        let [q, k, v] = self.linears(layer, "attn_qkv", parts, self.qkv_bias);
        let (norm, post_norm) = self.norms(layer, "attn");
        Attention {
            layer,
            norm,
            q,
            k,
            v,
            o: linear(&format!("blk.{layer}.attn_output"), self.other_bias),
            q_norm: head_norm("attn_q_norm"),
            k_norm: head_norm("attn_k_norm"),
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: d,
            rope: (!extras.unrotated || layer % 2 == 1).then(|| self.rope()),
            growth: extras.growth,
            softcap: extras.softcap,
            post_norm,
            residual: extras.residual,
            scale: (d as f32).sqrt().recip(),
            window: self.window.filter(|_| layer.is_multiple_of(2)),
        }
    }

    fn rope(&self) -> Rope {
        let frequencies = |base: f64| (0..self.pairs).map(|i| base.powf(-(i as f64) / self.pairs as f64) as f32).collect();
        let long = |original| LongRope { inv_freq: frequencies(3e3), original };
        let (magnitude, long) = (self.extras.magnitude, self.extras.long.map(long));
        Rope { layout: self.layout, inv_freq: frequencies(1e4), magnitude, long }
    }

    fn mlp(&self, layer: usize) -> Mlp {
        let parts = [("ffn_gate", self.ffn), ("ffn_up", self.ffn)];
        let [gate, up] = self.linears(layer, "ffn_gate_up", parts, self.other_bias);
        let (norm, post_norm) = self.norms(layer, "ffn");
        Mlp {
            norm,
            post_norm,
            residual: self.extras.residual,
            gate,
            up,
            down: linear(&format!("blk.{layer}.ffn_down"), self.other_bias),
            activation: self.extras.activation,
        }
    }

    /// Weights for [`Shape::plan`]: norms near 1, the rest scaled so that values keep their size from layer to layer.
    pub fn checkpoint(&self, seed: u64) -> Checkpoint {
        let mut into = Fill { checkpoint: Checkpoint::new(), random: Random::new(seed) };
        let (e, f, d) = (self.hidden, self.ffn, self.head_dim);
        let (queries, keys) = (self.heads * d, self.kv_heads * d);
        for step in self.plan().steps {
            match step {
                Step::Embed(embed) => into.matrix(&embed.weight, self.vocab, e),
                Step::Attention(a) => {
                    into.norm(&a.norm, e);
                    into.linears(&[(&a.q, queries), (&a.k, keys), (&a.v, keys)], e);
                    for (norm, row) in [(a.q_norm, queries), (a.k_norm, keys)] {
                        let n = if self.extras.row_norm { row } else { d };
                        into.norm(&norm.map(|norm| norm.norm), n);
                    }
                    into.linears(&[(&a.o, e)], queries);
                    into.norm(&a.post_norm, e);
                }
                Step::Mlp(mlp) => {
                    into.norm(&mlp.norm, e);
                    into.linears(&[(&mlp.gate, f), (&mlp.up, f)], e);
                    into.linears(&[(&mlp.down, e)], f);
                    into.norm(&mlp.post_norm, e);
                }
                Step::Norm(norm) => into.norm(&Some(norm), e),
                Step::Head(head) => into.linears(&[(&head.linear, self.vocab)], e),
            }
        }
        into.checkpoint
    }
}

fn linear(name: &str, bias: bool) -> Linear {
    Linear { weight: format!("{name}.weight"), bias: bias.then(|| format!("{name}.bias")), rows: None }
}

struct Fill {
    checkpoint: Checkpoint,
    random: Random,
}

impl Fill {
    fn norm(&mut self, norm: &Option<Norm>, n: usize) {
        if let Some(norm) = norm {
            let values: Vec<f32> = self.random.values(n, 0.3).into_iter().map(|x| 1.0 + x).collect();
            self.checkpoint.insert(&norm.weight, &[n], &values);
        }
    }

    fn matrix(&mut self, name: &str, m: usize, n: usize) {
        let values = self.random.values(m * n, (3.0 / n as f32).sqrt());
        self.checkpoint.insert(name, &[m, n], &values);
    }

    /// Linears of these outputs, which are tensors of their own or follow one another in one.
    fn linears(&mut self, linears: &[(&Linear, usize)], n: usize) {
        let all = linears.iter().map(|(_, outputs)| outputs).sum();
        for (linear, outputs) in linears {
            let m = match &linear.rows {
                None => *outputs,
                Some(rows) if rows.start == 0 => all,
                Some(_) => continue,
            };
            self.matrix(&linear.weight, m, n);
            if let Some(bias) = &linear.bias {
                let values = self.random.values(m, 0.3);
                self.checkpoint.insert(bias, &[m], &values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_compute::Activation;

    #[test]
    fn a_few_dozen_seeds_meet_every_option() {
        let shapes: Vec<Shape> = (0..32).map(Shape::random).collect();
        let options: [fn(&Shape) -> bool; 7] = [
            |s| s.qk_norm,
            |s| s.qkv_bias,
            |s| s.other_bias,
            |s| s.tied,
            |s| s.window.is_some(),
            |s| s.layout == RopeLayout::Neox,
            |s| s.heads == s.kv_heads,
        ];
        for (at, option) in options.iter().enumerate() {
            assert!(shapes.iter().any(option) && !shapes.iter().all(option), "option {at}");
        }
    }

    #[test]
    fn two_dozen_seeds_meet_every_extra() {
        let shapes: Vec<Extras> = (0..24).map(|seed| Shape::with_extras(seed).extras).collect();
        let options: [fn(&Extras) -> bool; 16] = [
            |e| e.embed_scale != 1.0,
            |e| e.fused,
            |e| e.norm_offset != 0.0,
            |e| e.norms == Norms::Before,
            |e| e.norms == Norms::After,
            |e| e.norms == Norms::Both,
            |e| e.row_norm,
            |e| e.unrotated,
            |e| e.magnitude != 1.0,
            |e| e.long.is_some(),
            |e| e.growth.is_some(),
            |e| e.softcap.is_some(),
            |e| e.residual != 1.0,
            |e| e.activation == Activation::GeluTanh,
            |e| e.logit_scale != 1.0,
            |e| e.logit_softcap.is_some(),
        ];
        for (at, option) in options.iter().enumerate() {
            assert!(shapes.iter().any(option) && !shapes.iter().all(option), "option {at}");
        }
        assert_eq!(Shape::random(5), Shape { extras: Extras::NONE, ..Shape::with_extras(5) });
    }
}
