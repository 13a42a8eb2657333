//! The rotation of a GGUF file.

use wick_compute::QueryGrowth;
use wick_spec::{Error, Result, Warning};
use wick_weights::Tensors;

use crate::decoder::family::{Defaults, Family, Windowed};
use crate::decoder::names::{ROPE_FREQS, ROPE_LONG, ROPE_SHORT};
use crate::decoder::rope::{Long, Rotation, Rotations, Yarn};
use crate::decoder::sizes::{self, Sizes};
use crate::facts::{Facts, GgufFacts, positive};

/// Where a file keeps its rotation.
pub(crate) const BASE: &str = "rope.freq_base";
pub(crate) const WINDOWED_BASE: &str = "rope.freq_base_swa";
pub(crate) const TURNED: &str = "rope.dimension_count";
pub(crate) const SCALING: &str = "rope.scaling.type";
pub(crate) const FACTOR: &str = "rope.scaling.factor";
pub(crate) const MAGNITUDE: &str = "rope.scaling.attn_factor";
pub(crate) const ORIGINAL: &str = "rope.scaling.original_context_length";
pub(crate) const FAST: &str = "rope.scaling.yarn_beta_fast";
pub(crate) const SLOW: &str = "rope.scaling.yarn_beta_slow";
pub(crate) const BLUNTNESS: &str = "rope.scaling.yarn_log_multiplier";
pub(crate) const GROWTH: &str = "attention.temperature_scale";

/// The rotations of all layers, and what has to be said of them.
pub(super) fn rotations(
    facts: &GgufFacts<'_>,
    sizes: &Sizes,
    tensors: &dyn Tensors,
    family: &Family,
    windowed: bool,
) -> Result<(Rotations, Option<Warning>)> {
    let reader = Reader { facts, sizes, tensors, family };
    let (all, warning) = reader.rotation()?;
    let windowed = if windowed { reader.windowed(&all)? } else { None };
    let unturned = match family.turns.none_every {
        Some(every) => (1..=sizes.layers).map(|layer| layer.is_multiple_of(every)).collect(),
        None => Vec::new(),
    };
    let growth = if family.turns.ministral { reader.growth()? } else { None };
    Ok((Rotations { all, windowed, unturned, growth }, warning))
}

struct Reader<'a> {
    facts: &'a GgufFacts<'a>,
    sizes: &'a Sizes,
    tensors: &'a dyn Tensors,
    family: &'a Family,
}

