//! The rotation of a `config.json`, as transformers 5 writes it (`rope_parameters`) and as versions before it did (`rope_theta`,
//! `rope_scaling`, `rope_local_base_freq`).

use serde_json::Value as Json;
use wick_compute::QueryGrowth;
use wick_spec::{Error, Result};

use crate::decoder::family::{Family, Windowed};
use crate::decoder::rope::{Llama3, Long, Rotation, Rotations, Yarn, frequencies, long_magnitude};
use crate::decoder::sizes::Sizes;
use crate::facts::{Facts, JsonFacts, positive, required};

/// The context before scaling.
const ORIGINAL: &str = "original_max_position_embeddings";
/// Keys of rotations that differ by kind of layer.
const FULL: &str = "full_attention";
const SLIDING: &str = "sliding_attention";

/// The rotations of all layers; `unturned` marks those that stay as they are.
pub(super) fn rotations(config: &JsonFacts<'_>, sizes: &Sizes, family: &Family, unturned: Vec<bool>) -> Result<Rotations> {
    let reader = Reader { config, sizes, family };
    if let Windowed::Base(local) = family.turns.windowed {
        let (all, windowed) = reader.by_layer(local)?;
        return Ok(Rotations { all, windowed: Some(windowed), unturned, growth: None });
    }
    let rope = reader.one()?;
    let all = reader.rotation(&rope, family.defaults.base)?;
    let growth = if family.turns.ministral { Some(reader.growth(&rope)?) } else { None };
    Ok(Rotations { all, windowed: None, unturned, growth })
}

/// Which layers do not turn: what `no_rope_layers` marks with 0, or every n-th.
pub(super) fn unturned(config: &JsonFacts<'_>, sizes: &Sizes, family: &Family) -> Result<Vec<bool>> {
    let Some(every) = family.turns.none_every else { return Ok(Vec::new()) };
    if let Some(turned) = config.numbers("no_rope_layers")? {
        if turned.len() < sizes.layers {
            let (have, need) = (turned.len(), sizes.layers);
            return Err(Error::model_invalid(format!(
                "config.json: \"no_rope_layers\" speaks of {have} layers; the model has {need}."
            )));
        }
        return Ok(turned.iter().take(sizes.layers).map(|turned| *turned == 0.0).collect());
    }
    let key = "no_rope_layer_interval";
    match config.count(key)?.unwrap_or(every) {
        0 => Err(Error::model_invalid(format!("config.json: {key:?} is 0."))),
        every => Ok((1..=sizes.layers).map(|layer| layer.is_multiple_of(every)).collect()),
    }
}

struct Reader<'a> {
    config: &'a JsonFacts<'a>,
    sizes: &'a Sizes,
    family: &'a Family,
}

