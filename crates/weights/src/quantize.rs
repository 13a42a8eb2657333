//! f32 to the types that `wick quantize` and `wick convert` write, equal to the bit with ggml's reference.

use half::{bf16, f16};
use wick_spec::{Error, Result};

use crate::DType;

/// Appends `rows`, a (n, cols) array, to `out` in the layout of `dtype`: F32, F16, BF16, Q8_0 or Q4_0.
///
/// # Errors
/// `unsupported` for other types; `invalid-request` when `rows` are no whole rows, or a row no whole blocks; `model-invalid`
/// when a value is not finite, or not in the range of the type.
pub fn quantize(dtype: DType, rows: &[f32], cols: usize, out: &mut Vec<u8>) -> Result<()> {
    let write: fn(&[f32], &mut Vec<u8>) = match dtype {
        DType::F32 => |block, out| out.extend_from_slice(&block[0].to_le_bytes()),
        DType::F16 => |block, out| out.extend_from_slice(&f16::from_f32(block[0]).to_le_bytes()),
        DType::BF16 => |block, out| out.extend_from_slice(&bf16::from_f32(block[0]).to_le_bytes()),
        DType::Q8_0 => q8_0,
        DType::Q4_0 => q4_0,
        other => {
            return Err(Error::unsupported(format!(
                "wick does not write {other}; it writes F32, F16, BF16, Q8_0 and Q4_0."
            )));
        }
    };
    let layout = dtype.layout();
    if cols == 0 || !rows.len().is_multiple_of(cols) || !cols.is_multiple_of(layout.elements) {
        let (len, block) = (rows.len(), layout.elements);
        return Err(Error::invalid_request(format!(
            "{len} elements in rows of {cols} are no whole rows of whole {dtype} blocks ({block})."
        )));
    }
    let largest = largest(dtype);
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

/// The largest magnitude the type can hold; values that round to infinity are beyond it.
fn largest(dtype: DType) -> f32 {
    // What rounds to f16's largest rather than to infinity lies below 65520.
    const SCALE: f32 = 65519.0;
    match dtype {
        DType::F16 => SCALE,
        DType::Q8_0 => SCALE * 127.0,
        DType::Q4_0 => SCALE * 8.0,
        DType::BF16 => f32::from_bits(0x7f7f_7fff),
        _ => f32::MAX,
    }
}

/// d = max |x| / 127 as f16, then q = round(x / d), halves away from zero.
fn q8_0(block: &[f32], out: &mut Vec<u8>) {
    let d = block.iter().fold(0f32, |max, x| max.max(x.abs())) / 127.0;
    let inverse = inverse(d);
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    out.extend(block.iter().map(|x| (x * inverse).round() as i8 as u8));
}

/// d = x / -8 as f16, where x is the (first) value of largest magnitude, which so becomes q = 0; then q = trunc(x / d + 8.5),
/// 15 at most.
fn q4_0(block: &[f32], out: &mut Vec<u8>) {
    let extreme = block.iter().fold(0f32, |max, &x| if x.abs() > max.abs() { x } else { max });
    let d = extreme / -8.0;
    let inverse = inverse(d);
    let q = |x: f32| (x * inverse + 8.5).clamp(0.0, 15.0) as u8;
    out.extend_from_slice(&f16::from_f32(d).to_le_bytes());
    let (low, high) = block.split_at(block.len() / 2);
    out.extend(low.iter().zip(high).map(|(&low, &high)| q(low) | q(high) << 4));
}

/// 1 / d, and 0 where that is no number: the scale is then 0 as f16 too.
fn inverse(d: f32) -> f32 {
    let inverse = d.recip();
    if inverse.is_finite() { inverse } else { 0.0 }
}
