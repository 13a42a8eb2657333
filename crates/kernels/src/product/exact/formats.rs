//! The types, element by element.

use super::super::format::E2M1;
use super::{Exact, LANES};

/// The plain types: eight elements of so many bytes, each made f32.
macro_rules! plain {
    ($($name:ident, $bytes:literal, $doc:literal, $value:expr;)*) => {
        $(
            #[doc = $doc]
            pub(in super::super) struct $name;

            impl Exact for $name {
                const BYTES: usize = LANES * $bytes;

                #[inline(always)]
                fn eight(row: &[u8], i: usize) -> [f32; LANES] {
                    let bytes = row[Self::BYTES * i..][..Self::BYTES].as_chunks::<$bytes>().0;
                    std::array::from_fn(|lane| $value(bytes[lane]))
                }
            }
        )*
    };
}

plain! {
    F32, 4, "Single precision.", f32::from_le_bytes;
    F16, 2, "Half precision.", |bytes| half::f16::from_le_bytes(bytes).to_f32();
    BF16, 2, "The upper half of single precision.", |bytes| half::bf16::from_le_bytes(bytes).to_f32();
}

/// Four runs of 16 elements: their scales (4 × E4M3), 8 bytes of nibbles each, low ones first, that name E2M1.
pub(in super::super) struct NVFP4;

impl NVFP4 {
    /// Elements of a block.
    pub(in super::super) const ELEMENTS: usize = 64;
    /// Bytes of a block.
    pub(in super::super) const BLOCK: usize = 36;
}

impl Exact for NVFP4 {
    const BYTES: usize = Self::BLOCK / (Self::ELEMENTS / LANES);

    #[inline(always)]
    fn eight(row: &[u8], i: usize) -> [f32; LANES] {
        let (block, run, shift) = (&row[i / 8 * Self::BLOCK..][..Self::BLOCK], i % 8 / 2, 4 * (i % 2));
        let scale = E4M3[usize::from(block[run])];
        let codes = &block[4 + 8 * run..][..8];
        std::array::from_fn(|lane| scale * f32::from(E2M1[usize::from(codes[lane] >> shift & 15)]))
    }
}

/// E4M3 whose sign counts for nothing (OCP FP8), halved, because [`E2M1`] is doubled: `m · 2^-10`, `(8 + m) · 2^(e - 11)`. 127,
/// which the format calls NaN, is 0, as it is to ggml.
pub(in super::super) static E4M3: [f32; 256] = {
    let mut values = [0.0; 256];
    let mut x = 0;
    while x < 256 {
        let (exponent, mantissa) = (x >> 3 & 15, x & 7);
        values[x] = match exponent {
            _ if x == 127 => 0.0,
            0 => mantissa as f32 / 1024.0,
            _ => (8 + mantissa) as f32 * (1u32 << exponent) as f32 / 2048.0,
        };
        x += 1;
    }
    values
};