impl Reader<'_> {
    fn rotation(&self) -> Result<(Rotation, Option<Warning>)> {
        let base = positive(self.facts, BASE)?.unwrap_or(Defaults::GGUF.base);
        let plain = Rotation::plain(base, self.elements()?);
        let kind = self.facts.text(SCALING)?.unwrap_or("linear");
        let (divisors, long) = self.divisors(plain.elements / 2, kind)?;
        let magnitude = positive(self.facts, MAGNITUDE)?.unwrap_or(1.0);
        let scaled = Rotation { linear: self.factor()?, divisors, long, magnitude, ..plain };
        match kind {
            "none" => Ok((Rotation { linear: 1.0, ..scaled }, None)),
            "linear" => Ok((scaled, None)),
            "longrope" if self.family.turns.gguf_long => Ok((scaled, None)),
            "yarn" => self.yarn(scaled),
            other => {
                let key = self.facts.spelled(SCALING);
                Err(Error::unsupported(format!(
                    "{key:?} is {other:?}; in this family wick knows none, linear, yarn{}, and rope_freqs.weight (llama3).",
                    if self.family.turns.gguf_long { ", longrope" } else { "" }
                )))
            }
        }
    }

    /// How many elements of a head turn. The values' heads must be as wide as the keys'.
    fn elements(&self) -> Result<usize> {
        let (facts, d) = (self.facts, self.sizes.head_dim);
        for (key, same) in [
            ("attention.value_length", sizes::GGUF.head_dim),
            ("attention.key_length_swa", sizes::GGUF.head_dim),
            ("attention.value_length_swa", sizes::GGUF.head_dim),
        ] {
            if let Some(width) = facts.count(key)?.filter(|width| *width != d) {
                return Err(Error::unsupported(format!(
                    "{:?} {width} differs from the keys' {d} ({:?}), which wick cannot do.",
                    facts.spelled(key),
                    facts.spelled(same)
                )));
            }
        }
        let elements = facts.count(TURNED)?.unwrap_or(d);
        if elements == 0 || elements > d || !elements.is_multiple_of(2) {
            let key = facts.spelled(TURNED);
            return Err(Error::model_invalid(format!(
                "{key:?} is {elements}; it must be even, above 0, and at most the head size {d}."
            )));
        }
        Ok(elements)
    }

    /// How far positions are stretched. A factor of 0 is none, as llama.cpp reads it.
    fn factor(&self) -> Result<f32> {
        let facts = self.facts;
        let factor = match facts.number(FACTOR)? {
            Some(factor) => Some(factor),
            None => facts.number("rope.scale_linear")?,
        };
        match factor.unwrap_or(0.0) {
            0.0 => Ok(1.0),
            factor if factor > 0.0 => Ok(factor),
            factor => Err(Error::model_invalid(format!("{:?} is {factor}.", facts.spelled(FACTOR)))),
        }
    }

    /// The context before scaling, in tokens.
    fn original(&self) -> Result<usize> {
        Ok(self.facts.count(ORIGINAL)?.filter(|original| *original > 0).unwrap_or(self.sizes.context))
    }

    fn tensor(&self, name: &str, pairs: usize) -> Result<Option<Vec<f32>>> {
        match self.tensors.info(name) {
            Some(info) if info.shape != [pairs] => {
                let shape = &info.shape;
                Err(Error::model_invalid(format!("Tensor {name:?} is {shape:?}; {pairs} pairs of a head turn.")))
            }
            Some(_) => self.tensors.tensor(name)?.to_f32().map(Some),
            None => Ok(None),
        }
    }

    /// What frequencies are divided by: one set for all sequences, or one for short and one for long ones.
    fn divisors(&self, pairs: usize, kind: &str) -> Result<(Option<Vec<f32>>, Option<Long>)> {
        if let Some(divisors) = self.tensor(ROPE_FREQS, pairs)? {
            return Ok((Some(divisors), None));
        }
        let turns = &self.family.turns;
        if !(turns.always_long || turns.gguf_long && kind == "longrope") {
            return Ok((None, None));
        }
        match (self.tensor(ROPE_SHORT, pairs)?, self.tensor(ROPE_LONG, pairs)?) {
            (Some(short), Some(divisors)) => Ok((Some(short), Some(Long { divisors, original: self.original()? }))),
            (None, None) if kind != "longrope" => Ok((None, None)),
            (None, _) => Err(sizes::missing(ROPE_SHORT)),
            (_, None) => Err(sizes::missing(ROPE_LONG)),
        }
    }

    /// llama.cpp reads YaRN's figures in one family alone; in the others they are the papers'.
    fn yarn(&self, scaled: Rotation) -> Result<(Rotation, Option<Warning>)> {
        let facts = self.facts;
        if scaled.base <= 1.0 {
            let (key, base) = (facts.spelled(BASE), scaled.base);
            return Err(Error::model_invalid(format!("{key:?} is {base}; yarn needs one above 1.")));
        }
        let mut yarn = Yarn { original: self.original()? as f32, fast: Yarn::FAST, slow: Yarn::SLOW, whole: true };
        let said = [(FAST, positive(facts, FAST)?, &mut yarn.fast), (SLOW, positive(facts, SLOW)?, &mut yarn.slow)];
        let mut unread = None;
        for (key, said, figure) in said {
            match said {
                Some(said) if self.family.turns.ministral => *figure = said,
                Some(said) if said != *figure => {
                    let (key, figure) = (facts.spelled(key), *figure);
                    let message =
                        format!("{key:?} {said} is not applied: in this family it is {figure}, whatever the file says.");
                    unread = Some(Warning { message });
                }
                _ => {}
            }
        }
        let sharpness = Yarn::sharpness(scaled.linear, 1.0);
        let bluntness = facts.number(BLUNTNESS)?.filter(|x| self.family.turns.ministral && *x != 0.0);
        let bluntness = bluntness.map_or(1.0, |weight| Yarn::sharpness(scaled.linear, weight));
        let magnitude = scaled.magnitude * sharpness / bluntness;
        if !(magnitude.is_finite() && magnitude > 0.0) {
            return Err(Error::model_invalid(format!(
                "{:?} and {:?} make the rotation's magnitude {magnitude}.",
                facts.spelled(FACTOR),
                facts.spelled(BLUNTNESS)
            )));
        }
        Ok((Rotation { yarn: Some(yarn), magnitude, ..scaled }, unread))
    }

    /// The rotation of layers with a window, where it is another.
    fn windowed(&self, all: &Rotation) -> Result<Option<Rotation>> {
        let base = positive(self.facts, WINDOWED_BASE)?;
        match (self.family.turns.windowed, base) {
            (Windowed::Base(default), base) => Ok(Some(Rotation::plain(base.unwrap_or(default), all.elements))),
            (_, Some(base)) if base != all.base => Err(Error::unsupported(format!(
                "{:?} is {base}, not {}: in this family wick knows one base.",
                self.facts.spelled(WINDOWED_BASE),
                all.base
            ))),
            (Windowed::Unscaled, _) => Ok(Some(Rotation::plain(all.base, all.elements))),
            (Windowed::Same, _) => Ok(None),
        }
    }

    fn growth(&self) -> Result<Option<QueryGrowth>> {
        let beta = self.facts.number(GROWTH)?.filter(|beta| *beta != 0.0);
        Ok(match beta {
            Some(beta) => Some(QueryGrowth { beta, original: self.original()? }),
            None => None,
        })
    }
}
