//! Which tensor is written in which type.
//!
//! The mixes and their rules are llama.cpp's, so that a name promises the same everywhere: a base type, more bits for what errors in
//! hurt most. Left out are its exceptions for models of eight experts.

use wick_spec::{Error, Result, Warning};
use wick_weights::{DType, TensorInfo};

/// Types for a model's matrices. Vectors and norms are F32.
#[derive(Debug, PartialEq, Eq)]
pub struct Mix {
    /// What it is called: `q4_k_m`.
    pub name: &'static str,
    /// The type of most matrices.
    base: DType,
    /// `general.file_type` of its files.
    pub(super) file_type: u32,
    /// The type of the head, which is the embedding table too where they are tied; `None`: the base type.
    head: Option<DType>,
    /// The first that applies to a tensor names its type.
    rules: &'static [Rule],
}

/// More bits for a role in some layers.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    role: Role,
    layers: Layers,
    dtype: DType,
}

/// What a matrix is to its model, as far as mixes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Embedding,
    Head,
    /// Values of attention, alone or with queries and keys.
    Value,
    /// The feed-forward's way back to the residual stream.
    Down,
    /// Small, and steering much: not quantised.
    Kept,
    Other,
}

#[derive(Debug, PartialEq, Eq)]
enum Layers {
    First(usize),
    FirstEighth,
    /// The first and the last eighth, and every third between.
    Spread,
    /// All, of a model of so many: its groups of heads share values, which so are few.
    OfModel(usize),
}

/// What the parts of a model are called by GGUF and in Hugging Face folders, without layer and `.weight`.
const ROLES: [(&str, Role); 22] = [
    ("token_embd", Role::Embedding),
    ("per_layer_token_embd", Role::Embedding),
    ("embed_tokens", Role::Embedding),
    ("output", Role::Head),
    ("lm_head", Role::Head),
    ("attn_v", Role::Value),
    ("attn_qkv", Role::Value),
    ("attn_kv_b", Role::Value),
    ("self_attn.v_proj", Role::Value),
    ("self_attn.qkv_proj", Role::Value),
    ("ffn_down", Role::Down),
    ("ffn_down_exps", Role::Down),
    ("ffn_down_shexp", Role::Down),
    ("mlp.down_proj", Role::Down),
    ("ffn_gate_inp", Role::Kept),
    ("ffn_gate_inp_shexp", Role::Kept),
    ("position_embd", Role::Kept),
    ("token_types", Role::Kept),
    ("ssm_conv1d", Role::Kept),
    ("shortconv.conv", Role::Kept),
    ("attn_rel_b", Role::Kept),
    ("per_layer_model_proj", Role::Kept),
];

const fn plain(name: &'static str, base: DType, file_type: u32) -> Mix {
    Mix { name, base, file_type, head: None, rules: &[] }
}

const fn mixed(name: &'static str, base: DType, file_type: u32, rules: &'static [Rule]) -> Mix {
    Mix { name, base, file_type, head: Some(DType::Q6_K), rules }
}

const fn rule(role: Role, layers: Layers, dtype: DType) -> Rule {
    Rule { role, layers, dtype }
}

const SPREAD_VALUES: Rule = rule(Role::Value, Layers::Spread, DType::Q6_K);
const SPREAD_DOWN: Rule = rule(Role::Down, Layers::Spread, DType::Q6_K);
const SHARED_VALUES: Rule = rule(Role::Value, Layers::OfModel(80), DType::Q5_K);

/// The mixes there are, those of more bits first.
static MIXES: [Mix; 12] = [
    plain("f32", DType::F32, 0),
    plain("f16", DType::F16, 1),
    plain("bf16", DType::BF16, 32),
    plain("q8_0", DType::Q8_0, 7),
    plain("q6_k", DType::Q6_K, 18),
    mixed("q5_k_m", DType::Q5_K, 17, &[SPREAD_VALUES, SPREAD_DOWN]),
    mixed("q5_k_s", DType::Q5_K, 16, &[]),
    plain("q5_1", DType::Q5_1, 9),
    plain("q5_0", DType::Q5_0, 8),
    mixed("q4_k_m", DType::Q4_K, 15, &[SPREAD_VALUES, SPREAD_DOWN, SHARED_VALUES]),
    mixed(
        "q4_k_s",
        DType::Q4_K,
        14,
        &[
            rule(Role::Value, Layers::First(4), DType::Q5_K),
            rule(Role::Down, Layers::FirstEighth, DType::Q5_K),
            SHARED_VALUES,
        ],
    ),
    plain("q4_0", DType::Q4_0, 2),
];

/// What is written where rows are no whole blocks, by types of ever smaller ones; F16 where that is none either.
const SMALLER: [(DType, DType); 3] = [(DType::Q4_K, DType::Q5_0), (DType::Q5_K, DType::Q5_1), (DType::Q6_K, DType::Q8_0)];

