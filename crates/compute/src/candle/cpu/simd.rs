//! The innermost loops, compiled twice on x86-64: for any processor, and for AVX2 with FMA where there is one.
//!
//! Written as plain loops over fixed-width lanes that the compiler turns into vectors; no intrinsics.

/// Defines `fn name(…)` as a dispatch to its body with `FMA` true or false, a constant the body may hand to [`madd`].
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        pub(super) fn $name($($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            #[allow(clippy::too_many_arguments)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                #[allow(clippy::too_many_arguments)]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the processor has what `wide` is compiled for.
                    return unsafe { wide($($arg),*) };
                }
            }
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
pub(super) use vectorised;

/// `a · b + c`, in one rounding where that is one instruction.
#[inline(always)]
pub(super) fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Elements a loop takes at once: four vectors of AVX2.
pub(super) const LANES: usize = 32;

/// The sum, in pairs.
#[inline(always)]
pub(super) fn sum_of(sums: &[f32; LANES]) -> f32 {
    let mut eight = [0.0f32; 8];
    for i in 0..8 {
        eight[i] = (sums[i] + sums[i + 8]) + (sums[i + 16] + sums[i + 24]);
    }
    ((eight[0] + eight[4]) + (eight[1] + eight[5])) + ((eight[2] + eight[6]) + (eight[3] + eight[7]))
}
