//! What the CPU does on slices instead of tensor by tensor.

mod attention;
mod dots;
mod eight_bits;
mod matrix;
mod packed;
mod product;
mod rows;
mod simd;

use candle_core::{CpuStorage, InplaceOp1, InplaceOp2, Layout, Storage, Tensor};

pub(super) use attention::{Heads, Sequence, attend};
pub(super) use matrix::{Matrix, copied_bytes};
pub(super) use rows::{add, gate, rms_norm, rotate, scale, softcap};

use super::failure::Fallible;

/// Calls `f` with the values of a contiguous f32 tensor on the CPU.
pub(super) fn with<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Fallible<R>) -> Fallible<R> {
    let (storage, layout) = x.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => f(&storage.as_slice::<f32>()?[start..end]),
        _ => Err(candle_core::Error::RequiresContiguous { op: "a loop on slices" }.into()),
    }
}

/// Calls `f` with the values of a contiguous f32 tensor on the CPU, to change them. Other tensors that share them see it.
pub(super) fn change(x: &Tensor, f: impl Fn(&mut [f32])) -> Fallible<()> {
    Ok(x.inplace_op1(&Change(f))?)
}

/// As [`change`], with the values of `y` beside, which shares nothing with `x`.
pub(super) fn change_by(x: &Tensor, y: &Tensor, f: impl Fn(&mut [f32], &[f32])) -> Fallible<()> {
    Ok(x.inplace_op2(y, &Change(f))?)
}

/// A loop on slices as candle's operation in place.
struct Change<F>(F);

fn range(layout: &Layout) -> candle_core::Result<std::ops::Range<usize>> {
    let offsets = layout.contiguous_offsets().ok_or(candle_core::Error::RequiresContiguous { op: "a loop on slices" })?;
    Ok(offsets.0..offsets.1)
}

fn values<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> candle_core::Result<&'a mut [f32]> {
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[range(layout)?]),
        _ => candle_core::bail!("a loop on slices needs f32"),
    }
}

impl<F: Fn(&mut [f32])> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "a loop on slices"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        (self.0)(values(x, layout)?);
        Ok(())
    }
}

impl<F: Fn(&mut [f32], &[f32])> InplaceOp2 for Change<F> {
    fn name(&self) -> &'static str {
        "a loop on slices"
    }

    fn cpu_fwd(&self, x: &mut CpuStorage, x_layout: &Layout, y: &CpuStorage, y_layout: &Layout) -> candle_core::Result<()> {
        (self.0)(values(x, x_layout)?, &y.as_slice::<f32>()?[range(y_layout)?]);
        Ok(())
    }
}
