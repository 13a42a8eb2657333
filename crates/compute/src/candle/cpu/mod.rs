//! What the CPU does on slices instead of tensor by tensor.

mod attention;
mod matrix;
mod packed;
mod pool;
mod rows;
mod simd;

use candle_core::{Storage, Tensor};

pub(super) use attention::{Heads, Sequence, attend};
pub(super) use matrix::Matrix;
pub(super) use packed::packed_bytes;
pub use pool::threads;
pub(super) use rows::{gate, rms_norm, rotate};

use super::failure::Fallible;

/// Calls `f` with the values of a contiguous f32 tensor on the CPU.
pub(super) fn with<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> Fallible<R>) -> Fallible<R> {
    let (storage, layout) = x.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => f(&storage.as_slice::<f32>()?[start..end]),
        _ => Err(candle_core::Error::RequiresContiguous { op: "a loop on slices" }.into()),
    }
}
