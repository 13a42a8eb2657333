//! The unquantised types.

use half::slice::HalfFloatSliceExt;

/// Little-endian f32, at any alignment.
pub(crate) fn f32(bytes: &[u8], out: &mut [f32]) {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice_mut::<f32, u8>(out).copy_from_slice(bytes);
    } else {
        super::each_block(bytes, out, |bytes: &[u8; 4], out: &mut [f32; 1]| out[0] = f32::from_le_bytes(*bytes));
    }
}

/// IEEE half precision.
pub(crate) fn f16(bytes: &[u8], out: &mut [f32]) {
    match bytemuck::try_cast_slice::<u8, half::f16>(bytes) {
        // The whole slice at once uses the processor's own conversion where it has one.
        Ok(halves) if cfg!(target_endian = "little") => halves.convert_to_f32_slice(out),
        _ => super::each_block(bytes, out, |bytes: &[u8; 2], out: &mut [f32; 1]| out[0] = super::half(bytes, 0)),
    }
}

/// The upper half of an f32.
pub(crate) fn bf16(bytes: &[u8], out: &mut [f32]) {
    super::each_block(bytes, out, |bytes: &[u8; 2], out: &mut [f32; 1]| {
        out[0] = f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16);
    });
}
