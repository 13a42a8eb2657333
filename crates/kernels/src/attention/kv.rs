//! Keys and values in blocks of positions.
//!
//! A block of a layer holds, kv-head by kv-head, the keys of its positions and then the values. Keys lie transposed, (d, 32), so
//! that the scores of neighbouring positions are neighbouring lanes. Values lie (32, d) in panels of 32 columns, rows padded to 16:
//! they are mixed panel by panel. So what is read of a block is read in the order in which it lies.

use super::product;
use super::vector::Vector;
use crate::Isa;
use crate::isa::Kind;

/// Positions of a block.
pub const POSITIONS: usize = 32;

/// Values that share a scale in [`KvType::Q8_0`].
pub(super) const GROUP: usize = 32;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KvType {
    /// As they were computed: 32 bits an element.
    F32,
    /// Half precision, clamped to ±65504: 16 bits an element, to within 2^-11 of it (2^-25 below 2^-14).
    F16,
    /// Eight bits and a half-precision scale for each 32 elements of a head's key or value, as GGML's type of that name: 8.5 bits an
    /// element, to within half a scale. A scale is 1/127 of the group's largest magnitude, rounded, at most 65504.
    Q8_0,
}

impl KvType {
    /// Bytes of an element, scales apart.
    pub(super) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8_0 => 1,
        }
    }
}

/// What a layer keeps, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvLayout {
    /// The type of keys and of values.
    pub kv_type: KvType,
    /// g, 1 and up.
    pub kv_heads: usize,
    /// d, 1 and up.
    pub head_dim: usize,
}

/// Where the parts of one kv-head are, in bytes from its beginning.
pub(super) struct Parts {
    pub(super) key_scales: usize,
    pub(super) values: usize,
    pub(super) value_scales: usize,
    bytes: usize,
}

impl KvLayout {
    /// Bytes of one block of one layer, keys and values: a multiple of 64.
    pub fn bytes(self) -> usize {
        self.kv_heads * self.parts().bytes
    }

    /// d, padded as a row of values is.
    pub(super) fn width(self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    pub(super) fn parts(self) -> Parts {
        let size = self.kv_type.size();
        let scales = if self.kv_type == KvType::Q8_0 { 2 * POSITIONS * self.head_dim.div_ceil(GROUP) } else { 0 };
        let key_scales = POSITIONS * self.head_dim * size;
        let values = key_scales + scales;
        let value_scales = values + POSITIONS * self.width() * size;
        Parts { key_scales, values, value_scales, bytes: (value_scales + scales).next_multiple_of(64) }
    }
}

/// One layer's blocks.
#[derive(Debug, Clone, Copy)]
pub struct Cache<'a> {
    slabs: &'a [*mut u8],
    offset: usize,
    layout: KvLayout,
}

// SAFETY: the pointers are used by `write`, whose caller says that nobody else uses the place, and for reading by `attend`, while
// nobody writes (the promise of `Cache::new`).
unsafe impl Send for Cache<'_> {}
// SAFETY: as above.
unsafe impl Sync for Cache<'_> {}

impl<'a> Cache<'a> {
    /// Blocks of `layout`: block b is the `layout.bytes()` bytes at `slabs[b] + offset`. A slab that no sequence uses may be null.
    ///
    /// # Safety
    /// As long as the cache or a copy of it is used: every block that is named to it lies in memory that is allocated and
    /// initialised (to anything), at an address that is a multiple of 4, and no two overlap. Nobody writes blocks while
    /// [`attend`](super::attend) reads them.
    pub unsafe fn new(slabs: &'a [*mut u8], offset: usize, layout: KvLayout) -> Self {
        Self { slabs, offset, layout }
    }

    /// What it keeps.
    pub fn layout(&self) -> KvLayout {
        self.layout
    }

    /// How many blocks there can be.
    pub(super) fn blocks(&self) -> usize {
        self.slabs.len()
    }

    /// The beginning of a kv-head in a block.
    ///
    /// # Safety
    /// There is such a block.
    #[inline(always)]
    pub(super) unsafe fn head(&self, block: u32, head: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        unsafe { self.slabs.get_unchecked(block as usize).add(self.offset + head * self.layout.parts().bytes) }
    }
}

