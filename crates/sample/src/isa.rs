//! Which instructions the sweeps over a vocabulary are compiled for.
//!
//! Each sweep is one plain loop over fixed lanes, compiled twice on x86-64: for any processor and for AVX2. Rust neither
//! reorders nor contracts floating-point arithmetic, so both give the same bits, and a seed gives the same tokens on either.

use std::sync::OnceLock;

use wick_spec::{Error, Result};

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What every processor of the target has: SSE2 on x86-64, NEON on aarch64.
    Scalar,
    /// 256 bits wide.
    Avx2,
}

impl Isa {
    /// What every processor of the target has.
    pub const SCALAR: Isa = Isa(Kind::Scalar);

    /// AVX2, where the processor has it.
    pub fn avx2() -> Option<Isa> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            return Some(Isa(Kind::Avx2));
        }
        None
    }

    /// The widest there is, or what the environment variable `WICK_CPU` forces: `scalar`, `avx2`, or `avx512`, for which the
    /// sampler has no loops of its own and uses AVX2. Read once. `invalid-request` for another value, `unsupported` for what
    /// the processor does not have.
    pub fn chosen() -> Result<Isa> {
        static CHOSEN: OnceLock<Result<Isa>> = OnceLock::new();
        CHOSEN.get_or_init(|| forced(std::env::var("WICK_CPU").ok().as_deref())).clone()
    }

    /// `scalar` or `avx2`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            Kind::Avx2 => "avx2",
        }
    }

    /// Only true where the processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn is_avx2(self) -> bool {
        self.0 == Kind::Avx2
    }
}

fn forced(value: Option<&str>) -> Result<Isa> {
    match value {
        None | Some("") => Ok(Isa::avx2().unwrap_or(Isa::SCALAR)),
        Some("scalar") => Ok(Isa::SCALAR),
        Some(name @ ("avx2" | "avx512")) => Isa::avx2().ok_or_else(|| {
            Error::unsupported(format!("WICK_CPU is {name}, and this processor has no AVX2. Unset it, or set it to scalar."))
        }),
        Some(other) => {
            Err(Error::invalid_request(format!("WICK_CPU is {other:?}; it can be \"scalar\", \"avx2\" or \"avx512\".")))
        }
    }
}

/// Defines `fn name(isa, …)` as a dispatch to its body, compiled for any processor and for AVX2.
macro_rules! vectorised {
    ($(#[$doc:meta])* fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $(#[$doc])*
        pub(crate) fn $name(isa: $crate::isa::Isa, $($arg: $type),*) $(-> $ret)? {
            #[inline(always)]
            fn body($($arg: $type),*) $(-> $ret)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn wide($($arg: $type),*) $(-> $ret)? {
                    body($($arg),*)
                }
                if isa.is_avx2() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::Code;

    #[test]
    fn the_environment_forces_what_there_is() {
        assert_eq!(forced(Some("scalar")).unwrap(), Isa::SCALAR);
        assert_eq!(forced(None).unwrap(), Isa::avx2().unwrap_or(Isa::SCALAR));
        assert_eq!(forced(Some("avx512")).ok(), Isa::avx2());
        assert_eq!(forced(Some("sse9")).unwrap_err().code(), Code::InvalidRequest);
    }
}
