//! Named figures of a model's metadata, whichever format they come from.
//!
//! A getter answers `Ok(None)` for a key that is not there (or `null`), and `model-invalid` that names the key for a value of
//! another kind.

use serde_json::Value as Json;
use wick_spec::{Error, Result};
use wick_weights::gguf::{Metadata, Value};

/// Where a model's figures are read from.
pub(crate) trait Facts {
    /// The key as the file spells it.
    fn spelled(&self, key: &str) -> String;

    /// A whole number.
    fn count(&self, key: &str) -> Result<Option<usize>>;

    /// A finite number.
    fn number(&self, key: &str) -> Result<Option<f32>>;

    /// A truth value.
    fn flag(&self, key: &str) -> Result<Option<bool>>;

    /// A string.
    fn text(&self, key: &str) -> Result<Option<&str>>;

    /// Whether the key is there and says nothing, which is not the same as left out where a default stands.
    fn null(&self, key: &str) -> bool;
}

/// What a getter answered, or `model-invalid` when the key is not there.
pub(crate) fn required<T>(facts: &dyn Facts, key: &str, answer: Option<T>) -> Result<T> {
    answer.ok_or_else(|| Error::model_invalid(format!("The model's metadata has no {:?}.", facts.spelled(key))))
}

/// A number that must be above 0.
pub(crate) fn positive(facts: &dyn Facts, key: &str) -> Result<Option<f32>> {
    match facts.number(key)? {
        Some(x) if x <= 0.0 => Err(Error::model_invalid(format!("{:?} is {x}; it must be above 0.", facts.spelled(key)))),
        answer => Ok(answer),
    }
}

/// Keys of a GGUF file under its architecture's name.
pub(crate) struct GgufFacts<'a> {
    pub(crate) metadata: &'a Metadata,
    pub(crate) architecture: &'a str,
}

impl Facts for GgufFacts<'_> {
    fn spelled(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// An array with a figure a layer counts as one figure where all are equal.
    fn count(&self, key: &str) -> Result<Option<usize>> {
        let key = self.spelled(key);
        let Some(Value::Array(_)) = self.metadata.get(&key) else {
            return Ok(self.metadata.u32(&key)?.map(|n| n as usize));
        };
        let layers = self.metadata.u32s(&key)?.unwrap_or_default();
        match layers.first() {
            Some(first) if layers.iter().all(|n| n == first) => Ok(Some(*first as usize)),
            Some(_) => Err(Error::unsupported(format!("{key:?} differs from layer to layer, which wick cannot do."))),
            None => Err(Error::model_invalid(format!("{key:?} is an empty array."))),
        }
    }

    fn number(&self, key: &str) -> Result<Option<f32>> {
        let key = self.spelled(key);
        finite(&key, self.metadata.f32(&key)?)
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.metadata.bool(&self.spelled(key))
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        self.metadata.str(&self.spelled(key))
    }

    fn null(&self, _key: &str) -> bool {
        false
    }
}

/// An object of a Hugging Face `config.json`.
pub(crate) struct JsonFacts<'a> {
    pub(crate) object: &'a Json,
    /// Where the object is, for messages: empty, or `rope_scaling.`.
    pub(crate) path: &'static str,
}

impl JsonFacts<'_> {
    fn get<T>(&self, key: &str, wanted: &str, read: impl FnOnce(&Json) -> Option<T>) -> Result<Option<T>> {
        match self.object.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(Error::model_invalid(format!("config.json: {:?} must be {wanted}.", self.spelled(key)))),
            },
        }
    }

    /// A number in the precision that transformers computes sizes in.
    pub(crate) fn double(&self, key: &str) -> Result<Option<f64>> {
        self.get(key, "a number", Json::as_f64)
    }

    /// An array of numbers.
    pub(crate) fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>> {
        let number = |value: &Json| value.as_f64().map(|x| x as f32);
        self.get(key, "an array of numbers", |value| value.as_array()?.iter().map(number).collect())
    }

    /// An object; one without keys is none.
    pub(crate) fn object(&self, key: &str) -> Result<Option<&Json>> {
        let object = match self.object.get(key) {
            None | Some(Json::Null) => None,
            Some(object @ Json::Object(_)) => Some(object),
            Some(_) => return self.get(key, "an object", |_| None),
        };
        Ok(object.filter(|object| object.as_object().is_some_and(|object| !object.is_empty())))
    }
}

impl Facts for JsonFacts<'_> {
    fn spelled(&self, key: &str) -> String {
        format!("{}{key}", self.path)
    }

    fn count(&self, key: &str) -> Result<Option<usize>> {
        self.get(key, "a whole number from 0 to 2^32 - 1", |value| {
            // Some writers spell whole numbers as floats.
            let n = value.as_u64().or_else(|| value.as_f64().filter(|x| x.fract() == 0.0 && *x >= 0.0).map(|x| x as u64))?;
            u32::try_from(n).ok().map(|n| n as usize)
        })
    }

    fn number(&self, key: &str) -> Result<Option<f32>> {
        finite(&self.spelled(key), self.get(key, "a number", |value| value.as_f64().map(|x| x as f32))?)
    }

    fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.get(key, "true or false", Json::as_bool)
    }

    fn text(&self, key: &str) -> Result<Option<&str>> {
        match self.object.get(key) {
            Some(Json::String(text)) => Ok(Some(text)),
            _ => self.get(key, "a string", |_| None),
        }
    }

    fn null(&self, key: &str) -> bool {
        self.object.get(key).is_some_and(Json::is_null)
    }
}

fn finite(key: &str, answer: Option<f32>) -> Result<Option<f32>> {
    match answer {
        Some(x) if !x.is_finite() => Err(Error::model_invalid(format!("{key:?} is {x}; it must be a finite number."))),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_are_computed_in_double_precision() {
        let object = json!({ "part": 0.7, "text": "0.7" });
        let facts = JsonFacts { object: &object, path: "" };
        let part = facts.double("part").expect("a number").expect("is there");
        // In single precision it would be 13.
        assert_eq!((20.0 * part) as usize, 14);
        assert_eq!(facts.double("none").expect("may be left out"), None);
        assert_eq!(facts.double("text").expect_err("no number").code(), wick_spec::Code::ModelInvalid);
    }
}
