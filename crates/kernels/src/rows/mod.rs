//! Rows of f32: norms, rotations, gates, sums.
//!
//! Plain loops over fixed-width lanes that the compiler turns into vectors, compiled for each instruction set that matters;
//! no intrinsics. Each row is computed alike whatever rows are beside it.

mod gate;
mod math;
mod norm;
mod rope;
mod softmax;

pub use gate::{gelu_times, silu_times, softcap};
pub use norm::{add, rms_norm, rms_norm_in_place, scale};
pub use rope::{rotate_interleaved, rotate_neox};
pub use softmax::{exp_sum, max};

/// Defines `fn name(isa, …)` as a dispatch to its body with `FMA` true or false, a constant the body may hand to
/// [`math::madd`].
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        pub fn $name(isa: $crate::Isa, $($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body<const FMA: bool>($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    body::<true>($($arg),*)
                }
                if isa.has_avx2() {
                    // SAFETY: the processor has what an `Isa` names.
                    return unsafe { wide($($arg),*) };
                }
            }
            let _ = isa;
            body::<{ cfg!(target_arch = "aarch64") }>($($arg),*)
        }
    };
}
use vectorised;