impl Mix {
    /// All there are, those of more bits first.
    pub fn all() -> impl Iterator<Item = &'static Mix> {
        MIXES.iter()
    }

    /// The one of this name, in any case. `unsupported` names those there are.
    pub fn named(name: &str) -> Result<&'static Mix> {
        Self::all().find(|mix| mix.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known = Self::all().map(|mix| mix.name).collect::<Vec<_>>().join(", ");
            Error::unsupported(format!("Cannot write type {name:?}; wick writes {known}."))
        })
    }

    /// Whether a model can be given it while it is loaded: F32 would only take more memory.
    pub fn loadable(&self) -> bool {
        self.base != DType::F32
    }
}

/// `general.file_type` of a file whose matrices have mostly this type; 1024, "guessed", where there is no figure for it.
pub(super) fn file_type(dtype: DType) -> u32 {
    Mix::all().find(|mix| mix.base == dtype && mix.rules.is_empty()).map_or(1024, |mix| mix.file_type)
}

/// A mix, and what of a model it depends on.
pub(super) struct Mixing {
    mix: &'static Mix,
    layers: usize,
    /// There is no head but the embedding table.
    tied: bool,
}

impl Mixing {
    /// For a model whose tensors have these names.
    pub(super) fn new<'a>(mix: &'static Mix, names: impl Iterator<Item = &'a str>) -> Self {
        let (mut layers, mut tied) = (0, true);
        for name in names {
            layers = layers.max(layer(name).map_or(0, |layer| layer + 1));
            tied &= role(name) != Role::Head;
        }
        Self { mix, layers, tied }
    }

    /// The type of a matrix, and the one it would have if its rows were whole blocks of that.
    pub(super) fn target(&self, name: &str, stored: &TensorInfo) -> (DType, DType) {
        let wanted = self.wanted(name, stored);
        let fits = |dtype: &DType| stored.columns().is_multiple_of(dtype.layout().elements);
        let smaller = SMALLER.iter().find(|(of, _)| *of == wanted).map(|&(_, smaller)| smaller);
        let written = [Some(wanted), smaller].into_iter().flatten().find(fits).unwrap_or(DType::F16);
        (written, wanted)
    }

    fn wanted(&self, name: &str, stored: &TensorInfo) -> DType {
        let (role, layer) = (role(name), layer(name));
        match role {
            Role::Kept => stored.dtype,
            Role::Head => self.mix.head.unwrap_or(self.mix.base),
            Role::Embedding if self.tied => self.mix.head.unwrap_or(self.mix.base),
            _ => {
                let applies =
                    |rule: &&Rule| rule.role == role && layer.is_some_and(|layer| rule.layers.has(layer, self.layers));
                self.mix.rules.iter().find(applies).map_or(self.mix.base, |rule| rule.dtype)
            }
        }
    }
}

impl Layers {
    fn has(&self, layer: usize, of: usize) -> bool {
        match *self {
            Layers::First(count) => layer < count,
            Layers::FirstEighth => layer < of / 8,
            Layers::Spread => layer < of / 8 || layer >= 7 * of / 8 || (layer - of / 8) % 3 == 2,
            Layers::OfModel(count) => of == count,
        }
    }
}

/// The layer a tensor belongs to: the first number in its name.
fn layer(name: &str) -> Option<usize> {
    name.split('.').find_map(|part| part.parse().ok())
}

fn role(name: &str) -> Role {
    let Some(part) = name.strip_suffix(".weight") else { return Role::Other };
    // `blk.3.ffn_down`, `model.layers.3.mlp.down_proj`, `model.embed_tokens`.
    let number = |c: &str| !c.is_empty() && c.bytes().all(|b| b.is_ascii_digit());
    let part = match part.split('.').position(number) {
        Some(at) => part.splitn(at + 2, '.').last().unwrap_or(part),
        None => part.strip_prefix("model.").unwrap_or(part),
    };
    ROLES.iter().find(|(known, _)| *known == part).map_or(Role::Other, |&(_, role)| role)
}

/// A matrix that is not of the type it was meant to be.
pub(super) struct Uneven {
    pub(super) name: String,
    pub(super) wanted: DType,
    pub(super) written: DType,
}

