//! How a token is chosen from logits.

/// One stage of the sampler chain. The order of the chain is data: [`Sampling::chain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainStep {
    /// Adds [`Sampling::logit_bias`].
    LogitBias,
    /// Repetition, frequency and presence penalties over the window.
    Penalties,
    /// Lowers the tokens that would prolong a repetition ([`Dry`]).
    Dry,
    /// Keeps what is within `top_n_sigma` standard deviations of the largest logit (Tang et al. 2024).
    TopNSigma,
    /// Keeps the `top_k` largest logits.
    TopK,
    /// Keeps the tokens whose surprise is nearest to the expected one, up to the share `typical_p` (Meister et al. 2022).
    TypicalP,
    /// Keeps the smallest set whose probability reaches `top_p` (Holtzman et al. 2019).
    TopP,
    /// Drops tokens less probable than `min_p` times the most probable (Nguyen et al. 2024).
    MinP,
    /// With `xtc_probability`, drops all tokens that reach `xtc_threshold` but the least probable of them (XTC, p-e-w 2024).
    Xtc,
    /// Divides logits by the temperature, which follows the entropy where `dynamic_temperature_range` is set.
    Temperature,
}

impl ChainStep {
    /// Every stage with its name in the public API, in the order of the default chain.
    pub const ALL: [(&str, ChainStep); 10] = [
        ("logit-bias", ChainStep::LogitBias),
        ("penalties", ChainStep::Penalties),
        ("dry", ChainStep::Dry),
        ("top-n-sigma", ChainStep::TopNSigma),
        ("top-k", ChainStep::TopK),
        ("typical-p", ChainStep::TypicalP),
        ("top-p", ChainStep::TopP),
        ("min-p", ChainStep::MinP),
        ("xtc", ChainStep::Xtc),
        ("temperature", ChainStep::Temperature),
    ];

    /// The name in the public API.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, step)| *step == self).map_or("", |(name, _)| name)
    }
}

/// A constant added to one token's logit before anything else is done with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogitBias {
    /// The token id.
    pub token: u32,
    /// What is added; `-inf` forbids the token.
    pub bias: f32,
}

/// "Don't Repeat Yourself" (p-e-w 2024): a token that would prolong a repetition of `l` ≥ `allowed_length` tokens is lowered by
/// `multiplier · base^(l - allowed_length)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// ≥ 0; 0 is off, 0.8 is usual. Default 0.
    pub multiplier: f32,
    /// ≥ 1. Default 1.75.
    pub base: f32,
    /// Longest repetition that costs nothing, in tokens, plus one; ≥ 1. Default 2.
    pub allowed_length: u32,
    /// How many of the last tokens, prompt and answer, are searched; 0 is none. Default all of them.
    pub window: u32,
    /// Texts that no repetition reaches across; none of them empty. Default line end, `:`, `"` and `*`.
    pub breakers: Vec<String>,
}

impl Default for Dry {
    fn default() -> Self {
        let breakers = ["\n", ":", "\"", "*"].map(str::to_owned).to_vec();
        Self { multiplier: 0.0, base: 1.75, allowed_length: 2, window: u32::MAX, breakers }
    }
}

/// How one of the tokens that the chain leaves is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Draw {
    /// By one number along the probabilities laid end to end.
    #[default]
    Categorical,
    /// The largest of logit plus Gumbel noise (Gumbel 1954, Maddison et al. 2014): the same distribution, and a token's noise
    /// does not depend on which others are left.
    GumbelMax,
    /// Keeps the answer's surprise near a target, by cutting to a top-k estimated from Zipf's law (Basu et al. 2020).
    MirostatV1(Mirostat),
    /// The same, by cutting where a token's surprise passes the running bound.
    MirostatV2(Mirostat),
}

/// What mirostat aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// The surprise aimed at, in bits a token; in (0, 100]. Default 5.
    pub tau: f32,
    /// How fast the bound follows an error; in (0, 1]. Default 0.1.
    pub eta: f32,
}

