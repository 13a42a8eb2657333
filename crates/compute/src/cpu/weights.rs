//! A plan's weights, as its steps hold them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use wick_kernels::{Grid, grid, known};
use wick_spec::{Error, Result, Stop};
use wick_weights::{DType, Tensor, Tensors};

use super::linear::{Linear, Matrix};
use crate::check::{Use, Weight, outputs};
use crate::{HeadNorm, Norm, NormKind};

/// w and eps of a norm, the offset added.
#[derive(Debug)]
pub(super) struct Scale {
    /// (n)
    pub(super) w: Vec<f32>,
    /// Added to the mean.
    pub(super) eps: f32,
}

/// Bytes of the file that the weights take, each tensor once however often it is used. `unsupported` for a matrix whose type or
/// width has no product.
pub(super) fn bytes(weights: &[Weight<'_>], tensors: &dyn Tensors) -> Result<u64> {
    let (mut seen, mut sum) = (HashSet::new(), 0u64);
    for weight in weights {
        let Some(info) = tensors.info(weight.name) else { continue };
        let columns = weight.shape.last().copied().unwrap_or(0);
        if weight.used == Use::Matrix && !known(info.dtype, columns) {
            return Err(unsupported(weight.name, info.dtype, columns));
        }
        if seen.insert(weight.name) {
            sum = sum.saturating_add(info.bytes().unwrap_or(usize::MAX) as u64);
        }
    }
    Ok(sum)
}

fn unsupported(name: &str, dtype: DType, columns: usize) -> Error {
    Error::unsupported(format!("tensor {name:?}: the cpu backend has no product with rows of {columns} elements of {dtype}"))
}

/// Reads weights for the steps that ask, each tensor once.
pub(super) struct Loader<'a> {
    tensors: &'a dyn Tensors,
    read: HashMap<String, Tensor>,
    progress: &'a mut dyn FnMut(u64),
    done: u64,
    stop: &'a Stop,
}

impl<'a> Loader<'a> {
    pub(super) fn new(tensors: &'a dyn Tensors, progress: &'a mut dyn FnMut(u64), stop: &'a Stop) -> Self {
        Self { tensors, read: HashMap::new(), progress, done: 0, stop }
    }

    /// A tensor whole.
    pub(super) fn tensor(&mut self, name: &str) -> Result<Tensor> {
        self.stop.check()?;
        if let Some(tensor) = self.read.get(name) {
            return Ok(tensor.clone());
        }
        let tensor = self.tensors.tensor(name)?;
        self.done += tensor.info().bytes().unwrap_or(0) as u64;
        (self.progress)(self.done);
        self.read.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// A tensor of each file there was.
    pub(super) fn files(&self) -> Vec<Tensor> {
        let mut files: Vec<Tensor> = Vec::new();
        for tensor in self.read.values() {
            if !files.iter().any(|known| known.same_file(tensor)) {
                files.push(tensor.clone());
            }
        }
        files
    }

    fn vector(&mut self, name: &str, rows: Option<&Range<usize>>) -> Result<Vec<f32>> {
        let all = self.tensor(name)?.to_f32()?;
        Ok(rows.map_or_else(|| all.clone(), |rows| all[rows.clone()].to_vec()))
    }

    /// W and b, for k inputs.
    pub(super) fn linear(&mut self, linear: &crate::Linear, k: usize) -> Result<Linear> {
        let n = outputs(linear, self.tensors);
        let whole = self.tensor(&linear.weight)?;
        let tensor = linear.rows.as_ref().map_or_else(|| Ok(whole.clone()), |rows| whole.rows(rows.clone()))?;
        let dtype = tensor.info().dtype;
        let form: Option<Grid> = grid(dtype).filter(|_| known(dtype, k));
        let matrix = Matrix { tensor, n, grid: form.ok_or_else(|| unsupported(&linear.weight, dtype, k))? };
        let bias = linear.bias.as_ref().map(|name| self.vector(name, linear.rows.as_ref())).transpose()?;
        Ok(Linear { matrix, bias })
    }

    pub(super) fn norm(&mut self, norm: &Norm) -> Result<Scale> {
        let NormKind::Rms = norm.kind;
        let mut w = self.vector(&norm.weight, None)?;
        w.iter_mut().for_each(|w| *w += norm.offset);
        Ok(Scale { w, eps: norm.eps })
    }

    pub(super) fn norm_if(&mut self, norm: Option<&Norm>) -> Result<Option<Scale>> {
        norm.map(|norm| self.norm(norm)).transpose()
    }

    /// The length of a head norm's weight says what a mean is taken over.
    pub(super) fn head_norm(&mut self, norm: Option<&HeadNorm>) -> Result<Option<Scale>> {
        norm.map(|norm| self.norm(&norm.norm)).transpose()
    }
}
