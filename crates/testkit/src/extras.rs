//! What some families add to a plain decoder.

use wick_compute::{Activation, QueryGrowth};

use crate::Random;

/// Which norms a step has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norms {
    /// Of what it reads.
    Before,
    /// Of its result (olmo2).
    After,
    /// Of both (gemma2).
    Both,
}

/// Options of a [`crate::Shape`] that plain decoders do without.
#[derive(Debug, Clone, PartialEq)]
pub struct Extras {
    /// Factor of the embedding table's rows.
    pub embed_scale: f32,
    /// Whether q, k and v are rows of one tensor, and gate and up of another.
    pub fused: bool,
    /// Added to the weights of every norm.
    pub norm_offset: f32,
    /// Norms of attention and feed-forward.
    pub norms: Norms,
    /// Whether norms of q and k, where there are any, are over all heads of a token.
    pub row_norm: bool,
    /// Whether every second layer, the first one included, does without rotation.
    pub unrotated: bool,
    /// Of rotations.
    pub magnitude: f32,
    /// Original context of rotations that have other frequencies beyond it.
    pub long: Option<usize>,
    /// Of queries.
    pub growth: Option<QueryGrowth>,
    /// Of attention's scores.
    pub softcap: Option<f32>,
    /// Factor of what a step adds.
    pub residual: f32,
    /// Of the gate.
    pub activation: Activation,
    /// Factor of logits.
    pub logit_scale: f32,
    /// Of logits.
    pub logit_softcap: Option<f32>,
}

impl Extras {
    /// What llama has.
    pub const NONE: Self = Self {
        embed_scale: 1.0,
        fused: false,
        norm_offset: 0.0,
        norms: Norms::Before,
        row_norm: false,
        unrotated: false,
        magnitude: 1.0,
        long: None,
        growth: None,
        softcap: None,
        residual: 1.0,
        activation: Activation::Silu,
        logit_scale: 1.0,
        logit_softcap: None,
    };

    /// Each option there or not, independently.
    pub(crate) fn random(random: &mut Random) -> Self {
        Self {
            embed_scale: random.pick(&[1.0, 3.5]),
            fused: random.coin(),
            norm_offset: random.pick(&[0.0, 1.0]),
            norms: random.pick(&[Norms::Before, Norms::After, Norms::Both]),
            row_norm: random.coin(),
            unrotated: random.coin(),
            magnitude: random.pick(&[1.0, 1.2]),
            long: random.coin().then(|| 3 + random.below(40)),
            growth: random.coin().then(|| QueryGrowth { beta: 0.2, original: 4 + random.below(8) }),
            softcap: random.pick(&[None, Some(1.5)]),
            residual: random.pick(&[1.0, 0.6]),
            activation: random.pick(&[Activation::Silu, Activation::GeluTanh]),
            logit_scale: random.pick(&[1.0, 0.4]),
            logit_softcap: random.pick(&[None, Some(2.0)]),
        }
    }
}
