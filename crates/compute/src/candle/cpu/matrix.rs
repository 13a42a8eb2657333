//! Products with a weight that stays in its file.
//!
//! Where wick has kernels for the type and the processor, they are used. Else four ways, by how many rows x has. Few rows: *dots*, ours, of types that candle is slow at, or *blocks*, candle's
//! integer dot products, both on the file's own bytes. More: *packed*, candle's tiled kernels on the copy they make of some
//! types, or *panels*, some rows of the weight decoded to f32 in the cache and multiplied with all of x, which any type can:
//! it is the only way of types that candle has no name for.
//! Beside a quantised weight all four see x in eight bits, so that a prompt is computed as its tokens one by one would be.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Mutex;

use candle_core::Tensor as Candle;
use candle_core::quantized::k_quants::{self, GgmlType};
use candle_core::quantized::{GgmlDType, QTensor};
use wick_kernels::{Activations, Isa, grid, known, product};
use wick_spec::{Result, Stop};
use wick_weights::{DType, Tensor};

use super::product::{View, product_to};
use super::{dots, eight_bits, packed, with};
use crate::candle::failure::Fallible;
use crate::candle::matrix::{Aligned, ggml};
use crate::pool::{Shared, each, threads};

/// Rows of x that a packed product takes between two looks at the stop flag.
const TILE: usize = 128;
/// From this many rows on, panels beat dot products.
const PANEL_ROWS: usize = 6;
/// Elements of a panel.
const PANEL: usize = 1 << 18;

/// A tensor's bytes, aligned for its type.
#[derive(Debug)]
pub(super) struct Bytes {
    tensor: Tensor,
    /// The bytes again, where they do not lie in the file as the type needs them.
    copy: Option<Aligned>,
}

impl Bytes {
    fn new(tensor: Tensor) -> Result<Self> {
        let bytes = tensor.bytes()?;
        let copy = (!bytes.as_ptr().cast::<f32>().is_aligned()).then(|| Aligned::new(bytes));
        Ok(Self { tensor, copy })
    }

    /// The bytes, aligned to 4. `model-invalid` when the file was cut since it was opened.
    pub(super) fn get(&self) -> Result<&[u8]> {
        match &self.copy {
            Some(copy) => Ok(copy.as_slice()),
            None => self.tensor.bytes(),
        }
    }
}

/// The bytes as blocks of type T, which any bytes are.
fn blocks<T: GgmlType>(bytes: &[u8]) -> &[T] {
    assert!(bytes.as_ptr().cast::<T>().is_aligned() && bytes.len().is_multiple_of(size_of::<T>()));
    // SAFETY: aligned and long enough by the assertion; candle's blocks are `repr(C)` of integers and floats.
    unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) }
}

/// `y = x · Wᵀ` by candle's dot products on unpacked blocks; sizes (t, k, n).
pub(super) fn unpacked(
    dtype: GgmlDType,
    bytes: &[u8],
    sizes: (usize, usize, usize),
    x: &[f32],
    y: &mut [f32],
) -> candle_core::Result<()> {
    macro_rules! by_type {
        ($($dtype:ident => $block:ident),*) => {
            match dtype {
                $(GgmlDType::$dtype => k_quants::matmul(sizes, x, blocks::<k_quants::$block>(bytes), y),)*
                other => candle_core::bail!("no product with blocks of {other:?}"),
            }
        };
    }
    by_type!(
        Q4_0 => BlockQ4_0, Q4_1 => BlockQ4_1, Q5_0 => BlockQ5_0, Q5_1 => BlockQ5_1, Q8_0 => BlockQ8_0,
        Q2K => BlockQ2K, Q3K => BlockQ3K, Q4K => BlockQ4K, Q5K => BlockQ5K, Q6K => BlockQ6K
    )
}

/// A weight (n, k) in its file.
#[derive(Debug)]
pub(in crate::candle) struct Matrix {
    bytes: Bytes,
    outputs: usize,
    inputs: usize,
    /// candle's name of the quantised type; `None` for F32, F16, BF16, and what it has no name for.
    blocks: Option<GgmlDType>,
    packed: Option<QTensor>,
    /// The instruction set of our own kernels, where they know the type.
    kernels: Option<Isa>,
}

