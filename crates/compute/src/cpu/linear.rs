//! Weights that rows are multiplied with.

use std::cell::RefCell;
use std::ops::Range;

use wick_kernels::{Activations, Grid, product, rows};
use wick_spec::Result;
use wick_weights::Tensor;

use super::call::Call;
use super::inputs::Inputs;
use super::weights::Scale;
use crate::pool::Shared;

/// W (n, k) in its file.
#[derive(Debug)]
pub(super) struct Matrix {
    pub(super) tensor: Tensor,
    /// n.
    pub(super) n: usize,
    /// What its products read.
    pub(super) grid: Grid,
}

/// `y = x · Wᵀ + b`
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    /// (n)
    pub(super) bias: Option<Vec<f32>>,
}

impl Linear {
    /// Ready for its products with these rows. `model-invalid` when the file was cut since it was opened.
    pub(super) fn with<'a>(&'a self, call: &mut Call<'_>, inputs: &'a Inputs) -> Result<Ready<'a>> {
        call.matmuls += 1;
        Ok(Ready { linear: self, bytes: self.matrix.tensor.bytes()?, x: inputs.get(self.matrix.grid) })
    }
}

impl Linear {
    /// Whether there is more to it than the product of blocks.
    fn is_more(&self) -> bool {
        self.bias.is_some() || self.matrix.tensor.scale() != 1.0
    }

    /// What is left to do with these columns of a row of products of blocks.
    fn finish(&self, call: &Call<'_>, columns: &Range<usize>, y: &mut [f32]) {
        if self.matrix.tensor.scale() != 1.0 {
            rows::scale(call.isa, y, self.matrix.tensor.scale());
        }
        if let Some(bias) = &self.bias {
            rows::add(call.isa, y, &bias[columns.clone()], 1.0);
        }
    }
}

/// A weight, its bytes and rows x (t, k).
pub(super) struct Ready<'a> {
    linear: &'a Linear,
    bytes: &'a [u8],
    x: &'a Activations,
}

impl Ready<'_> {
    /// n.
    pub(super) fn n(&self) -> usize {
        self.linear.matrix.n
    }

    /// t.
    pub(super) fn rows(&self) -> usize {
        self.x.rows()
    }

    /// Multiply-adds of all its columns.
    pub(super) fn work(&self) -> usize {
        self.x.rows() * self.linear.matrix.tensor.info().elements().unwrap_or(0)
    }

    /// These columns of y, in y (t, n).
    ///
    /// # Safety
    /// y has room, and nobody else touches these columns.
    pub(super) unsafe fn columns(&self, call: &Call<'_>, columns: Range<usize>, y: Shared) {
        let (n, dtype) = (self.n(), self.linear.matrix.tensor.info().dtype);
        // SAFETY: the caller's promise.
        unsafe { product(call.isa, dtype, self.bytes, n, self.x, columns.clone(), y.get()) };
        if self.linear.is_more() {
            for r in 0..self.x.rows() {
                // SAFETY: these columns of row r.
                self.linear.finish(call, &columns, unsafe { y.part(r * n + columns.start, columns.len()) });
            }
        }
    }

    /// These columns of y, (t, columns), in `y`, whose contents are replaced.
    pub(super) fn apart(&self, call: &Call<'_>, columns: Range<usize>, y: &mut Vec<f32>) {
        let (t, m, dtype) = (self.x.rows(), columns.len(), self.linear.matrix.tensor.info().dtype);
        y.resize(t * m, 0.0);
        let row = self.bytes.len() / self.n();
        let some = &self.bytes[columns.start * row..columns.end * row];
        // SAFETY: room for (t, m), this thread's alone.
        unsafe { product(call.isa, dtype, some, m, self.x, 0..m, y.as_mut_ptr()) };
        if self.linear.is_more() {
            y.chunks_exact_mut(m).for_each(|y| self.linear.finish(call, &columns, y));
        }
    }

    /// `x += factor · norm(y)`, x: (t, n). Without a norm a piece adds what it computed; else `y` is where the result waits for it.
    pub(super) fn add_to(
        &self,
        call: &Call<'_>,
        x: &mut [f32],
        norm: Option<&Scale>,
        factor: f32,
        y: &mut Vec<f32>,
    ) -> Result<()> {
        thread_local! {
            static SOME: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        let n = self.n();
        if let Some(norm) = norm {
            y.resize(x.len(), 0.0);
            let to = Shared(y.as_mut_ptr());
            // SAFETY: y is (t, n), and each of its columns is in one range.
            call.products(&[self], |_, columns| unsafe { self.columns(call, columns, to) })?;
            return call.add_normed(x, y, norm, factor);
        }
        let to = Shared(x.as_mut_ptr());
        call.products(&[self], |_, columns| {
            SOME.with_borrow_mut(|some| {
                self.apart(call, columns.clone(), some);
                for (r, some) in some.chunks_exact(columns.len()).enumerate() {
                    // SAFETY: x is (t, n), and each of its columns is in one range.
                    rows::add(call.isa, unsafe { to.part(r * n + columns.start, columns.len()) }, some, factor);
                }
            });
        })
    }
}
