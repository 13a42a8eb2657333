//! Products for any processor, and the truth that the others are held to.

use super::Call;
use super::format::{Format, Mins, Unpacked};

/// Of a block with the activations of its group: both whole numbers, or their difference and 0 where one scale is of both.
fn parts<F: Format>(block: &Unpacked, x: &[i8], sums: &[i16]) -> (i32, i32) {
    let (mut products, mut mins) = (0i32, 0i32);
    for (j, (x, &sum)) in x.as_chunks::<16>().0.iter().zip(sums).enumerate() {
        let q = &block.q[16 * j..][..16];
        let dot: i32 = q.iter().zip(x).map(|(&q, &x)| i32::from(q) * i32::from(x)).sum();
        products += i32::from(block.scales[j]) * dot;
        mins += i32::from(block.mins[j]) * i32::from(sum);
    }
    match F::MINS {
        Mins::Own => (products, mins),
        Mins::Offset => (products - mins, 0),
    }
}

/// # Safety
/// As [`super::product`].
pub(super) unsafe fn product<F: Format>(call: &Call<'_>) {
    let (size, groups, t) = (F::GRID.elements(), call.groups::<F>(), call.x.rows());
    let mut block = Unpacked::default();
    let mut y = vec![0.0f32; t];
    for column in call.columns.clone() {
        y.fill(0.0);
        let row = &call.bytes[column * call.row_bytes()..][..call.row_bytes()];
        for (g, bytes) in row.chunks_exact(F::BYTES).enumerate() {
            F::unpack(bytes, &mut block);
            if let Some(table) = &F::TABLE {
                let added = if F::SIGNED { 128 } else { 0 };
                block.q[..size].iter_mut().for_each(|q| *q = (table[usize::from(*q)] as u8).wrapping_add(added));
            }
            let (d, dmin) = (F::SCALE.read(bytes, F::D), F::SCALE.read(bytes, F::DMIN));
            for (r, y) in y.iter_mut().enumerate() {
                let at = r * groups + g;
                let (products, mins) =
                    parts::<F>(&block, &call.x.q[at * size..][..size], &call.x.sums[at * size / 16..][..size / 16]);
                *y = (d * call.x.d[at]).mul_add(products as f32, *y);
                if F::MINS == Mins::Own {
                    *y = (-dmin * call.x.d[at]).mul_add(mins as f32, *y);
                }
            }
        }
        for (r, y) in y.iter().enumerate() {
            // SAFETY: the caller's promise.
            unsafe { *call.y.add(r * call.n + column) = *y };
        }
    }
}
