//! A weight to multiply with, on any device.

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType as CandleDType, Device, Tensor as CandleTensor};
use wick_spec::Stop;
use wick_weights::{DType, Tensor};

use super::failure::Fallible;
use super::{Candle, Kernels, cpu};

/// candle's name of a file's type; `None` for types it has none for.
pub(super) fn ggml(dtype: DType) -> Option<GgmlDType> {
    Some(match dtype {
        DType::F32 => GgmlDType::F32,
        DType::F16 => GgmlDType::F16,
        DType::BF16 => GgmlDType::BF16,
        DType::Q4_0 => GgmlDType::Q4_0,
        DType::Q4_1 => GgmlDType::Q4_1,
        DType::Q5_0 => GgmlDType::Q5_0,
        DType::Q5_1 => GgmlDType::Q5_1,
        DType::Q8_0 => GgmlDType::Q8_0,
        DType::Q2_K => GgmlDType::Q2K,
        DType::Q3_K => GgmlDType::Q3K,
        DType::Q4_K => GgmlDType::Q4K,
        DType::Q5_K => GgmlDType::Q5K,
        DType::Q6_K => GgmlDType::Q6K,
        DType::IQ4_NL | DType::IQ4_XS | DType::MXFP4 | DType::NVFP4 | DType::Other(_) => return None,
    })
}

/// A weight (n, k).
#[derive(Debug)]
pub(super) enum Matrix {
    /// In its file, on the CPU.
    Mapped(cpu::Matrix),
    /// candle's blocks, on any device.
    Quantised(QTensor),
    /// Elements in the type the device multiplies with, on any device.
    Dense(CandleTensor),
}

impl Matrix {
    /// From the tensor's bytes; the tensor has this shape and a type that can be decoded.
    pub(super) fn load(backend: &Candle, tensor: Tensor, n: usize, k: usize) -> Fallible<Self> {
        if backend.kernels == Kernels::Slices {
            return Ok(Self::Mapped(cpu::Matrix::new(tensor, n, k)?));
        }
        let (device, dtype) = (&backend.device, tensor.info().dtype);
        match (ggml(dtype), dense(dtype, device)) {
            (Some(ggml), None) => {
                // candle reads the bytes as blocks in place, so they have to lie where blocks may.
                let bytes = Aligned::new(tensor.bytes()?);
                let bytes = bytes.as_slice().into();
                Ok(Self::Quantised(QTensor::new(QStorage::from_data(bytes, device, ggml)?, (n, k))?))
            }
            (_, as_type) => {
                let values = CandleTensor::from_vec(tensor.to_f32()?, (n, k), &Device::Cpu)?;
                Ok(Self::Dense(values.to_dtype(as_type.unwrap_or(unnamed(device)))?.to_device(device)?))
            }
        }
    }

    /// `x · Wᵀ`: (t, k) to (t, n), f32. `cancelled` when `stop` was set on the way.
    pub(super) fn forward(&self, x: &CandleTensor, stop: &Stop) -> Fallible<CandleTensor> {
        stop.check()?;
        Ok(match self {
            Self::Mapped(matrix) => matrix.forward(x, stop)?,
            Self::Quantised(blocks) => x.apply_op1_no_bwd(blocks)?,
            Self::Dense(w) => x.to_dtype(w.dtype())?.matmul(&w.t()?)?.to_dtype(CandleDType::F32)?,
        })
    }
}

/// The type unquantised weights are multiplied in: the CPU has no product of halves worth having.
fn dense(dtype: DType, device: &Device) -> Option<CandleDType> {
    match dtype {
        DType::F32 => Some(CandleDType::F32),
        DType::F16 | DType::BF16 if device.is_cpu() => Some(CandleDType::F32),
        DType::F16 => Some(CandleDType::F16),
        DType::BF16 => Some(CandleDType::BF16),
        _ => None,
    }
}

/// The type that weights of a type candle has no name for are decoded to. A GPU's memory is what is short there.
pub(super) fn unnamed(device: &Device) -> CandleDType {
    if device.is_cpu() { CandleDType::F32 } else { CandleDType::F16 }
}

/// Bytes at an address that is a multiple of 8.
#[derive(Debug)]
pub(super) struct Aligned {
    words: Vec<u64>,
    length: usize,
}

impl Aligned {
    /// A copy of `bytes`.
    pub(super) fn new(bytes: &[u8]) -> Self {
        let (chunks, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let words = chunks.iter().chain([&last]).map(|chunk| u64::from_ne_bytes(*chunk)).collect();
        Self { words, length: bytes.len() }
    }

    /// The bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        // SAFETY: the words hold as many bytes as were put into them, and up to eight more.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), self.length) }
    }
}
