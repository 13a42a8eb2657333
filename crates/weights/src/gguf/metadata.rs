//! The key-value part of a GGUF file.

use std::borrow::Cow;
use std::collections::HashMap;

use wick_spec::{Error, Result};

use super::{Array, Strings, Value};

/// Keys and values in the file's order, no key twice.
///
/// Typed getters answer `Ok(None)` for a key that is not there, and `model-invalid` that names key and type for one of another
/// kind. Numbers convert where nothing is lost, because writers differ in the width they choose.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    entries: Vec<(String, Value)>,
    places: HashMap<String, usize>,
}

impl Metadata {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.places.get(key).map(|&place| &self.entries[place].1)
    }

    /// Sets `key`, in its old place if it has one, else last; returns the value it had.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.places.get(&key) {
            Some(&place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            None => {
                self.places.insert(key.clone(), self.entries.len());
                self.entries.push((key, value));
                None
            }
        }
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What `getter` answers, or `model-invalid` when the key is not there: `metadata.require("llama.block_count", Metadata::u32)`.
    pub fn require<'a, T>(&'a self, key: &str, getter: impl FnOnce(&'a Self, &str) -> Result<Option<T>>) -> Result<T> {
        getter(self, key)?
            .ok_or_else(|| Error::model_invalid(format!("The metadata has no {key:?}, which this model needs.")))
    }

    /// A string.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a bool", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// An integer of any width that fits.
    pub fn u32(&self, key: &str) -> Result<Option<u32>> {
        self.typed(key, "an integer from 0 to 2^32 - 1", |value| integer(value).and_then(|n| n.try_into().ok()))
    }

    /// An integer of any width that fits.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.typed(key, "an integer from 0 to 2^64 - 1", |value| integer(value).and_then(|n| n.try_into().ok()))
    }

    /// A number: a float of either width, or an integer.
    pub fn f32(&self, key: &str) -> Result<Option<f32>> {
        self.typed(key, "a number", |value| match value {
            Value::F32(x) => Some(*x),
            Value::F64(x) => Some(*x as f32),
            other => integer(other).map(|n| n as f32),
        })
    }

    /// An array of strings.
    pub fn strings(&self, key: &str) -> Result<Option<&Strings>> {
        self.typed(key, "an array of strings", |value| match value {
            Value::Array(Array::String(strings)) => Some(strings),
            _ => None,
        })
    }

    /// An array of truth values.
    pub fn bools(&self, key: &str) -> Result<Option<&[bool]>> {
        self.typed(key, "an array of bools", |value| match value {
            Value::Array(Array::Bool(flags)) => Some(flags.as_slice()),
            _ => None,
        })
    }

    /// An array of floats of either width.
    pub fn f32s(&self, key: &str) -> Result<Option<Cow<'_, [f32]>>> {
        self.typed(key, "an array of floats", |value| match value {
            Value::Array(Array::F32(xs)) => Some(Cow::Borrowed(xs.as_slice())),
            Value::Array(Array::F64(xs)) => Some(xs.iter().map(|&x| x as f32).collect()),
            _ => None,
        })
    }

    /// An array of integers of any width that fit.
    pub fn i32s(&self, key: &str) -> Result<Option<Cow<'_, [i32]>>> {
        self.typed(key, "an array of integers from -2^31 to 2^31 - 1", |value| match value {
            Value::Array(Array::I32(xs)) => Some(Cow::Borrowed(xs.as_slice())),
            Value::Array(array) => integers(array).map(Cow::Owned),
            _ => None,
        })
    }

    /// An array of integers of any width that fit.
    pub fn u32s(&self, key: &str) -> Result<Option<Cow<'_, [u32]>>> {
        self.typed(key, "an array of integers from 0 to 2^32 - 1", |value| match value {
            Value::Array(Array::U32(xs)) => Some(Cow::Borrowed(xs.as_slice())),
            Value::Array(array) => integers(array).map(Cow::Owned),
            _ => None,
        })
    }

    fn typed<'a, T>(&'a self, key: &str, wanted: &str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Error::model_invalid(format!("Metadata {key:?} is {}; it must be {wanted}.", describe(value)))),
        }
    }
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Metadata {
    /// Of a key given twice the last value stays.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut metadata = Self::new();
        for (key, value) in pairs {
            metadata.insert(key, value);
        }
        metadata
    }
}

/// The type, and the number where there is one: "it is i32 -1" says more than "it is i32".
fn describe(value: &Value) -> String {
    match (integer(value), value) {
        (Some(n), _) => format!("{} {n}", value.type_name()),
        (None, Value::Array(array)) => format!("an {} ({})", value.type_name(), array.len()),
        _ => format!("a {}", value.type_name()),
    }
}

fn integer(value: &Value) -> Option<i128> {
    Some(match *value {
        Value::U8(n) => n.into(),
        Value::I8(n) => n.into(),
        Value::U16(n) => n.into(),
        Value::I16(n) => n.into(),
        Value::U32(n) => n.into(),
        Value::I32(n) => n.into(),
        Value::U64(n) => n.into(),
        Value::I64(n) => n.into(),
        _ => return None,
    })
}

/// The elements as `T`, or `None` when one does not fit or they are no integers.
fn integers<T: TryFrom<i128>>(array: &Array) -> Option<Vec<T>> {
    fn all<S: Copy + Into<i128>, T: TryFrom<i128>>(values: &[S]) -> Option<Vec<T>> {
        values.iter().map(|&n| T::try_from(n.into()).ok()).collect()
    }
    match array {
        Array::U8(values) => all(values),
        Array::I8(values) => all(values),
        Array::U16(values) => all(values),
        Array::I16(values) => all(values),
        Array::U32(values) => all(values),
        Array::I32(values) => all(values),
        Array::U64(values) => all(values),
        Array::I64(values) => all(values),
        _ => None,
    }
}