impl Default for Mirostat {
    fn default() -> Self {
        Self { tau: 5.0, eta: 0.1 }
    }
}

/// Every sampling option, with the defaults of an unopinionated chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; ≥ 0. Default 0.8.
    pub temperature: f32,
    /// How far the temperature moves to either side of `temperature`, from the surest to the least sure distribution (Kalomaze
    /// 2023); ≥ 0, 0 is off. Default 0.
    pub dynamic_temperature_range: f32,
    /// The power to which the entropy, as a share of the largest possible, is taken before it moves the temperature; > 0.
    /// Default 1.
    pub dynamic_temperature_exponent: f32,
    /// 0 is off. Default 40.
    pub top_k: u32,
    /// In (0, 1]; 1 is off. Default 0.95.
    pub top_p: f32,
    /// In [0, 1]; 0 is off. Default 0.05.
    pub min_p: f32,
    /// In (0, 1]; 1 is off. Default 1.
    pub typical_p: f32,
    /// Standard deviations of the logits; ≥ 0, 0 is off. Default 0.
    pub top_n_sigma: f32,
    /// How often XTC acts; in [0, 1], 0 is off. Default 0.
    pub xtc_probability: f32,
    /// The probability from which a token is a top choice; in (0, 0.5]. Default 0.1.
    pub xtc_threshold: f32,
    /// Divides positive and multiplies negative logits of tokens in the window (Keskar et al. 2019); > 0, 1 is off. Default 1.
    pub repetition_penalty: f32,
    /// Subtracted once for each occurrence in the window; in [-2, 2]. Default 0.
    pub frequency_penalty: f32,
    /// Subtracted once if the token occurs in the window; in [-2, 2]. Default 0.
    pub presence_penalty: f32,
    /// How many of the last tokens, prompt and answer, the penalties see; 0 is none. Default 64.
    pub penalty_window: u32,
    /// Penalties of long repetitions. Default off.
    pub dry: Dry,
    /// Constants added to logits. Default none.
    pub logit_bias: Vec<LogitBias>,
    /// Tokens that are never chosen, whatever the chain. Default none.
    pub banned_tokens: Vec<u32>,
    /// Texts whose tokens are never chosen; each must be one token of the model. Default none.
    pub banned_texts: Vec<String>,
    /// Seed of the sequence's own generator; `None` draws one from the system.
    pub seed: Option<u64>,
    /// `Some(n)`: each token carries its log-probability and the `n` most probable alternatives (0..=20), of the model's own
    /// distribution, before the chain. Default `None`.
    pub logprobs: Option<u32>,
    /// The order of the stages. Default: as [`ChainStep::ALL`].
    pub chain: Vec<ChainStep>,
    /// How one of what is left is drawn. Default categorical.
    pub draw: Draw,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            dynamic_temperature_range: 0.0,
            dynamic_temperature_exponent: 1.0,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            typical_p: 1.0,
            top_n_sigma: 0.0,
            xtc_probability: 0.0,
            xtc_threshold: 0.1,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: 64,
            dry: Dry::default(),
            logit_bias: Vec::new(),
            banned_tokens: Vec::new(),
            banned_texts: Vec::new(),
            seed: None,
            logprobs: None,
            chain: ChainStep::ALL.map(|(_, step)| step).to_vec(),
            draw: Draw::Categorical,
        }
    }
}

impl Sampling {
    /// The defaults beside this draw: mirostat finds the cut by itself, so the filters are off beside it.
    pub fn with_draw(draw: Draw) -> Self {
        let base = Self { draw, ..Self::default() };
        match draw {
            Draw::Categorical | Draw::GumbelMax => base,
            Draw::MirostatV1(_) | Draw::MirostatV2(_) => Self { top_k: 0, top_p: 1.0, min_p: 0.0, ..base },
        }
    }
}
