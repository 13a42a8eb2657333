//! Eight floats on any processor: loops that the compiler turns into what vectors the target has.

use super::{Kernel, Vector};

/// Eight floats.
#[derive(Clone, Copy)]
pub(in super::super) struct Scalar([f32; 8]);

impl Scalar {
    #[inline(always)]
    fn map(self, f: impl Fn(f32) -> f32) -> Self {
        let mut y = self.0;
        for y in &mut y {
            *y = f(*y);
        }
        Self(y)
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        let mut y = self.0;
        for (y, other) in y.iter_mut().zip(other.0) {
            *y = f(*y, other);
        }
        Self(y)
    }
}

/// The bits of a half-precision float: its exponent and fraction moved to their places, and the exponent's other bias by a
/// multiplication, which is exact and serves the subnormal ones too.
#[inline(always)]
fn from_f16(half: u16) -> f32 {
    let bits = u32::from(half);
    let size = f32::from_bits((bits & 0x7fff) << 13) * f32::from_bits((127 + 112) << 23);
    let special = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(size.to_bits() | special | (bits & 0x8000) << 16)
}

impl Vector for Scalar {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn call<K: Kernel<Self>>(kernel: &K) {
        #[inline(never)]
        unsafe fn call<K: Kernel<Scalar>>(kernel: &K) {
            // SAFETY: the caller's promise.
            unsafe { kernel.run() };
        }
        // SAFETY: the caller's promise.
        unsafe { call(kernel) };
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise.
        Self(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn splat_f16(x: u16) -> Self {
        Self([from_f16(x); 8])
    }

    #[inline(always)]
    unsafe fn load_f16(from: *const u16) -> Self {
        // SAFETY: the caller's promise.
        let halves = unsafe { from.cast::<[u16; 8]>().read_unaligned() };
        let mut y = [0.0; 8];
        for (y, half) in y.iter_mut().zip(halves) {
            *y = from_f16(half);
        }
        Self(y)
    }

    #[inline(always)]
    unsafe fn load_i8(from: *const i8) -> Self {
        // SAFETY: the caller's promise.
        let bytes = unsafe { from.cast::<[i8; 8]>().read_unaligned() };
        let mut y = [0.0; 8];
        for (y, byte) in y.iter_mut().zip(bytes) {
            *y = f32::from(byte);
        }
        Self(y)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) };
    }

    #[inline(always)]
    unsafe fn store_f16(self, to: *mut u16) {
        let mut halves = [0; 8];
        for (half, x) in halves.iter_mut().zip(self.0) {
            // The conversion that does not ask what the processor is.
            *half = half::f16::from_f32_const(x).to_bits();
        }
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u16; 8]>().write_unaligned(halves) };
    }

    #[inline(always)]
    fn prefetch<const NEAR: bool>(_: *const u8) {}

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }

    #[inline(always)]
    fn madd(self, by: Self, plus: Self) -> Self {
        self.mul(by).add(plus)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }

    #[inline(always)]
    fn abs(self) -> Self {
        self.map(f32::abs)
    }

    #[inline(always)]
    fn signed(self, of: Self) -> Self {
        self.zip(of, f32::copysign)
    }

    #[inline(always)]
    fn scaled(self, power: Self) -> Self {
        self.zip(power, |x, power| x * f32::from_bits(power.to_bits() << 23))
    }

    #[inline(always)]
    fn zero_below(self, x: Self, least: Self) -> Self {
        self.zip(x.zip(least, |x, least| if x < least { 0.0 } else { 1.0 }), |y, keep| if keep == 0.0 { 0.0 } else { y })
    }

    #[inline(always)]
    fn within(self, first: usize, from: usize, to: usize) -> Self {
        let mut y = self.0;
        for (i, y) in y.iter_mut().enumerate() {
            *y = if (from..to).contains(&(first + i)) { *y } else { f32::NEG_INFINITY };
        }
        Self(y)
    }

    #[inline(always)]
    fn first(self) -> f32 {
        self.0[0]
    }

    #[inline(always)]
    fn largest(self) -> f32 {
        self.0.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    fn total(self) -> f32 {
        let [a, b, c, d, e, f, g, h] = self.0;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
}