/// Keeps `key` and `value`, (g, d) each, as token `place` of a block.
///
/// # Safety
/// The block exists, and nobody else uses this place of it meanwhile; other threads may write its other places.
///
/// # Panics
/// When `place` or the lengths are wrong, or there is no such block.
pub unsafe fn write(isa: Isa, cache: &Cache<'_>, block: u32, place: usize, key: &[f32], value: &[f32]) {
    let KvLayout { kv_heads, head_dim, .. } = cache.layout;
    assert!(place < POSITIONS && (block as usize) < cache.blocks(), "a place of a block that there is");
    assert!(key.len() == kv_heads * head_dim && value.len() == key.len(), "(g, d)");
    // SAFETY: the caller's promise; an `Isa` names what the processor has.
    unsafe {
        match isa.kind() {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => write_avx512(cache, block, place, key, value),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => write_avx2(cache, block, place, key, value),
            _ => write_with::<super::vector::Scalar>(cache, block, place, key, value),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn write_avx2(cache: &Cache<'_>, block: u32, place: usize, key: &[f32], value: &[f32]) {
    // SAFETY: the caller's promise.
    unsafe { write_with::<super::vector::Avx2>(cache, block, place, key, value) };
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl")]
unsafe fn write_avx512(cache: &Cache<'_>, block: u32, place: usize, key: &[f32], value: &[f32]) {
    // SAFETY: the caller's promise.
    unsafe { write_with::<super::vector::Avx512>(cache, block, place, key, value) };
}

#[inline(always)]
unsafe fn write_with<V: Vector>(cache: &Cache<'_>, block: u32, place: usize, key: &[f32], value: &[f32]) {
    let KvLayout { kv_type, kv_heads, head_dim: d } = cache.layout;
    let (parts, width) = (cache.layout.parts(), cache.layout.width());
    for head in 0..kv_heads {
        for (c, at) in (0..d).step_by(GROUP).zip(0..) {
            let n = GROUP.min(d - c);
            let (key, value) = (group(&key[head * d + c..][..n]), group(&value[head * d + c..][..n]));
            // Of the row of values, its padding included.
            let whole = GROUP.min(width - c);
            // SAFETY: the kv-head's parts are as long as the layout says, and this place of them is the caller's.
            unsafe {
                let head = cache.head(block, head);
                let (keys, values) = (head, head.add(parts.values));
                let (key_at, value_at) = (c * POSITIONS + place, product::place(place, c, width));
                match kv_type {
                    KvType::F32 => {
                        scatter(&key[..n], keys.cast::<f32>().add(key_at));
                        values.cast::<f32>().add(value_at).copy_from_nonoverlapping(value.as_ptr(), whole);
                    }
                    KvType::F16 => {
                        scatter(&halves::<V>(&key)[..n], keys.cast::<u16>().add(key_at));
                        values.cast::<u16>().add(value_at).copy_from_nonoverlapping(halves::<V>(&value).as_ptr(), whole);
                    }
                    KvType::Q8_0 => {
                        let (q, scale) = bytes(&key);
                        scatter(&q[..n], keys.cast::<i8>().add(key_at));
                        head.add(parts.key_scales).cast::<u16>().add(at * POSITIONS + place).write(scale);
                        let (q, scale) = bytes(&value);
                        values.cast::<i8>().add(value_at).copy_from_nonoverlapping(q.as_ptr(), whole);
                        head.add(parts.value_scales).cast::<u16>().add(at * POSITIONS + place).write(scale);
                    }
                }
            }
        }
    }
}

/// A group's values, and zeros where there are fewer.
#[inline(always)]
fn group(x: &[f32]) -> [f32; GROUP] {
    let mut whole = [0.0; GROUP];
    whole[..x.len()].copy_from_slice(x);
    whole
}

/// To one place of as many rows of keys.
#[inline(always)]
unsafe fn scatter<T: Copy>(x: &[T], to: *mut T) {
    for (i, &x) in x.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { to.add(i * POSITIONS).write(x) };
    }
}

/// Rounded to half precision.
#[inline(always)]
unsafe fn halves<V: Vector>(x: &[f32; GROUP]) -> [u16; GROUP] {
    const MOST: f32 = 65504.0;
    let mut y = [0; GROUP];
    for i in (0..GROUP).step_by(V::LANES) {
        // SAFETY: the processor has the instructions; LANES divides 32. What is no number stays that.
        unsafe {
            let x = V::splat(-MOST).max(V::splat(MOST).min(V::load(x.as_ptr().add(i))));
            x.store_f16(y.as_mut_ptr().add(i));
        }
    }
    y
}

/// Rounded to bytes times a scale, which is given as half precision.
#[inline(always)]
fn bytes(x: &[f32; GROUP]) -> ([i8; GROUP], u16) {
    const NAN: u16 = 0x7e00;
    let (mut largest, mut nan) = (0.0f32, false);
    for x in x {
        let size = x.abs();
        largest = if size > largest { size } else { largest };
        nan |= x.is_nan();
    }
    if nan {
        return ([1; GROUP], NAN);
    }
    let mut half = half::f16::from_f32_const((largest / 127.0).min(65504.0)).to_bits();
    // A scale that was rounded down so far that 127 of it do not reach: among the subnormal ones.
    if half < 0x7bff && half::f16::from_bits(half).to_f32_const() * 127.5 < largest {
        half += 1;
    }
    let scale = half::f16::from_bits(half).to_f32_const();
    let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
    let mut q = [0; GROUP];
    for (q, x) in q.iter_mut().zip(x) {
        // Adding it leaves the nearest whole number in the lowest bits.
        let near = (x * inverse).clamp(-127.0, 127.0) + 12_582_912.0;
        *q = near.to_bits() as i8;
    }
    (q, half)
}

/// What is kept of a token: key and value, (g, d) each, read element by element.
///
/// # Safety
/// There is such a place, and nobody writes it.
#[cfg(test)]
pub(super) unsafe fn read(cache: &Cache<'_>, block: u32, place: usize) -> [Vec<f32>; 2] {
    let (layout, d) = (cache.layout, cache.layout.head_dim);
    let parts = layout.parts();
    let element = |from: *const u8, at: usize, scales: *const u8, scale: usize| {
        // SAFETY: the caller's promise.
        unsafe {
            let half = |from: *const u8, at: usize| half::f16::from_bits(*from.cast::<u16>().add(at)).to_f32();
            match layout.kv_type {
                KvType::F32 => *from.cast::<f32>().add(at),
                KvType::F16 => half(from, at),
                KvType::Q8_0 => f32::from(*from.cast::<i8>().add(at)) * half(scales, scale),
            }
        }
    };
    let mut kept = [Vec::new(), Vec::new()];
    for head in 0..layout.kv_heads {
        for c in 0..d {
            // SAFETY: the caller's promise.
            unsafe {
                let head = cache.head(block, head);
                let scales = head.add(parts.key_scales);
                kept[0].push(element(head, c * POSITIONS + place, scales, c / GROUP * POSITIONS + place));
                let (values, scales) = (head.add(parts.values), head.add(parts.value_scales));
                kept[1].push(element(
                    values,
                    product::place(place, c, layout.width()),
                    scales,
                    c / GROUP * POSITIONS + place,
                ));
            }
        }
    }
    kept
}
