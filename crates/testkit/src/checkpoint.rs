//! Tensors in memory.

use wick_spec::{Error, Result};
use wick_weights::{DType, Tensor, TensorInfo, Tensors};

/// A model's tensors without a file, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    tensors: Vec<(String, Tensor)>,
}

impl Checkpoint {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces an f32 tensor; `shape` outermost dimension first. Panics when the values do not fill the shape.
    pub fn insert(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.insert_bytes(name, DType::F32, shape, &bytes);
    }

    /// Adds or replaces a tensor of any type from bytes in the file's layout. Panics when they do not fill the shape.
    pub fn insert_bytes(&mut self, name: &str, dtype: DType, shape: &[usize], bytes: &[u8]) {
        let tensor =
            Tensor::from_bytes(name, TensorInfo { dtype, shape: shape.to_vec() }, bytes).expect("the bytes fill the shape");
        self.remove(name);
        self.tensors.push((name.to_owned(), tensor));
    }

    /// Takes a tensor out, if it is there.
    pub fn remove(&mut self, name: &str) {
        self.tensors.retain(|(have, _)| have != name);
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.iter().find(|(have, _)| *have == name).map(|(_, tensor)| tensor)
    }
}

impl Tensors for Checkpoint {
    fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.get(name).map(Tensor::info)
    }

    fn tensor(&self, name: &str) -> Result<Tensor> {
        self.get(name)
            .cloned()
            .ok_or_else(|| Error::model_invalid(format!("tensor {name:?} is missing from the checkpoint")))
    }

    fn names(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }
}
