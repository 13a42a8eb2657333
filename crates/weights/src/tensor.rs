//! A named array of a model file: its type, its shape, and where its bytes are.

use wick_spec::Result;

use crate::DType;

/// What is known of a tensor without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: DType,
    /// Outermost dimension first: a weight that maps n inputs to m outputs is (m, n).
    pub shape: Vec<usize>,
}

/// A tensor whose bytes can be read; holds its file open.
#[derive(Debug, Clone)]
pub struct Tensor {
    info: TensorInfo,
}

impl Tensor {
    /// Element type and shape.
    pub fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// The tensor's bytes in the file's layout. `model-invalid` when the file was cut since it was opened.
    pub fn bytes(&self) -> Result<&[u8]> {
        unreachable!()
    }

    /// All elements, decoded to f32, row-major.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        unreachable!()
    }

    /// Rows `first ..` of a (rows, cols) tensor decoded into `out`, whose length is a multiple of cols.
    pub fn rows_to_f32(&self, first: usize, out: &mut [f32]) -> Result<()> {
        let _ = (first, out);
        unreachable!()
    }
}

/// Where a model's tensors come from: one GGUF file, split GGUF files, or the safetensors of a folder.
pub trait Tensors: Send + Sync {
    /// The tensor's type and shape, or `None` when the model has none of that name.
    fn info(&self, name: &str) -> Option<&TensorInfo>;

    /// The tensor; `model-invalid` that names it when the model has none.
    fn tensor(&self, name: &str) -> Result<Tensor>;

    /// All names, in file order.
    fn names(&self) -> Vec<&str>;
}
