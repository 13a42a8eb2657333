//! A named array of a model file: its type, its shape, and where its bytes are.

use std::ops::Range;
use std::sync::Arc;

use wick_spec::{Error, Result};

use crate::DType;
use crate::source::Source;

/// What is known of a tensor without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: DType,
    /// Outermost dimension first: a weight that maps n inputs to m outputs is (m, n).
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// How many elements there are: the product of the shape, 1 when it is empty. `None` when that is more than the machine
    /// can address.
    pub fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
    }

    /// Elements of a row, the innermost dimension.
    pub fn columns(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// Bytes in the file; `None` when the rows are no whole blocks of the type, or there are more than the machine can address.
    pub fn bytes(&self) -> Option<usize> {
        self.dtype.bytes(self.columns())?;
        self.dtype.bytes(self.elements()?)
    }
}

/// A tensor whose bytes can be read; holds its file open. Its type is one that can be decoded.
#[derive(Debug, Clone)]
pub struct Tensor {
    name: Arc<str>,
    info: TensorInfo,
    source: Arc<Source>,
    range: Range<usize>,
    /// What every decoded element is multiplied with; 1 but for some NVFP4.
    scale: f32,
}

impl Tensor {
    /// The caller has checked that `range` is as long as `info` says and inside the file.
    pub(crate) fn new(name: Arc<str>, info: TensorInfo, source: Arc<Source>, range: Range<usize>) -> Self {
        debug_assert_eq!(info.bytes(), Some(range.len()), "the range is the tensor's");
        Self { name, info, source, range, scale: 1.0 }
    }

