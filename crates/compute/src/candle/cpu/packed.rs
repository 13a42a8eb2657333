//! Weights that candle's kernels read from a rearranged copy.
//!
//! candle makes the copy at the first product and keeps it beside the blocks it was made from; it is made while the model
//! loads, so that the first prompt does not wait for it.

use candle_core::quantized::{GgmlDType, QStorage, QTensor, QuantizedType};
use candle_core::{CpuStorage, bail};
use half::f16;

use super::matrix::Bytes;
use crate::candle::failure::Fallible;

/// Bytes of the copy candle makes of an (n, k) weight, 0 where its kernels read the blocks themselves.
pub(in crate::candle) fn packed_bytes(dtype: GgmlDType, n: usize, k: usize) -> u64 {
    let (n, k) = (n as u64, k as u64);
    match tile(dtype, n as usize, k as usize) {
        Some(Tile { columns, depth, bytes }) => n / columns * (k / depth) * bytes,
        None => 0,
    }
}

/// A piece of the copy: `columns` outputs of `depth` inputs.
struct Tile {
    columns: u64,
    depth: u64,
    bytes: u64,
}

/// The tile of candle 0.11.1's `repack_x86.rs`, with the condition under which it is used. With AMX a second copy of Q4_K is
/// made for products of 32 rows and more.
///
/// Its Q8_0 is left alone: on processors with VNNI it rounds x to a coarser grid than one row is multiplied with, and answers
/// drift ten times as far from llama.cpp's (mean KL 2e-2 on the models of `tools/oracle`).
#[cfg(target_arch = "x86_64")]
fn tile(dtype: GgmlDType, n: usize, k: usize) -> Option<Tile> {
    if !(is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")) {
        return None;
    }
    if k == 0 || !n.is_multiple_of(16) || !k.is_multiple_of(256) {
        return None;
    }
    let bytes = match dtype {
        GgmlDType::Q4K => 3072 + if amx() { 5120 } else { 0 },
        GgmlDType::Q6K => 5120,
        _ => return None,
    };
    Some(Tile { columns: 16, depth: 256, bytes })
}

/// Whether candle uses tiles of AMX, with the variables that forbid it.
#[cfg(target_arch = "x86_64")]
fn amx() -> bool {
    let forced = |name: &str| std::env::var(name).as_deref() == Ok("1");
    let bits = || std::arch::x86_64::__cpuid_count(7, 0).edx & (3 << 24) == 3 << 24;
    cfg!(target_os = "linux")
        && !forced("MISTRALRS_FORCE_AVX2")
        && !forced("MISTRALRS_FORCE_AVXVNNI")
        && is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512vnni")
        && bits()
}

#[cfg(not(target_arch = "x86_64"))]
fn amx() -> bool {
    false
}

/// Rows of the products that make the copies.
pub(super) fn packing_rows() -> &'static [usize] {
    if amx() { &[2, 32] } else { &[2] }
}

/// candle 0.11.1's `repack.rs`: rows interleaved by four or eight, in as many bytes as they had.
#[cfg(target_arch = "aarch64")]
fn tile(dtype: GgmlDType, n: usize, k: usize) -> Option<Tile> {
    if !std::arch::is_aarch64_feature_detected!("dotprod") && !std::arch::is_aarch64_feature_detected!("i8mm") {
        return None;
    }
    let columns = match dtype {
        GgmlDType::Q4_0 | GgmlDType::Q8_0 => 4,
        GgmlDType::Q4K | GgmlDType::Q5K | GgmlDType::Q6K => 8,
        _ => return None,
    };
    let (depth, block) = (dtype.block_size() as u64, dtype.type_size() as u64);
    (n.is_multiple_of(columns) && k > 0).then_some(Tile { columns: columns as u64, depth, bytes: columns as u64 * block })
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn tile(_: GgmlDType, _: usize, _: usize) -> Option<Tile> {
    None
}

/// A quantised tensor over the file's own bytes.
pub(super) fn tensor(bytes: Bytes, dtype: GgmlDType, n: usize, k: usize) -> Fallible<QTensor> {
    let pointer = bytes.get()?.as_ptr();
    let length = bytes.get()?.len();
    let blocks = Blocks { pointer, length, dtype, bytes };
    Ok(QTensor::new(QStorage::Cpu(Box::new(blocks)), (n, k))?)
}

/// Blocks as candle's packing wants them, a pointer and a length, and as its products do where they are not packed. What wick does
/// not ask of them is refused.
struct Blocks {
    pointer: *const u8,
    length: usize,
    dtype: GgmlDType,
    /// Holds the map or memory that `pointer` is into; it neither moves nor changes while it is held.
    bytes: Bytes,
}

// SAFETY: the bytes are only ever read.
unsafe impl Send for Blocks {}
// SAFETY: as above.
unsafe impl Sync for Blocks {}

const PRODUCTS_ONLY: &str = "these blocks are for products only";

impl QuantizedType for Blocks {
    fn dtype(&self) -> GgmlDType {
        self.dtype
    }

    fn matmul_t(&self, sizes: (usize, usize, usize), x: &[f32], y: &mut [f32]) -> candle_core::Result<()> {
        let bytes = self.bytes.get().map_err(candle_core::Error::wrap)?;
        super::matrix::unpacked(self.dtype, bytes, sizes, x, y)
    }

    fn matmul_t_f16(&self, _: (usize, usize, usize), _: &[f16], _: &mut [f16]) -> candle_core::Result<()> {
        bail!("{PRODUCTS_ONLY}")
    }

    fn embedding(&self, _: &[u32], _: usize, _: usize) -> candle_core::Result<CpuStorage> {
        bail!("{PRODUCTS_ONLY}")
    }

    fn dequantize(&self, _: usize) -> candle_core::Result<CpuStorage> {
        bail!("{PRODUCTS_ONLY}")
    }

    fn storage_size_in_bytes(&self) -> usize {
        self.length
    }

    fn as_ptr(&self) -> *const u8 {
        self.pointer
    }

    fn block_size(&self) -> usize {
        self.dtype.block_size()
    }

    fn from_float(&mut self, _: &[f32]) {}

    fn from_float_imatrix(&mut self, _: &[f32], _: &[f32], _: usize) {}

    fn size(&self) -> usize {
        self.length
    }
}
