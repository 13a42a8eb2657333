//! Vectors of floats, so that attention is written once for every instruction set.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use scalar::Scalar;

/// A loop that is worth a function of its own, compiled once for each instruction set.
pub(super) trait Kernel<V: Vector> {
    /// # Safety
    /// Whoever made the kernel said that what it names is there; and the processor has the instructions.
    unsafe fn run(&self);
}

/// [`Vector::LANES`] floats.
///
/// One is only ever made by a function that is unsafe because it asks for the processor's instructions; whoever has one may
/// compute with it. The methods are inlined into a function that is compiled for those instructions.
pub(super) trait Vector: Copy {
    /// How many, a divisor of 16.
    const LANES: usize;

    /// Runs a kernel, in a function that is compiled for the instructions.
    ///
    /// # Safety
    /// As [`Kernel::run`].
    unsafe fn call<K: Kernel<Self>>(kernel: &K);

    /// # Safety
    /// The processor has the instructions.
    unsafe fn splat(x: f32) -> Self;

    /// # Safety
    /// The processor has the instructions, and there are as many floats.
    unsafe fn load(from: *const f32) -> Self;

    /// A half-precision float.
    ///
    /// # Safety
    /// As [`Vector::splat`].
    unsafe fn splat_f16(x: u16) -> Self;

    /// Half-precision floats.
    ///
    /// # Safety
    /// As [`Vector::load`].
    unsafe fn load_f16(from: *const u16) -> Self;

    /// Signed bytes.
    ///
    /// # Safety
    /// As [`Vector::load`].
    unsafe fn load_i8(from: *const i8) -> Self;

    /// # Safety
    /// There is room.
    unsafe fn store(self, to: *mut f32);

    /// Rounded to half precision, ties to even.
    ///
    /// # Safety
    /// There is room.
    unsafe fn store_f16(self, to: *mut u16);

    /// Asks for the line of memory at `at`, which need not exist: into the first-level cache, or the second.
    fn prefetch<const NEAR: bool>(at: *const u8);

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn mul(self, other: Self) -> Self;
    fn div(self, other: Self) -> Self;

    /// `self · by + plus`, in one rounding where that is one instruction.
    fn madd(self, by: Self, plus: Self) -> Self;

    /// The larger; `other` where one of them is no number.
    fn max(self, other: Self) -> Self;

    /// The smaller; `other` where one of them is no number.
    fn min(self, other: Self) -> Self;

    /// The magnitude.
    fn abs(self) -> Self;

    /// With the sign of `of`; self is not negative.
    fn signed(self, of: Self) -> Self;

    /// `self` times the float whose exponent is in the lowest bits of `power`.
    fn scaled(self, power: Self) -> Self;

    /// 0 where `x` is below `least`.
    fn zero_below(self, x: Self, least: Self) -> Self;

    /// Minus infinity where the lane's number plus `first` is not in `from .. to`.
    fn within(self, first: usize, from: usize, to: usize) -> Self;

    /// The first lane.
    fn first(self) -> f32;

    /// The largest lane, of numbers.
    fn largest(self) -> f32;

    /// The sum of the lanes.
    fn total(self) -> f32;
}

/// Below it `e^x` is not a normal float, and [`exp`] gives 0.
const LEAST: f32 = -87.3365;

/// `e^x` for x ≤ 0 to 1.5 units in the last place; exactly 1 for 0, exactly 0 below -87.34; NaN for NaN.
///
/// `2^n · e^r` with n whole and |r| ≤ ln 2 / 2: n goes into the exponent's bits, `e^r` is `1 + r + r² p(r)` with p of degree 4, of
/// least relative error (3e-9).
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
pub(super) unsafe fn exp<V: Vector>(x: V) -> V {
    // Adding it leaves a whole number in the lowest bits, with the bias of exponents.
    const ROUND: f32 = 12_582_912.0 + 127.0;
    const P: [f32; 5] = [0.001_381_432, 0.008_368_852, 0.041_668_4, 0.166_665_2, 0.499_999_94];
    // SAFETY: the caller's promise.
    unsafe {
        let bounded = V::splat(LEAST).max(x);
        let shifted = bounded.madd(V::splat(std::f32::consts::LOG2_E), V::splat(ROUND));
        let n = shifted.sub(V::splat(ROUND));
        // ln 2 in two parts, so that n times the first is exact.
        let r = n.madd(V::splat(2.121_944_4e-4), n.madd(V::splat(-0.693_359_4), bounded));
        let mut p = V::splat(P[0]);
        for &c in &P[1..] {
            p = p.madd(r, V::splat(c));
        }
        let p = p.madd(r.mul(r), r).add(V::splat(1.0));
        p.scaled(shifted).zero_below(x, V::splat(LEAST))
    }
}