impl Reader<'_> {
    /// The object that describes the one rotation of a model.
    fn one(&self) -> Result<JsonFacts<'_>> {
        // Where both are given, transformers goes by the older.
        let (object, path) = match (self.config.object("rope_scaling")?, self.config.object("rope_parameters")?) {
            (Some(object), _) => (object, "rope_scaling."),
            (None, Some(object)) => (object, "rope_parameters."),
            (None, None) => (&Json::Null, "rope_parameters."),
        };
        match object.as_object().and_then(|object| object.iter().find(|(_, value)| value.is_object())) {
            Some((key, _)) => Err(Error::unsupported(format!(
                "config.json: \"{path}{key}\": rotations that differ by layer; in this family there is one a model."
            ))),
            None => Ok(JsonFacts { object, path }),
        }
    }

    /// The rotation of layers that see everything, and of those with a window, whose base is `local` where nothing is said.
    fn by_layer(&self, local: f32) -> Result<(Rotation, Rotation)> {
        let config = self.config;
        let both = JsonFacts { object: config.object("rope_parameters")?.unwrap_or(&Json::Null), path: "rope_parameters." };
        if both.object.is_object() && both.object.get(FULL).or(both.object.get(SLIDING)).is_none() {
            return Err(Error::unsupported(format!(
                "config.json: \"rope_parameters\" has neither {FULL:?} nor {SLIDING:?}; in this family they differ by layer."
            )));
        }
        let full = JsonFacts { object: both.object(FULL)?.unwrap_or(&Json::Null), path: "rope_parameters.full_attention." };
        let base = positive(&full, "rope_theta")?.or(positive(config, "rope_theta")?).unwrap_or(self.family.defaults.base);
        let scaled = match config.object("rope_scaling")? {
            Some(object) => JsonFacts { object, path: "rope_scaling." },
            None => full,
        };
        let sliding =
            JsonFacts { object: both.object(SLIDING)?.unwrap_or(&Json::Null), path: "rope_parameters.sliding_attention." };
        let local = positive(&sliding, "rope_theta")?.or(positive(config, "rope_local_base_freq")?).unwrap_or(local);
        Ok((self.scaled(&scaled, base)?, self.scaled(&sliding, local)?))
    }

    /// The rotation of `rope`, with `base` where neither it nor the configuration says.
    fn rotation(&self, rope: &JsonFacts<'_>, base: f32) -> Result<Rotation> {
        let base = positive(rope, "rope_theta")?.or(positive(self.config, "rope_theta")?).unwrap_or(base);
        self.scaled(rope, base)
    }

    fn scaled(&self, rope: &JsonFacts<'_>, base: f32) -> Result<Rotation> {
        let plain = Rotation::plain(base, self.elements(rope)?);
        let kind = rope.text("rope_type")?.or(rope.text("type")?).unwrap_or("default");
        let rotation = match kind {
            "default" => plain,
            "su" | "yarn" if self.family.turns.always_long => self.long(rope, plain)?,
            "longrope" => self.long(rope, plain)?,
            "linear" => Rotation { linear: required(rope, "factor", positive(rope, "factor")?)?, ..plain },
            "llama3" => {
                let divisors = self.llama3(rope)?.divisors(&frequencies(base, plain.elements));
                Rotation { divisors: Some(divisors), ..plain }
            }
            "yarn" => self.yarn(rope, plain)?,
            other => {
                let key = rope.spelled("rope_type");
                return Err(Error::unsupported(format!(
                    "config.json: {key:?} is {other:?}; wick knows default, linear, llama3, yarn and longrope."
                )));
            }
        };
        match rotation.magnitude {
            x if x.is_finite() && x > 0.0 => Ok(rotation),
            x => Err(Error::model_invalid(format!(
                "config.json: {:?} and {:?} make the rotation's magnitude {x}.",
                rope.spelled("factor"),
                rope.spelled(ORIGINAL)
            ))),
        }
    }

    /// How many elements of a head turn.
    fn elements(&self, rope: &JsonFacts<'_>) -> Result<usize> {
        let key = "partial_rotary_factor";
        let d = self.sizes.head_dim;
        let (facts, part) = match (rope.double(key)?, self.config.double(key)?) {
            (Some(part), _) => (rope, part),
            (None, Some(part)) => (self.config, part),
            (None, None) => return Ok(d),
        };
        if part != 1.0 && !self.family.turns.partial {
            return Err(Error::unsupported(format!(
                "config.json: {:?} is {part}; in this family all of a head turns.",
                facts.spelled(key)
            )));
        }
        let elements = (d as f64 * part) as usize;
        if elements == 0 || elements > d || !elements.is_multiple_of(2) {
            return Err(Error::model_invalid(format!(
                "config.json: {:?} is {part}, which makes {elements} of a head's {d} elements turn; it must be an even number above 0.",
                facts.spelled(key)
            )));
        }
        Ok(elements)
    }

    /// The context before scaling, in tokens.
    fn original(&self, rope: &JsonFacts<'_>) -> Result<f32> {
        let said = positive(self.config, ORIGINAL)?.or(self.family.defaults.original.map(|n| n as f32));
        Ok(said.or(positive(rope, ORIGINAL)?).unwrap_or(self.sizes.context as f32))
    }

    /// How far positions are stretched.
    fn factor(&self, rope: &JsonFacts<'_>, original: f32) -> Result<f32> {
        Ok(positive(rope, "factor")?.unwrap_or(self.sizes.context as f32 / original))
    }

    fn llama3(&self, rope: &JsonFacts<'_>) -> Result<Llama3> {
        let figure = |key: &str| required(rope, key, positive(rope, key)?);
        let context = self.original(rope)?;
        let scaling = Llama3 {
            factor: figure("factor")?,
            low: figure("low_freq_factor")?,
            high: figure("high_freq_factor")?,
            context,
        };
        if scaling.high <= scaling.low {
            let (low, high) = (rope.spelled("low_freq_factor"), rope.spelled("high_freq_factor"));
            return Err(Error::model_invalid(format!(
                "config.json: {high:?} {} is not above {low:?} {}.",
                scaling.high, scaling.low
            )));
        }
        Ok(scaling)
    }

    fn yarn(&self, rope: &JsonFacts<'_>, plain: Rotation) -> Result<Rotation> {
        // Transformers takes 0 for left out in all of these.
        let said = |key: &str| match rope.number(key)? {
            Some(x) if x < 0.0 => {
                Err(Error::model_invalid(format!("config.json: {:?} is {x}; it must not be below 0.", rope.spelled(key))))
            }
            answer => Ok(answer.filter(|x| *x != 0.0)),
        };
        if plain.base <= 1.0 {
            return Err(Error::model_invalid(format!(
                "config.json: {:?} is {}; yarn needs one above 1.",
                rope.spelled("rope_theta"),
                plain.base
            )));
        }
        let original = self.original(rope)?;
        let factor = self.factor(rope, original)?;
        let magnitude = match (positive(rope, "attention_factor")?, said("mscale")?, said("mscale_all_dim")?) {
            (Some(given), ..) => given,
            (None, Some(some), Some(all)) => Yarn::sharpness(factor, some) / Yarn::sharpness(factor, all),
            _ => Yarn::sharpness(factor, 1.0),
        };
        let yarn = Yarn {
            original,
            fast: said("beta_fast")?.unwrap_or(Yarn::FAST),
            slow: said("beta_slow")?.unwrap_or(Yarn::SLOW),
            whole: rope.flag("truncate")?.unwrap_or(true),
        };
        Ok(Rotation { linear: factor, yarn: Some(yarn), magnitude, ..plain })
    }

    fn long(&self, rope: &JsonFacts<'_>, plain: Rotation) -> Result<Rotation> {
        let pairs = plain.elements / 2;
        let divisors = |key: &str| {
            let divisors = required(rope, key, rope.numbers(key)?)?;
            match divisors.len() {
                n if n == pairs => Ok(divisors),
                n => Err(Error::model_invalid(format!(
                    "config.json: {:?} has {n} figures; {pairs} pairs of a head turn.",
                    rope.spelled(key)
                ))),
            }
        };
        let original = self.original(rope)?;
        let factor = self.factor(rope, original)?;
        let magnitude = positive(rope, "attention_factor")?.unwrap_or_else(|| long_magnitude(factor, original));
        let long = Long { divisors: divisors("long_factor")?, original: original as usize };
        Ok(Rotation { divisors: Some(divisors("short_factor")?), long: Some(long), magnitude, ..plain })
    }

    fn growth(&self, rope: &JsonFacts<'_>) -> Result<QueryGrowth> {
        let beta = required(rope, "llama_4_scaling_beta", rope.number("llama_4_scaling_beta")?)?;
        match self.original(rope)? {
            original if original >= 1.0 => Ok(QueryGrowth { beta, original: original as usize }),
            original => Err(Error::model_invalid(format!("config.json: {:?} is {original}.", rope.spelled(ORIGINAL)))),
        }
    }
}