/// Columns that a thread takes at once: several eights, so that a panel's unpacking is not all there is to do.
const COLUMNS: usize = 32;

/// The instruction set of the kernels for this type and k elements a row; `None` where candle's ways are better: without AVX2.
fn kernels(dtype: DType, k: usize) -> Option<Isa> {
    Isa::chosen().ok().filter(|isa| *isa > Isa::SCALAR && known(dtype, k))
}

/// Bytes kept beside an (n, k) weight in its file: the copy that candle's kernels read, where they are used.
pub(in crate::candle) fn copied_bytes(dtype: DType, n: usize, k: usize) -> u64 {
    match (kernels(dtype, k), ggml(dtype)) {
        (None, Some(dtype)) => packed::packed_bytes(dtype, n, k),
        _ => 0,
    }
}

impl Matrix {
    /// Over the tensor's bytes, nothing read yet.
    pub(in crate::candle) fn new(tensor: Tensor, outputs: usize, inputs: usize) -> Fallible<Self> {
        let kernels = kernels(tensor.info().dtype, inputs);
        let blocks = match tensor.info().dtype {
            DType::F32 | DType::F16 | DType::BF16 => None,
            dtype => ggml(dtype),
        };
        let packed = match blocks {
            Some(dtype) if copied_bytes(tensor.info().dtype, outputs, inputs) > 0 => {
                Some(packed::tensor(Bytes::new(tensor.clone())?, dtype, outputs, inputs)?)
            }
            _ => None,
        };
        Ok(Self { bytes: Bytes::new(tensor)?, outputs, inputs, blocks, packed, kernels })
    }

    /// Makes the packed copies that candle would make at the first products.
    pub(in crate::candle) fn pack(&self) -> Fallible<()> {
        if let Some(packed) = &self.packed {
            for &rows in packed::packing_rows() {
                let x = Candle::zeros((rows, self.inputs), candle_core::DType::F32, &candle_core::Device::Cpu)?;
                x.apply_op1_no_bwd(packed)?;
            }
        }
        Ok(())
    }

    /// `x · Wᵀ`: (t, k) to (t, n). `cancelled` when `stop` was set on the way.
    pub(in crate::candle) fn forward(&self, x: &Candle, stop: &Stop) -> Fallible<Candle> {
        let (t, n) = (x.dim(0)?, self.outputs);
        if let Some(isa) = self.kernels {
            let y = with(x, |x| Ok(self.by_kernels(isa, x, stop)?))?;
            return Ok(Candle::from_vec(y, (t, n), x.device())?);
        }
        if let (Some(packed), 2..=TILE) = (&self.packed, t) {
            let y = x.apply_op1_no_bwd(packed)?;
            stop.check()?;
            return Ok(y);
        }
        let mut y = vec![0.0; t * n];
        match (self.blocks, &self.packed) {
            _ if t == 0 || n == 0 || self.inputs == 0 => {}
            // A packed copy has more bytes than the blocks, which for one row is all that counts.
            (blocks, packed) if t == 1 || (t < PANEL_ROWS && packed.is_none()) => match blocks {
                Some(dtype) if !dots::known(self.dtype()) => {
                    let bytes = self.bytes.get()?;
                    with(x, |x| Ok(unpacked(dtype, bytes, (t, self.inputs, n), x, &mut y)?))?;
                }
                _ => with(x, |x| Ok(self.by_panels(x, &mut y, stop)?))?,
            },
            (_, Some(packed)) => self.by_tiles(packed, x, &mut y, stop)?,
            _ => with(x, |x| Ok(self.by_panels(x, &mut y, stop)?))?,
        }
        stop.check()?;
        Ok(Candle::from_vec(y, (t, n), x.device())?)
    }

    fn dtype(&self) -> DType {
        self.bytes.tensor.info().dtype
    }

