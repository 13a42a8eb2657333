//! Which layers see all of the past, and which a window of it.

use wick_spec::{Error, Result};

/// The windows of a model's layers.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Windows {
    /// Tokens a windowed layer sees, itself included.
    size: usize,
    /// Whether each layer has the window; empty: none has.
    layers: Vec<bool>,
}

impl Windows {
    /// A window of `size` in the layers that `layers` marks, one mark a layer. `keys` name both for messages.
    pub(crate) fn new(size: usize, layers: Vec<bool>, count: usize, keys: (&str, &str)) -> Result<Self> {
        if layers.len() != count {
            let (have, key) = (layers.len(), keys.1);
            return Err(Error::model_invalid(format!("{key:?} speaks of {have} layers; the model has {count}.")));
        }
        if size == 0 && layers.contains(&true) {
            return Err(Error::model_invalid(format!("{:?} is 0.", keys.0)));
        }
        Ok(Self { size, layers })
    }

    /// The layer's window.
    pub(crate) fn of(&self, layer: usize) -> Option<usize> {
        self.layers.get(layer).copied().unwrap_or(false).then_some(self.size)
    }

    /// The size and the marks, where a layer has a window.
    pub(crate) fn any(&self) -> Option<(usize, &[bool])> {
        self.layers.contains(&true).then_some((self.size, self.layers.as_slice()))
    }
}

/// Marks of all layers but every n-th; of all, where n is 0.
pub(crate) fn all_but(n: usize, layers: usize) -> Vec<bool> {
    (1..=layers).map(|layer| n == 0 || !layer.is_multiple_of(n)).collect()
}
