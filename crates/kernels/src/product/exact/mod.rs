//! Types whose elements are f32 as soon as they are read, against x that is not rounded.
//!
//! One order of additions serves every way: sum i of eight takes the elements i, i + 8, … in turn, by fused multiply-adds, as if
//! zeros followed the row's end; then the sums four apart are added, those two apart, and the last two. F16, BF16 and F32 are
//! such types, and NVFP4: its scales of 16 elements are floats, whose products with its elements are f32 without rounding.

mod formats;

use wick_weights::DType;

use super::Call;
#[cfg(target_arch = "x86_64")]
use super::avx2::exact as avx2;
use crate::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;
pub(super) use formats::{BF16, E4M3, F16, F32, NVFP4};

/// Elements that are multiplied at once.
pub(super) const LANES: usize = 8;

/// One weight type.
pub(super) trait Exact {
    /// Bytes of eight elements, where they lie together and by themselves.
    const BYTES: usize;

    /// Elements `8 i ..` of a row, eight of them.
    fn eight(row: &[u8], i: usize) -> [f32; LANES];
}

/// A product.
///
/// Safe to call as [`super::product`], where the processor has what it was asked for.
type Product = unsafe fn(&Call<'_>);

/// The product with this type, if it is one of these.
pub(super) fn product(isa: Isa, dtype: DType) -> Option<Product> {
    match dtype {
        DType::F32 => Some(way::<F32>(isa)),
        DType::F16 => Some(way::<F16>(isa)),
        DType::BF16 => Some(way::<BF16>(isa)),
        DType::NVFP4 => Some(way::<NVFP4>(isa)),
        _ => None,
    }
}

#[cfg(target_arch = "x86_64")]
fn way<F: avx2::Widen>(isa: Isa) -> Product {
    match isa.kind() {
        Kind::Avx2 | Kind::Avx512 => avx2::product::<F>,
        Kind::Scalar => scalar::<F>,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn way<F: Exact>(_: Isa) -> Product {
    scalar::<F>
}

/// The product on any processor.
///
/// # Safety
/// As [`super::product`].
unsafe fn scalar<F: Exact>(call: &Call<'_>) {
    let k = call.x.width;
    let mut w = vec![[0.0; LANES]; k.div_ceil(LANES)];
    for column in call.columns.clone() {
        let row = &call.bytes[column * call.row_bytes()..][..call.row_bytes()];
        w.iter_mut().enumerate().for_each(|(i, w)| *w = eight::<F>(row, k, i));
        for (r, x) in call.x.exact.chunks_exact(k).enumerate() {
            let mut sums = [0.0f32; LANES];
            for (x, w) in x.chunks(LANES).zip(&w) {
                let x: [f32; LANES] = std::array::from_fn(|lane| x.get(lane).copied().unwrap_or(0.0));
                for lane in 0..LANES {
                    sums[lane] = w[lane].mul_add(x[lane], sums[lane]);
                }
            }
            let four: [f32; 4] = std::array::from_fn(|i| sums[i] + sums[i + 4]);
            // SAFETY: the caller's promise.
            unsafe { *call.y.add(r * call.n + column) = (four[0] + four[2]) + (four[1] + four[3]) };
        }
    }
}

/// Elements `8 i ..` of a row of k, and zeros after its end.
fn eight<F: Exact>(row: &[u8], k: usize, i: usize) -> [f32; LANES] {
    if LANES * (i + 1) <= k {
        return F::eight(row, i);
    }
    let rest = &row[F::BYTES * i..];
    let mut bytes = [0; LANES * size_of::<f32>()];
    bytes[..rest.len()].copy_from_slice(rest);
    F::eight(&bytes, 0)
}