/// `cap · tanh(x / cap)` to 1e-7 of the cap. `inverse` is 1 / cap.
///
/// # Safety
/// The processor has the instructions.
#[inline(always)]
pub(super) unsafe fn capped<V: Vector>(x: V, cap: V, inverse: V) -> V {
    // SAFETY: the caller's promise.
    unsafe {
        let y = x.mul(inverse);
        let e = exp(y.abs().mul(V::splat(-2.0)));
        let one = V::splat(1.0);
        cap.mul(one.sub(e).div(one.add(e)).signed(y))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;
    use crate::isa::Kind;

    /// A function of a vector, on an instruction set, of many numbers.
    fn each(isa: Isa, x: &[f32], f: u8) -> Vec<f32> {
        #[inline(always)]
        unsafe fn with<V: Vector>(x: &[f32], f: u8) -> Vec<f32> {
            let mut y = vec![0.0; x.len()];
            for (x, y) in x.chunks_exact(V::LANES).zip(y.chunks_exact_mut(V::LANES)) {
                // SAFETY: LANES numbers, and the caller's promise.
                unsafe {
                    let x = V::load(x.as_ptr());
                    let to = if f == 0 { exp(x) } else { capped(x, V::splat(50.0), V::splat(0.02)) };
                    to.store(y.as_mut_ptr());
                }
            }
            y
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn avx2(x: &[f32], f: u8) -> Vec<f32> {
            // SAFETY: the caller's promise.
            unsafe { with::<Avx2>(x, f) }
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f")]
        unsafe fn avx512(x: &[f32], f: u8) -> Vec<f32> {
            // SAFETY: the caller's promise.
            unsafe { with::<Avx512>(x, f) }
        }
        // SAFETY: an `Isa` names what the processor has.
        unsafe {
            match isa.kind() {
                #[cfg(target_arch = "x86_64")]
                Kind::Avx512 => avx512(x, f),
                #[cfg(target_arch = "x86_64")]
                Kind::Avx2 => avx2(x, f),
                _ => with::<Scalar>(x, f),
            }
        }
    }

    #[test]
    fn the_exponential_is_the_exponential() {
        let x: Vec<f32> = (0..1 << 17).map(|i| i as f32 * (-87.3 / (1 << 17) as f32)).collect();
        let edges = [0.0, -0.0, LEAST, -87.4, -1e30, f32::MIN, f32::NEG_INFINITY, f32::NAN];
        let edges: Vec<f32> = edges.into_iter().chain(edges).collect();
        for isa in Isa::all() {
            let largest = each(isa, &x, 0).iter().zip(&x).fold(0.0f64, |most, (y, x)| {
                let expected = f64::from(*x).exp();
                // A unit in the last place of the float that is nearest.
                let unit = f64::from((expected as f32).next_up()) - f64::from(expected as f32);
                most.max((f64::from(*y) - expected).abs() / unit)
            });
            assert!(largest <= 1.5, "{}: {largest} units", isa.name());
            let y = each(isa, &edges, 0);
            assert_eq!(y[..2], [1.0, 1.0]);
            assert!(y[2] > 0.0 && y[3..7] == [0.0; 4] && y[7].is_nan(), "{}: {y:?}", isa.name());
        }
    }

    #[test]
    fn the_cap_is_never_exceeded() {
        let x: Vec<f32> = (-256..240).map(|i| i as f32).chain([f32::MAX, f32::NEG_INFINITY]).cycle().take(512).collect();
        for isa in Isa::all() {
            for (y, x) in each(isa, &x, 1).iter().zip(&x) {
                let expected = 50.0 * (f64::from(*x) / 50.0).tanh();
                assert!(y.abs() <= 50.0 && (f64::from(*y) - expected).abs() <= 1e-5, "{x} is {y} with {}", isa.name());
            }
        }
    }
}