    /// With our own kernels.
    fn by_kernels(&self, isa: Isa, x: &[f32], stop: &Stop) -> Result<Vec<f32>> {
        thread_local! {
            static ROUNDED: RefCell<Activations> = RefCell::default();
        }
        let (n, k, dtype, bytes) = (self.outputs, self.inputs, self.dtype(), self.bytes.tensor.bytes()?);
        let mut y = vec![0.0; x.len() / k * n];
        ROUNDED.with_borrow_mut(|rounded| {
            rounded.set(isa, grid(dtype).expect("a type the kernels know"), x, k);
            let (rounded, to) = (&*rounded, Shared(y.as_mut_ptr()));
            each(n.div_ceil(COLUMNS), x.len() * n, |range| {
                for at in range.filter(|_| !stop.is_set()) {
                    let columns = at * COLUMNS..((at + 1) * COLUMNS).min(n);
                    // SAFETY: y has room for (t, n), and each of its columns is in one range.
                    unsafe { product(isa, dtype, bytes, n, rounded, columns, to.get()) };
                }
            });
        });
        stop.check()?;
        Ok(y)
    }

    /// With candle's packed kernels, some rows of x at a time.
    fn by_tiles(&self, packed: &QTensor, x: &Candle, y: &mut [f32], stop: &Stop) -> Fallible<()> {
        let t = x.dim(0)?;
        // Tiles of one size, in rows of four as the kernels take them.
        let tile = t.div_ceil(t.div_ceil(TILE)).next_multiple_of(4);
        for (i, y) in y.chunks_mut(tile * self.outputs).enumerate() {
            stop.check()?;
            let rows = x.narrow(0, i * tile, tile.min(t - i * tile))?;
            with(&rows.apply_op1_no_bwd(packed)?, |product| {
                y.copy_from_slice(product);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// With panels of the weight, in parallel.
    fn by_panels(&self, x: &[f32], y: &mut [f32], stop: &Stop) -> Result<()> {
        let x = &match self.dtype().layout().elements {
            1 => Cow::Borrowed(x),
            _ => Cow::Owned(eight_bits::rounded(self.dtype(), x)),
        };
        let (n, k) = (self.outputs, self.inputs);
        let t = x.len() / k.max(1);
        let even = n.div_ceil(8 * threads());
        let rows = (PANEL / k.max(1)).min(even).next_multiple_of(8).clamp(8, n.max(8));
        let (y, failed) = (Shared(y.as_mut_ptr()), Mutex::new(None));
        each(n.div_ceil(rows), t * n * k, |range| {
            for panel in range {
                let (first, count) = (panel * rows, rows.min(n - panel * rows));
                // SAFETY: panels are columns `first ..` of y, `count` of n, which no other call writes.
                let done = unsafe { self.panel(first, count, x, y.get().add(first), stop) };
                if let Err(error) = done {
                    *failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                    return;
                }
            }
        });
        failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }

    /// Columns `first ..` of the product, `count` of them, to `y`, whose rows are n apart.
    ///
    /// # Safety
    /// `count` columns of as many rows as x has may be written there, by this thread alone.
    unsafe fn panel(&self, first: usize, count: usize, x: &[f32], y: *mut f32, stop: &Stop) -> Result<()> {
        let (n, k) = (self.outputs, self.inputs);
        let t = x.len() / k;
        stop.check()?;
        let bytes = self.bytes.get()?;
        let row = bytes.len() / n;
        let bytes = &bytes[first * row..][..count * row];
        if t < PANEL_ROWS {
            let mut columns = vec![0.0; t * count];
            if !dots::products(self.dtype(), bytes, x, k, &mut columns, count) {
                self.decoded(bytes, first, count, |w| dots::products_f32(w, x, k, &mut columns, count))?;
            }
            for (row, columns) in columns.chunks_exact(count).enumerate() {
                // SAFETY: the caller's promise.
                unsafe { std::ptr::copy_nonoverlapping(columns.as_ptr(), y.add(row * n), count) };
            }
            return Ok(());
        }
        self.decoded(bytes, first, count, |w| {
            let (x, w) = (View { values: x, row: k, column: 1 }, View { values: w, row: k, column: 1 });
            // SAFETY: the caller's promise.
            unsafe { product_to((t, count, k), y, n, x, w.turned(), false) };
        })
    }

    /// Rows `first ..` of the weight, which are these bytes, as f32 for the time of `f`.
    fn decoded(&self, bytes: &[u8], first: usize, count: usize, f: impl FnOnce(&[f32])) -> Result<()> {
        thread_local! {
            static PANEL: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        if self.dtype() == DType::F32 {
            f(dots::floats(bytes));
            return Ok(());
        }
        PANEL.with_borrow_mut(|panel| {
            panel.resize(count * self.inputs, 0.0);
            if !dots::widen(self.dtype(), bytes, panel) {
                self.bytes.tensor.rows_to_f32(first, panel)?;
            }
            f(panel);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;
    use wick_spec::Code;
    use wick_testkit::{Checkpoint, Random, assert_close, random_blocks};
    use wick_weights::Tensors;

    fn tensor(dtype: DType, n: usize, k: usize, values: &[f32]) -> Tensor {
        let bytes = match ggml(dtype) {
            Some(dtype) => {
                let dense = Candle::from_slice(values, (n, k), &Device::Cpu).expect("as many values");
                let quantised = QTensor::quantize(&dense, dtype).and_then(|q| q.data().map(|data| data.to_vec()));
                quantised.expect("a type candle can write")
            }
            None => random_blocks(dtype, n * k, 7),
        };
        let mut file = Checkpoint::new();
        file.insert_bytes("w", dtype, &[n, k], &bytes);
        file.tensor("w").expect("just added")
    }

    #[test]
    fn every_type_at_every_number_of_rows() {
        let mut random = Random::new(4);
        for dtype in DType::known() {
            for (n, k) in [(48, 256), (35, 512)] {
                let w = tensor(dtype, n, k, &random.values(n * k, 1.0));
                let decoded = w.to_f32().expect("a type we decode");
                let matrix = Matrix::new(w, n, k).expect("a weight");
                for t in [1, 2, 5, 9, 130] {
                    let x = random.values(t * k, 1.0);
                    let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| x * w).sum::<f32>();
                    let expected: Vec<f32> = x.chunks(k).flat_map(|x| decoded.chunks(k).map(move |w| dot(x, w))).collect();
                    let x = Candle::from_vec(x, (t, k), &Device::Cpu).expect("as many values");
                    let y = matrix.forward(&x, &Stop::default()).expect("sizes fit");
                    assert_eq!(y.dims(), [t, n]);
                    // Products with blocks round x to eight bits, as every engine does.
                    let y = y.flatten_all().and_then(|y| y.to_vec1::<f32>()).expect("f32");
                    assert_close(&y, &expected, 1e-2, &format!("{dtype} {n} {k} {t}"));
                }
            }
        }
    }

    #[test]
    fn rows_together_are_rows_alone() {
        let mut random = Random::new(5);
        for dtype in DType::known() {
            let (n, k, t) = (48, 512, 9);
            let matrix = Matrix::new(tensor(dtype, n, k, &random.values(n * k, 1.0)), n, k).expect("a weight");
            let x = Candle::from_vec(random.values(t * k, 1.0), (t, k), &Device::Cpu).expect("as many values");
            let product = |x: &Candle| {
                let y = matrix.forward(x, &Stop::default()).expect("sizes fit");
                y.flatten_all().and_then(|y| y.to_vec1::<f32>()).expect("f32")
            };
            let alone: Vec<f32> = (0..t).flat_map(|row| product(&x.narrow(0, row, 1).expect("a row"))).collect();
            assert_close(&product(&x), &alone, 1e-3, &format!("{dtype}"));
        }
    }

    #[test]
    fn a_stop_ends_every_way() {
        let stop = Stop::default();
        stop.set();
        for (dtype, t) in [(DType::F32, 1), (DType::F16, 64), (DType::Q4_K, 64), (DType::Q5_0, 2), (DType::Q5_0, 64)] {
            let matrix = Matrix::new(tensor(dtype, 16, 256, &vec![0.5; 16 * 256]), 16, 256).expect("a weight");
            let x = Candle::zeros((t, 256), candle_core::DType::F32, &Device::Cpu).expect("small");
            let failure = matrix.forward(&x, &stop).expect_err("stopped");
            assert_eq!(failure.at("here").code(), Code::Cancelled);
        }
    }
}