/// Says which matrices those are, a warning for each pair of types.
pub(super) fn uneven(list: &[Uneven]) -> Vec<Warning> {
    let mut pairs: Vec<(DType, DType)> = Vec::new();
    for Uneven { written, wanted, .. } in list {
        if !pairs.contains(&(*written, *wanted)) {
            pairs.push((*written, *wanted));
        }
    }
    let warning = |(written, wanted): (DType, DType)| {
        let names = list.iter().filter(|one| (one.written, one.wanted) == (written, wanted)).map(|one| &one.name);
        let (count, first, block) = (names.clone().count(), names.clone().next()?, wanted.layout().elements);
        let message = format!(
            "{count} matrices are {written}, not {wanted}: their rows are no multiple of {block} elements ({first} is the first)."
        );
        Some(Warning { message })
    };
    pairs.into_iter().filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(mix: &str, layers: usize, tied: bool, folder: bool) -> impl Fn(&str, Option<usize>, usize) -> DType {
        let name = move |part: &str, layer: Option<usize>| match (layer, folder) {
            (None, _) => format!("{part}.weight"),
            (Some(layer), false) => format!("blk.{layer}.{part}.weight"),
            (Some(layer), true) => format!("model.layers.{layer}.{part}.weight"),
        };
        let head = if folder { "lm_head" } else { "output" };
        let names: Vec<String> =
            (0..layers).map(|layer| name("attn_q", Some(layer))).chain((!tied).then(|| name(head, None))).collect();
        let mixing = Mixing::new(Mix::named(mix).expect("a mix"), names.iter().map(String::as_str));
        move |part, layer, columns| {
            let stored = TensorInfo { dtype: DType::BF16, shape: vec![8, columns] };
            mixing.target(&name(part, layer), &stored).0
        }
    }

    #[test]
    fn the_types_of_a_mix_are_those_of_llama_cpp() {
        // Layers with more bits of a model of 22: what llama-quantize does with TinyLlama.
        let more = [0, 1, 4, 7, 10, 13, 16, 19, 20, 21];
        for (mix, base) in [("q4_k_m", DType::Q4_K), ("Q5_K_M", DType::Q5_K)] {
            for (folder, value, down, q) in
                [(false, "attn_v", "ffn_down", "attn_q"), (true, "self_attn.v_proj", "mlp.down_proj", "self_attn.q_proj")]
            {
                let of = types(mix, 22, false, folder);
                for layer in 0..22 {
                    let expected = if more.contains(&layer) { DType::Q6_K } else { base };
                    assert_eq!(
                        (of(value, Some(layer), 256), of(down, Some(layer), 256)),
                        (expected, expected),
                        "{mix}: {layer}"
                    );
                    assert_eq!(of(q, Some(layer), 256), base);
                }
                let names = if folder { ("lm_head", "model.embed_tokens") } else { ("output", "token_embd") };
                assert_eq!((of(names.0, None, 256), of(names.1, None, 256)), (DType::Q6_K, base));
                assert_eq!(types(mix, 22, true, folder)(names.1, None, 256), DType::Q6_K, "a table that is the head too");
            }
        }
        let small = types("q4_k_s", 24, true, false);
        let kinds = |part: &str| (0..24).map(|layer| small(part, Some(layer), 512)).collect::<Vec<_>>();
        assert!(
            kinds("attn_v")[..4].iter().all(|&t| t == DType::Q5_K) && kinds("attn_v")[4..].iter().all(|&t| t == DType::Q4_K)
        );
        assert!(
            kinds("ffn_down_exps")[..3].iter().all(|&t| t == DType::Q5_K)
                && kinds("ffn_down")[3..].iter().all(|&t| t == DType::Q4_K)
        );
        assert_eq!(types("q4_k_m", 80, false, false)("attn_v", Some(11), 256), DType::Q5_K);
    }

    #[test]
    fn rows_that_are_no_whole_blocks_get_smaller_ones() {
        let of = types("q4_k_m", 8, false, false);
        let kinds = |columns| (of("attn_q", Some(2), columns), of("attn_v", Some(0), columns));
        assert_eq!(kinds(512), (DType::Q4_K, DType::Q6_K));
        assert_eq!(kinds(96), (DType::Q5_0, DType::Q8_0));
        assert_eq!(kinds(40), (DType::F16, DType::F16));
        assert_eq!(types("q5_k_s", 8, false, false)("attn_q", Some(2), 96), DType::Q5_1);
        assert_eq!(of("ffn_gate_inp", Some(2), 512), DType::BF16, "routers stay");
    }

    #[test]
    fn names_are_told_apart() {
        for (name, expected) in [
            ("blk.3.attn_output.weight", Role::Other),
            ("output.weight", Role::Head),
            ("output_norm.weight", Role::Other),
            ("blk.12.ffn_down.weight", Role::Down),
            ("blk.12.ffn_down.bias", Role::Other),
            ("model.layers.3.mlp.down_proj.weight", Role::Down),
            ("model.embed_tokens.weight", Role::Embedding),
            ("3.weight", Role::Other),
            ("", Role::Other),
        ] {
            assert_eq!(role(name), expected, "{name}");
        }
        assert_eq!((layer("blk.12.ffn_down.weight"), layer("output.weight")), (Some(12), None));
        assert!(Mix::named("q4_k").is_err() && Mix::named("Q4_K_M").is_ok());
    }
}
