//! Keys and values of a block as rows of vectors, decoded as they are loaded.

use super::POSITIONS;
use super::kv::{GROUP, KvLayout};
use super::product::{Floats, Rows, place, vectors};
use super::vector::Vector;

/// How a type is read.
pub(super) trait Kept<V: Vector> {
    type Keys: Rows<V>;
    type Values: Rows<V>;
    /// Either, decoded.
    type Decoded: Rows<V>;

    /// Whether one row alone is read the faster for asking for memory ahead.
    const ASKS: bool;

    /// What was decoded to `from`. Reading it asks for the like of it at `next`.
    fn decoded(from: *const f32, columns: usize, next: *const u8) -> Self::Decoded;

    /// The keys, (d, 32), and the values, (32, width), of the kv-head of a block that begins at `head`. Reading a row asks for the
    /// memory `ahead` bytes on; with 0, for nothing.
    ///
    /// # Safety
    /// It is there as long as rows are read.
    unsafe fn of(layout: KvLayout, head: *const u8, ahead: isize) -> (Self::Keys, Self::Values);
}

/// Rows of elements that are decoded one by one.
#[derive(Clone, Copy)]
pub(super) struct Elements<T> {
    from: *const T,
    columns: usize,
    ahead: isize,
}

/// Such an element.
pub(super) trait Element<V: Vector>: Copy {
    /// # Safety
    /// There are LANES, and the processor has the instructions.
    unsafe fn load(from: *const Self) -> V;
}

impl<V: Vector> Element<V> for f32 {
    #[inline(always)]
    unsafe fn load(from: *const Self) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load(from) }
    }
}

/// Half precision.
impl<V: Vector> Element<V> for u16 {
    #[inline(always)]
    unsafe fn load(from: *const Self) -> V {
        // SAFETY: the caller's promise.
        unsafe { V::load_f16(from) }
    }
}

impl<V: Vector, T: Element<V>> Rows<V> for Elements<T> {
    #[inline(always)]
    unsafe fn load<const N: usize>(self, row: usize, column: usize, _: [V; N]) -> [V; N] {
        let from = self.from.wrapping_add(place(row, column, self.columns));
        V::prefetch::<false>(from.cast::<u8>().wrapping_offset(self.ahead));
        // SAFETY: the caller's promise.
        vectors(|j| unsafe { T::load(from.wrapping_add(j * V::LANES)) })
    }
}

impl<V: Vector, T: Element<V>> Kept<V> for T {
    type Keys = Elements<T>;
    type Values = Elements<T>;
    type Decoded = Floats<false>;

    const ASKS: bool = false;

    #[inline(always)]
    fn decoded(from: *const f32, columns: usize, next: *const u8) -> Self::Decoded {
        Floats { from, columns, next, size: size_of::<T>() }
    }

    #[inline(always)]
    unsafe fn of(layout: KvLayout, head: *const u8, ahead: isize) -> (Self::Keys, Self::Values) {
        let values = head.wrapping_add(layout.parts().values);
        let rows = |from: *const u8, columns| Elements { from: from.cast(), columns, ahead };
        (rows(head, POSITIONS), rows(values, layout.width()))
    }
}

/// [`KvType::Q8_0`](super::KvType::Q8_0).
pub(super) struct Bytes;

/// Rows of bytes, a scale for each 32 rows of a column.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    from: *const i8,
    /// (groups, 32)
    scales: *const u16,
    ahead: isize,
}

/// Rows of bytes, a scale for each 32 columns of a row.
#[derive(Clone, Copy)]
pub(super) struct Values {
    from: *const i8,
    /// (groups, 32)
    scales: *const u16,
    width: usize,
    ahead: isize,
}

impl<V: Vector> Rows<V> for Keys {
    const SHARING: usize = GROUP;

    #[inline(always)]
    unsafe fn shared<const N: usize>(self, row: usize, column: usize) -> [V; N] {
        let scales = self.scales.wrapping_add(row / GROUP * POSITIONS + column);
        // SAFETY: the caller's promise.
        vectors(|j| unsafe { V::load_f16(scales.wrapping_add(j * V::LANES)) })
    }

    #[inline(always)]
    unsafe fn load<const N: usize>(self, row: usize, column: usize, scales: [V; N]) -> [V; N] {
        let from = self.from.wrapping_add(row * POSITIONS + column);
        V::prefetch::<true>(from.cast::<u8>().wrapping_offset(self.ahead));
        // SAFETY: the caller's promise.
        vectors(|j| unsafe { V::load_i8(from.wrapping_add(j * V::LANES)).mul(scales[j]) })
    }
}

impl<V: Vector> Rows<V> for Values {
    #[inline(always)]
    unsafe fn load<const N: usize>(self, row: usize, column: usize, _: [V; N]) -> [V; N] {
        let from = self.from.wrapping_add(place(row, column, self.width));
        V::prefetch::<true>(from.cast::<u8>().wrapping_offset(self.ahead));
        // SAFETY: the caller's promise; a panel's columns share their scales.
        unsafe {
            let scale = V::splat_f16(*self.scales.wrapping_add(column / GROUP * POSITIONS + row));
            vectors(|j| V::load_i8(from.wrapping_add(j * V::LANES)).mul(scale))
        }
    }
}

impl<V: Vector> Kept<V> for Bytes {
    type Keys = Keys;
    type Values = Values;
    type Decoded = Floats<true>;

    const ASKS: bool = true;

    #[inline(always)]
    fn decoded(from: *const f32, columns: usize, next: *const u8) -> Self::Decoded {
        Floats { from, columns, next, size: 1 }
    }

    #[inline(always)]
    unsafe fn of(layout: KvLayout, head: *const u8, ahead: isize) -> (Keys, Values) {
        let (parts, width) = (layout.parts(), layout.width());
        let at = |part: usize| head.wrapping_add(part);
        let keys = Keys { from: head.cast(), scales: at(parts.key_scales).cast(), ahead };
        let (from, scales) = (at(parts.values).cast(), at(parts.value_scales).cast());
        (keys, Values { from, scales, width, ahead })
    }
}
