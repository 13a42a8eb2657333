//! How a token is chosen from logits.

/// One stage of the sampler chain. The order of the chain is data: [`Sampling::chain`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainStep {
    /// Adds [`Sampling::logit_bias`].
    LogitBias,
    /// Repetition, frequency and presence penalties over the window.
    Penalties,
    /// Keeps the `top_k` largest logits.
    TopK,
    /// Keeps the smallest set whose probability reaches `top_p` (Holtzman et al. 2019).
    TopP,
    /// Drops tokens less probable than `min_p` times the most probable (Nguyen et al. 2024).
    MinP,
    /// Divides logits by the temperature.
    Temperature,
}

/// A constant added to one token's logit before anything else is done with it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogitBias {
    /// The token id.
    pub token: u32,
    /// What is added; `-inf` forbids the token.
    pub bias: f32,
}

/// Every sampling option, with the defaults of an unopinionated chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// 0 is greedy; ≥ 0. Default 0.8.
    pub temperature: f32,
    /// 0 is off. Default 40.
    pub top_k: u32,
    /// In (0, 1]; 1 is off. Default 0.95.
    pub top_p: f32,
    /// In [0, 1]; 0 is off. Default 0.05.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of tokens in the window (Keskar et al. 2019); > 0, 1 is off. Default 1.
    pub repetition_penalty: f32,
    /// Subtracted once for each occurrence in the window; in [-2, 2]. Default 0.
    pub frequency_penalty: f32,
    /// Subtracted once if the token occurs in the window; in [-2, 2]. Default 0.
    pub presence_penalty: f32,
    /// How many of the last tokens, prompt and answer, the penalties see; 0 is none. Default 64.
    pub penalty_window: u32,
    /// Constants added to logits. Default none.
    pub logit_bias: Vec<LogitBias>,
    /// Seed of the sequence's own generator; `None` draws one from the system.
    pub seed: Option<u64>,
    /// `Some(n)`: each token carries its log-probability and the `n` most probable alternatives (0..=20), of the model's own
    /// distribution, before the chain. Default `None`.
    pub logprobs: Option<u32>,
    /// The order of the stages. Default: bias, penalties, top-k, top-p, min-p, temperature.
    pub chain: Vec<ChainStep>,
}

impl Default for Sampling {
    fn default() -> Self {
        use ChainStep::*;
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: 64,
            logit_bias: Vec::new(),
            seed: None,
            logprobs: None,
            chain: vec![LogitBias, Penalties, TopK, TopP, MinP, Temperature],
        }
    }
}