    /// A tensor that comes from no file, of bytes in the file's layout. `invalid-request` when they do not fill the shape.
    pub fn from_bytes(name: &str, info: TensorInfo, bytes: &[u8]) -> Result<Self> {
        if info.bytes() != Some(bytes.len()) {
            return Err(Error::invalid_request(format!(
                "Tensor {name:?}: {} bytes do not fill {:?} of {}.",
                bytes.len(),
                info.shape,
                info.dtype
            )));
        }
        Self::written(name, info, false, |to| {
            to.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// A tensor that comes from no file, whose bytes `write` writes. `invalid-request` when it has none.
    pub(crate) fn written(
        name: &str,
        info: TensorInfo,
        locked: bool,
        write: impl FnOnce(&mut [u8]) -> Result<()>,
    ) -> Result<Self> {
        let len = info.bytes().filter(|&len| len > 0).ok_or_else(|| {
            Error::invalid_request(format!("Tensor {name:?}: {:?} of {} holds nothing.", info.shape, info.dtype))
        })?;
        let source = Arc::new(Source::memory(name, len, locked, write)?);
        Ok(Self::new(name.into(), info, source, 0..len))
    }

    /// What holds its bytes.
    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The tensor with every element multiplied by `scale` when it is decoded. Its bytes stay as they are.
    pub(crate) fn scaled(self, scale: f32) -> Self {
        Self { scale, ..self }
    }

    /// Rows `rows` of the outermost dimension as a tensor of their own, over the same bytes. `model-invalid` when they are not all
    /// in the tensor, or do not begin and end with a block.
    pub fn rows(&self, rows: Range<usize>) -> Result<Self> {
        let invalid = |what: String| Err(Error::model_invalid(format!("tensor {:?}: {what}", self.name)));
        let (all, per_row) = match self.info.shape.split_first() {
            Some((&all, rest)) => (all, rest.iter().product::<usize>()),
            None => (1, 1),
        };
        if rows.start >= rows.end || rows.end > all {
            return invalid(format!("rows {rows:?} are not in its {all}"));
        }
        // No overflow: the tensor, which is at least as large, fits memory.
        let offset = |row: usize| self.info.dtype.bytes(row * per_row);
        let (Some(start), Some(end)) = (offset(rows.start), offset(rows.end)) else {
            return invalid(format!("rows {rows:?} are no whole blocks of {}", self.info.dtype));
        };
        let mut shape = self.info.shape.clone();
        shape.iter_mut().take(1).for_each(|n| *n = rows.len());
        let (info, range) = (TensorInfo { dtype: self.info.dtype, shape }, self.range.start + start..self.range.start + end);
        Ok(Self { info, range, ..self.clone() })
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Element type and shape.
    pub fn info(&self) -> &TensorInfo {
        &self.info
    }

    /// What elements are multiplied by beside what their bytes say: 1, but for NVFP4 with a scale beside it in its file.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Whether both are of one file.
    pub fn same_file(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
    }

    /// The tensor's bytes in the file's layout, at any alignment; of NVFP4 they leave out the scale that stands beside the tensor
    /// in its file, which decoding applies. `model-invalid` when the file was cut since it was opened:
    /// ask anew for each use rather than hold the slice, see [`crate::OpenOptions::mmap`].
    pub fn bytes(&self) -> Result<&[u8]> {
        self.slice(self.range.clone())
    }

    /// All elements, decoded to f32, row-major. `out-of-memory` when there is no room for them.
    pub fn to_f32(&self) -> Result<Vec<f32>> {
        let elements = self.info.elements().unwrap_or(usize::MAX);
        let mut out = Vec::new();
        out.try_reserve_exact(elements).map_err(|_| {
            let bytes = elements as u64 * 4;
            Error::out_of_memory(format!("Tensor {:?} takes {bytes} bytes as f32.", self.name)).with("neededBytes", bytes)
        })?;
        out.resize(elements, 0.0);
        self.decode(self.bytes()?, &mut out)?;
        Ok(out)
    }

    /// Rows `first ..` of a (rows, cols) tensor decoded into `out`, whose length is a multiple of cols. Reads these rows alone.
    /// `invalid-request` when they are not all in the tensor.
    pub fn rows_to_f32(&self, first: usize, out: &mut [f32]) -> Result<()> {
        if out.is_empty() {
            return Ok(());
        }
        let columns = self.info.columns();
        let per_row = |elements: usize| elements.checked_div(columns).unwrap_or(0);
        let (count, rows) = (per_row(out.len()), per_row(self.info.elements().unwrap_or(0)));
        if !out.len().is_multiple_of(columns) || first.checked_add(count).is_none_or(|end| end > rows) {
            let (name, len) = (&self.name, out.len());
            return Err(Error::invalid_request(format!(
                "Tensor {name:?} has {rows} rows of {columns}; rows from {first} into {len} elements were asked for."
            )));
        }
        let row = self.range.len() / rows;
        let start = self.range.start + first * row;
        self.decode(self.slice(start..start + count * row)?, out)
    }

    fn slice(&self, range: Range<usize>) -> Result<&[u8]> {
        self.source.bytes(range).map_err(|error| error.context(format!("tensor {:?}", self.name)))
    }

    fn decode(&self, bytes: &[u8], out: &mut [f32]) -> Result<()> {
        let decode = self.info.dtype.decoder().ok_or_else(|| unsupported(&self.name, self.info.dtype))?;
        decode(bytes, out);
        if self.scale != 1.0 {
            out.iter_mut().for_each(|x| *x *= self.scale);
        }
        Ok(())
    }
}

/// The error for a tensor of a type that wick only names.
pub(crate) fn unsupported(name: &str, dtype: DType) -> Error {
    let known: Vec<_> = DType::known().map(DType::name).collect();
    Error::unsupported(format!(
        "Tensor {name:?} has the type {dtype}, which wick cannot compute with; it can with {}.",
        known.join(", ")
    ))
}

/// Where a model's tensors come from: one GGUF file, split GGUF files, or the safetensors of a folder.
pub trait Tensors: Send + Sync {
    /// The tensor's type and shape, or `None` when the model has none of that name.
    fn info(&self, name: &str) -> Option<&TensorInfo>;

    /// The tensor; `model-invalid` that names it when the model has none, `unsupported` that names its type when wick cannot
    /// decode it.
    fn tensor(&self, name: &str) -> Result<Tensor>;

    /// All names, in file order.
    fn names(&self) -> Vec<&str>;

    /// Whether `name` is no weight but a scale that belongs to one of NVFP4: `X.scale`, which decoding `X.weight` applies, or
    /// `X.input_scale`, which is for engines that multiply in four bits on both sides.
    fn is_scale(&self, name: &str) -> bool {
        let stem = name.strip_suffix(".scale").or_else(|| name.strip_suffix(".input_scale"));
        stem.and_then(|stem| self.info(&format!("{stem}.weight"))).is_some_and(|info| info.dtype == DType::NVFP4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::Code;

    fn tensor(dtype: DType, shape: &[usize]) -> Tensor {
        let info = TensorInfo { dtype, shape: shape.to_vec() };
        let bytes: Vec<u8> = (0..info.bytes().expect("whole blocks")).map(|i| (i * 7 % 60) as u8).collect();
        Tensor::from_bytes("w", info, &bytes).expect("the bytes fill it")
    }

    #[test]
    fn some_rows_are_a_tensor_over_the_same_bytes() {
        for (dtype, shape) in [(DType::F32, vec![5, 3]), (DType::Q8_0, vec![5, 64]), (DType::BF16, vec![5])] {
            let (whole, row) = (tensor(dtype, &shape), shape.iter().skip(1).product::<usize>());
            let part = whole.rows(1..4).expect("inside").rows(1..3).expect("inside");
            assert_eq!((part.info().shape[0], part.info().columns()), (2, *part.info().shape.last().expect("not empty")));
            let (bytes, all) = (part.bytes().expect("in memory"), whole.bytes().expect("in memory"));
            assert_eq!(bytes.as_ptr(), all[all.len() / 5 * 2..].as_ptr(), "nothing is copied");
            let (values, all) = (part.to_f32().expect("decoded"), whole.to_f32().expect("decoded"));
            assert_eq!(values, all[2 * row..4 * row], "{dtype}");
            let mut last = vec![0.0; row];
            if shape.len() > 1 {
                part.rows_to_f32(1, &mut last).expect("two rows");
                assert_eq!(last, all[3 * row..4 * row]);
                assert!(part.rows_to_f32(2, &mut last).is_err(), "a row of the whole, not of the part");
            }
        }
    }

    #[test]
    fn rows_that_are_not_there_or_cut_a_block_are_named() {
        let whole = tensor(DType::F32, &[5, 3]);
        let backwards = Range { start: 3, end: 2 };
        for rows in [0..6, 5..6, 2..2, backwards, 0..usize::MAX] {
            let error = whole.rows(rows.clone()).expect_err("not there");
            assert_eq!(error.code(), Code::ModelInvalid);
            assert!(error.message().contains("\"w\"") && error.message().contains(&format!("{rows:?}")), "{error}");
        }
        let error = tensor(DType::Q8_0, &[64]).rows(8..40).expect_err("inside a block");
        assert!(error.message().contains("Q8_0"), "{error}");
    }
}
