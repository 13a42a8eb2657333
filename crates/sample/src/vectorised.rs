//! What the sweeps over a vocabulary are compiled for.
//!
//! Each sweep is one plain loop over fixed lanes, compiled twice on x86-64: for any processor and for AVX2. Rust neither
//! reorders nor contracts floating-point arithmetic, so both give the same bits, and a seed gives the same tokens on either.

/// Defines `fn name(isa, …)` as a dispatch to its body, compiled for any processor and for AVX2.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name(isa: wick_kernels::Isa, $($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    body($($arg),*)
                }
                if isa.has_avx2() {
                    // SAFETY: an `Isa` says AVX2 only where the processor has it.
                    return unsafe { wide($($arg),*) };
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            let _ = isa;
            body($($arg),*)
        }
    };
}
pub(crate) use vectorised;
