//! `y = x · Wᵀ` with W in the layout of its file.
//!
//! Few rows of x read the file's blocks as they are. Many rows read panels: some columns' blocks, unpacked to bytes and
//! interleaved, in the calling thread's scratch. Both compute each column of each row alike, to the bit.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod exact;
mod format;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod streams;

use std::ops::Range;

use wick_weights::DType;

#[cfg(target_arch = "x86_64")]
use crate::isa::Kind;
use crate::{Activations, Grid, Isa};
use format::{Format, IQ4NL, IQ4XS, MXFP4, Q2K, Q3K, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0};

/// Columns computed side by side.
pub(crate) const COLUMNS: usize = 8;

macro_rules! by_type {
    ($dtype:expr, $format:ident => $body:expr, _ => $other:expr) => {
        by_type!($dtype, $format => $body, _ => $other, {
            Q4_0 => Q4_0, Q4_1 => Q4_1, Q5_0 => Q5_0, Q5_1 => Q5_1, Q8_0 => Q8_0, Q2_K => Q2K, Q3_K => Q3K, Q4_K => Q4K,
            Q5_K => Q5K, Q6_K => Q6K, IQ4_NL => IQ4NL, IQ4_XS => IQ4XS, MXFP4 => MXFP4
        })
    };
    ($dtype:expr, $format:ident => $body:expr, _ => $other:expr, { $($name:ident => $row:ident),* }) => {
        match $dtype {
            $(DType::$name => {
                type $format = $row;
                $body
            })*
            _ => $other,
        }
    };
}

/// What products with this type read of x; `None`: there is no product.
pub fn grid(dtype: DType) -> Option<Grid> {
    by_type!(dtype, F => Some(F::GRID), _ => exact::product(Isa::SCALAR, dtype).map(|_| Grid::Exact))
}

/// Whether there is a product with rows of k elements of this type.
pub fn known(dtype: DType, k: usize) -> bool {
    grid(dtype).is_some_and(|grid| k > 0 && k.is_multiple_of(grid.elements()) && dtype.bytes(k).is_some())
}

/// Columns of a product: `y[r · n + c] = x[r] · w[c]` for the rows of x and c in `columns`; w: n rows of `bytes`.
///
/// # Safety
/// `y` has room for (t, n) values, of which nobody else touches these columns.
///
/// # Panics
/// When the type is not [`known`], the activations are not in its form, the bytes are not n rows of their width, or columns are
/// beyond them.
pub unsafe fn product(isa: Isa, dtype: DType, bytes: &[u8], n: usize, x: &Activations, columns: Range<usize>, y: *mut f32) {
    assert!(grid(dtype) == Some(x.grid()), "activations in the form of {dtype}");
    let row_bytes = dtype.bytes(x.width).expect("rows of whole blocks");
    assert!(Some(bytes.len()) == n.checked_mul(row_bytes) && columns.end <= n, "n rows of blocks");
    let call = Call { bytes, row_bytes, n, x, columns, y };
    // SAFETY: the caller's promise, and the processor has what an `Isa` names.
    unsafe {
        if let Some(product) = exact::product(isa, dtype) {
            return product(&call);
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(product) = avx512::known(dtype, x.rows()).filter(|_| isa.kind() == Kind::Avx512) {
            return product(&call);
        }
        by_type!(dtype, F => run::<F>(isa, &call), _ => unreachable!("a type with a grid"))
    }
}

/// What a product is asked for.
struct Call<'a> {
    bytes: &'a [u8],
    row_bytes: usize,
    n: usize,
    x: &'a Activations,
    columns: Range<usize>,
    y: *mut f32,
}

impl Call<'_> {
    /// Bytes of a row of w.
    fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// Groups in a row.
    fn groups<F: Format>(&self) -> usize {
        self.x.width / F::GRID.elements()
    }
}

unsafe fn run<F: Octets>(isa: Isa, call: &Call<'_>) {
    match isa.kind() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the caller's promise, and the processor has what an `Isa` names.
        Kind::Avx2 | Kind::Avx512 => unsafe { avx2::product::<F>(call) },
        // SAFETY: the caller's promise.
        _ => unsafe { scalar::product::<F>(call) },
    }
}

#[cfg(target_arch = "x86_64")]
use avx2::Octets;

/// What [`run`] needs of a type beside the scalar way: nothing here.
#[cfg(not(target_arch = "x86_64"))]
trait Octets: Format {}
#[cfg(not(target_arch = "x86_64"))]
impl<F: Format> Octets for F {}

#[cfg(test)]
mod tests;
