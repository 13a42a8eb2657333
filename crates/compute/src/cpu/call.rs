//! What the steps of one call share.

use wick_kernels::{Isa, rows};
use wick_spec::{Result, Stop};

use super::weights::Scale;
use crate::pool::Shared;

/// One call.
pub(super) struct Call<'a> {
    pub(super) isa: Isa,
    pub(super) stop: &'a Stop,
    /// Matrix products so far.
    pub(super) matmuls: usize,
}

impl Call<'_> {
    /// `x += factor · norm(y)`, (t, e) each; y is left in any state.
    pub(super) fn add_normed(&self, x: &mut [f32], y: &mut [f32], norm: &Scale, factor: f32) -> Result<()> {
        let (e, work, y) = (norm.w.len(), x.len() * 4, Shared(y.as_mut_ptr()));
        let to = Shared(x.as_mut_ptr());
        self.job(x.len() / e, work, |r| {
            // SAFETY: row r of both, which are as long as each other, is this item's alone.
            let (x, y) = unsafe { (to.row(r, e), y.row(r, e)) };
            rows::rms_norm_in_place(self.isa, y, &norm.w, norm.eps);
            rows::add(self.isa, x, y, factor);
        })
    }

    /// `x = norm(x)`, (t, e).
    pub(super) fn norm(&self, x: &mut [f32], norm: &Scale) -> Result<()> {
        let (e, work, to) = (norm.w.len(), x.len() * 2, Shared(x.as_mut_ptr()));
        self.job(x.len() / e, work, |r| {
            // SAFETY: row r is this item's alone.
            rows::rms_norm_in_place(self.isa, unsafe { to.row(r, e) }, &norm.w, norm.eps);
        })
    }
}
