//! f32 to the types that `wick quantize` and `wick convert` write.
//!
//! Types of 32 elements are equal to the bit with ggml's reference. How K-quants are rounded is nowhere laid down: [`fit`] has our way.

mod blocks;
mod fit;
mod kquants;
mod lanes;

use half::{bf16, f16};
use wick_spec::{Error, Result};

use crate::DType;

/// How a block of a type is written.
struct Written {
    dtype: DType,
    write: fn(&[f32], &mut Vec<u8>),
    /// The largest magnitude the type can hold; values that round to infinity are beyond it.
    largest: f32,
}

/// What rounds to f16's largest rather than to infinity lies below 65520.
const SCALE: f32 = 65519.0;

const fn row(dtype: DType, largest: f32, write: fn(&[f32], &mut Vec<u8>)) -> Written {
    Written { dtype, write, largest }
}

/// The types there are, those of more bits first.
static WRITTEN: [Written; 10] = [
    row(DType::F32, f32::MAX, |block, out| out.extend_from_slice(&block[0].to_le_bytes())),
    row(DType::F16, SCALE, |block, out| out.extend_from_slice(&f16::from_f32(block[0]).to_le_bytes())),
    row(DType::BF16, f32::from_bits(0x7f7f_7fff), |block, out| {
        out.extend_from_slice(&bf16::from_f32(block[0]).to_le_bytes());
    }),
    row(DType::Q8_0, SCALE * 127.0, blocks::q8_0),
    row(DType::Q6_K, SCALE * 127.0 * 31.0, kquants::q6_k),
    row(DType::Q5_K, SCALE * 63.0, kquants::q5_k),
    // The minimum is an f16 itself.
    row(DType::Q5_1, SCALE, blocks::q5_1),
    row(DType::Q5_0, SCALE * 16.0, blocks::q5_0),
    row(DType::Q4_K, SCALE * 63.0, kquants::q4_k),
    row(DType::Q4_0, SCALE * 8.0, blocks::q4_0),
];

/// The types that [`quantize`] writes, those of more bits first.
pub fn written() -> impl Iterator<Item = DType> {
    WRITTEN.iter().map(|row| row.dtype)
}

/// Appends `rows`, a (n, cols) array, to `out` in the layout of `dtype`, one of [`written`].
///
/// # Errors
/// `unsupported` for other types; `invalid-request` when `rows` are no whole rows, or a row no whole blocks; `model-invalid`
/// when a value is not finite, or not in the range of the type.
pub fn quantize(dtype: DType, rows: &[f32], cols: usize, out: &mut Vec<u8>) -> Result<()> {
    let Some(&Written { write, largest, .. }) = WRITTEN.iter().find(|row| row.dtype == dtype) else {
        let known = written().map(DType::name).collect::<Vec<_>>().join(", ");
        return Err(Error::unsupported(format!("wick does not write {dtype}; it writes {known}.")));
    };
    let layout = dtype.layout();
    if cols == 0 || !rows.len().is_multiple_of(cols) || !cols.is_multiple_of(layout.elements) {
        let (len, block) = (rows.len(), layout.elements);
        return Err(Error::invalid_request(format!(
            "{len} elements in rows of {cols} are no whole rows of whole {dtype} blocks ({block})."
        )));
    }
    if let Some(at) = rows.iter().position(|x| x.is_nan() || x.abs() > largest) {
        let (row, col, x) = (at / cols, at % cols, rows[at]);
        return Err(Error::model_invalid(format!(
            "The value {x} in row {row}, column {col} cannot be written as {dtype}, whose largest is {largest:e}."
        )));
    }
    out.reserve(rows.len() / layout.elements * layout.bytes);
    for block in rows.chunks_exact(layout.elements) {
        write(block, out);
    }
    Ok(())
}
