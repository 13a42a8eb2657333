//! Random little models.

use wick_compute::{
    Activation, Attention, Embed, Head, HeadNorm, Linear, Mlp, Norm, NormKind, NormOver, Plan, Rope, RopeLayout, Step,
};
use wick_weights::gguf::Metadata;

use crate::{Checkpoint, Random};

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
}

impl Shape {
    /// A shape for each seed; over a few dozen seeds every option is met in both states.
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
        }
    }

    /// The plan, with the names GGUF files use.
    pub fn plan(&self) -> Plan {
        let mut steps = vec![Step::Embed(Embed { weight: "token_embd.weight".into(), scale: 1.0 })];
        for layer in 0..self.layers {
            steps.push(Step::Attention(Box::new(self.attention(layer))));
            steps.push(Step::Mlp(Box::new(self.mlp(layer))));
        }
        let head = if self.tied { "token_embd" } else { "output" };
        steps.push(Step::Norm(norm("output_norm".into())));
        steps.push(Step::Head(Head { linear: linear(head, self.other_bias), scale: 1.0, softcap: None }));
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

    fn attention(&self, layer: usize) -> Attention {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let head_norm = |part: &str| self.qk_norm.then(|| HeadNorm { norm: norm(name(part)), over: NormOver::Head });
        let inv_freq = (0..self.pairs).map(|i| 1e4f64.powf(-(i as f64) / self.pairs as f64) as f32).collect();
        Attention {
            layer,
            norm: Some(norm(name("attn_norm"))),
            q: linear(&name("attn_q"), self.qkv_bias),
            k: linear(&name("attn_k"), self.qkv_bias),
            v: linear(&name("attn_v"), self.qkv_bias),
            o: linear(&name("attn_output"), self.other_bias),
            q_norm: head_norm("attn_q_norm"),
            k_norm: head_norm("attn_k_norm"),
            heads: self.heads,
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            rope: Some(Rope { layout: self.layout, inv_freq, magnitude: 1.0, long: None }),
            growth: None,
            softcap: None,
            post_norm: None,
            residual: 1.0,
            scale: (self.head_dim as f32).sqrt().recip(),
            window: self.window.filter(|_| layer.is_multiple_of(2)),
        }
    }

    fn mlp(&self, layer: usize) -> Mlp {
        let part = |part: &str| linear(&format!("blk.{layer}.{part}"), self.other_bias);
        Mlp {
            norm: Some(norm(format!("blk.{layer}.ffn_norm"))),
            post_norm: None,
            residual: 1.0,
            gate: part("ffn_gate"),
            up: part("ffn_up"),
            down: part("ffn_down"),
            activation: Activation::Silu,
        }
    }

    /// Weights for [`Shape::plan`]: norms near 1, the rest scaled so that values keep their size from layer to layer.
    pub fn checkpoint(&self, seed: u64) -> Checkpoint {
        let mut into = Fill { checkpoint: Checkpoint::new(), random: Random::new(seed) };
        let (e, f, d) = (self.hidden, self.ffn, self.head_dim);
        for step in self.plan().steps {
            match step {
                Step::Embed(embed) => into.matrix(&embed.weight, self.vocab, e),
                Step::Attention(a) => {
                    a.norm.iter().for_each(|norm| into.norm(norm, e));
                    into.linear(&a.q, self.heads * d, e);
                    into.linear(&a.k, self.kv_heads * d, e);
                    into.linear(&a.v, self.kv_heads * d, e);
                    a.q_norm.iter().chain(&a.k_norm).for_each(|norm| into.norm(&norm.norm, d));
                    into.linear(&a.o, e, self.heads * d);
                }
                Step::Mlp(mlp) => {
                    mlp.norm.iter().for_each(|norm| into.norm(norm, e));
                    into.linear(&mlp.gate, f, e);
                    into.linear(&mlp.up, f, e);
                    into.linear(&mlp.down, e, f);
                }
                Step::Norm(norm) => into.norm(&norm, e),
                Step::Head(head) => into.linear(&head.linear, self.vocab, e),
            }
        }
        into.checkpoint
    }
}

fn norm(name: String) -> Norm {
    Norm { kind: NormKind::Rms, weight: format!("{name}.weight"), eps: 1e-5, offset: 0.0 }
}

fn linear(name: &str, bias: bool) -> Linear {
    Linear { weight: format!("{name}.weight"), bias: bias.then(|| format!("{name}.bias")), rows: None }
}

struct Fill {
    checkpoint: Checkpoint,
    random: Random,
}

impl Fill {
    fn norm(&mut self, norm: &Norm, n: usize) {
        let values: Vec<f32> = self.random.values(n, 0.3).into_iter().map(|x| 1.0 + x).collect();
        self.checkpoint.insert(&norm.weight, &[n], &values);
    }

    fn matrix(&mut self, name: &str, m: usize, n: usize) {
        let values = self.random.values(m * n, (3.0 / n as f32).sqrt());
        self.checkpoint.insert(name, &[m, n], &values);
    }

    fn linear(&mut self, linear: &Linear, m: usize, n: usize) {
        self.matrix(&linear.weight, m, n);
        if let Some(bias) = &linear.bias {
            let values = self.random.values(m, 0.3);
            self.checkpoint.insert(bias, &[m], &values);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
