//! Eight numbers side by side: as an array on any processor, as a register where there is AVX2. Both do the same operations, so both give
//! the same bits; compilers do not reliably find the register in code on arrays.

/// Eight f32. Every operation goes lane by lane.
pub(super) trait Lanes: Copy {
    fn splat(x: f32) -> Self;
    fn from(x: [f32; 8]) -> Self;
    fn array(self) -> [f32; 8];
    fn plus(self, y: Self) -> Self;
    fn minus(self, y: Self) -> Self;
    fn times(self, y: Self) -> Self;
    fn over(self, y: Self) -> Self;
    /// `then` where self < y, else `or`.
    fn less(self, y: Self, then: Self, or: Self) -> Self;

    #[inline(always)]
    fn above(self, low: Self) -> Self {
        self.less(low, low, self)
    }

    #[inline(always)]
    fn below(self, high: Self) -> Self {
        high.less(self, high, self)
    }

    #[inline(always)]
    fn magnitude(self) -> Self {
        let zero = Self::splat(0.0);
        self.less(zero, zero.minus(self), self)
    }

    /// The nearest whole number, halves to even; magnitudes are below 2^22.
    #[inline(always)]
    fn whole(self) -> Self {
        // 1.5 * 2^23: from there on floats are a whole number apart.
        let far = Self::splat(12_582_912.0);
        self.plus(far).minus(far)
    }

    /// 1 / self, and 0 where that is no number.
    #[inline(always)]
    fn inverse(self) -> Self {
        let (zero, one) = (Self::splat(0.0), Self::splat(1.0));
        // 1 / x is finite above this.
        Self::splat(3e-39).less(self.magnitude(), one.over(self), zero)
    }
}

impl Lanes for [f32; 8] {
    #[inline(always)]
    fn splat(x: f32) -> Self {
        [x; 8]
    }

    #[inline(always)]
    fn from(x: [f32; 8]) -> Self {
        x
    }

    #[inline(always)]
    fn array(self) -> [f32; 8] {
        self
    }

    #[inline(always)]
    fn plus(self, y: Self) -> Self {
        std::array::from_fn(|l| self[l] + y[l])
    }

    #[inline(always)]
    fn minus(self, y: Self) -> Self {
        std::array::from_fn(|l| self[l] - y[l])
    }

    #[inline(always)]
    fn times(self, y: Self) -> Self {
        std::array::from_fn(|l| self[l] * y[l])
    }

    #[inline(always)]
    fn over(self, y: Self) -> Self {
        std::array::from_fn(|l| self[l] / y[l])
    }

    #[inline(always)]
    fn less(self, y: Self, then: Self, or: Self) -> Self {
        std::array::from_fn(|l| if self[l] < y[l] { then[l] } else { or[l] })
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Register;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::Lanes;

    /// To be used in code that runs where there is AVX2, and inlined into it.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Register(__m256);

    macro_rules! operation {
        ($name:ident, $intrinsic:ident) => {
            #[inline(always)]
            fn $name(self, y: Self) -> Self {
                // SAFETY: whoever uses this type has AVX2.
                Self(unsafe { $intrinsic(self.0, y.0) })
            }
        };
    }

    impl Lanes for Register {
        #[inline(always)]
        fn splat(x: f32) -> Self {
            // SAFETY: whoever uses this type has AVX2.
            Self(unsafe { _mm256_set1_ps(x) })
        }

        #[inline(always)]
        fn from(x: [f32; 8]) -> Self {
            // SAFETY: as above, and there are eight.
            Self(unsafe { _mm256_loadu_ps(x.as_ptr()) })
        }

        #[inline(always)]
        fn array(self) -> [f32; 8] {
            let mut x = [0.0; 8];
            // SAFETY: as above, and there is place for eight.
            unsafe { _mm256_storeu_ps(x.as_mut_ptr(), self.0) };
            x
        }

        operation!(plus, _mm256_add_ps);
        operation!(minus, _mm256_sub_ps);
        operation!(times, _mm256_mul_ps);
        operation!(over, _mm256_div_ps);

        #[inline(always)]
        fn less(self, y: Self, then: Self, or: Self) -> Self {
            // SAFETY: whoever uses this type has AVX2.
            Self(unsafe { _mm256_blendv_ps(or.0, then.0, _mm256_cmp_ps::<_CMP_LT_OQ>(self.0, y.0)) })
        }
    }
}
