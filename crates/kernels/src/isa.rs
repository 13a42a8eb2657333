//! Which instructions kernels are run with.

use std::sync::OnceLock;

use wick_spec::{Error, Result};

/// An instruction set that this processor has: there is no other way to get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Kind);

/// From the least to the most able.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// What every processor of the target has.
    Scalar,
    /// AVX2, FMA and F16C.
    Avx2,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512,
}

const NAMES: [(&str, Kind); 3] = [("scalar", Kind::Scalar), ("avx2", Kind::Avx2), ("avx512", Kind::Avx512)];

impl Isa {
    /// What every processor of the target has: SSE2 on x86-64, NEON on aarch64.
    pub const SCALAR: Isa = Isa(Kind::Scalar);

    /// All that this processor has, the least able first.
    pub fn all() -> impl Iterator<Item = Isa> {
        let best = best();
        NAMES.into_iter().map(|(_, kind)| Isa(kind)).filter(move |isa| isa.0 <= best)
    }

    /// The most able there is, or what the environment variable `WICK_CPU` forces: `scalar`, `avx2` or `avx512`. Read once.
    /// `invalid-request` for another value, `unsupported` for what the processor does not have.
    pub fn chosen() -> Result<Isa> {
        static CHOSEN: OnceLock<Result<Isa>> = OnceLock::new();
        CHOSEN.get_or_init(|| forced(std::env::var("WICK_CPU").ok().as_deref())).clone()
    }

    /// AVX2, where the processor has it.
    pub fn avx2() -> Option<Isa> {
        Self::all().find(|isa| isa.0 == Kind::Avx2)
    }

    /// Whether code for AVX2 may run: only true where the processor has it.
    pub fn has_avx2(self) -> bool {
        self.0 >= Kind::Avx2
    }

    /// `scalar`, `avx2` or `avx512`.
    pub fn name(self) -> &'static str {
        NAMES[self.0 as usize].0
    }

    /// Which it is.
    pub(crate) fn kind(self) -> Kind {
        self.0
    }
}

fn best() -> Kind {
    #[cfg(target_arch = "x86_64")]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        let avx512 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vnni");
        match (avx2, avx512) {
            (true, true) => return Kind::Avx512,
            (true, false) => return Kind::Avx2,
            (false, _) => {}
        }
    }
    Kind::Scalar
}

fn forced(value: Option<&str>) -> Result<Isa> {
    let best = best();
    let Some(name) = value.filter(|name| !name.is_empty()) else { return Ok(Isa(best)) };
    match NAMES.into_iter().find(|(known, _)| *known == name) {
        Some((_, kind)) if kind <= best => Ok(Isa(kind)),
        Some((name, _)) => Err(Error::unsupported(format!(
            "WICK_CPU is {name}, which this processor does not have: it has {}. Unset it, or set it to that.",
            Isa(best).name()
        ))),
        None => Err(Error::invalid_request(format!("WICK_CPU is {name:?}; it can be \"scalar\", \"avx2\" or \"avx512\"."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::Code;

    #[test]
    fn the_environment_forces_what_there_is() {
        assert_eq!(forced(None).ok(), forced(Some("")).ok());
        assert_eq!(forced(Some("scalar")).ok(), Some(Isa::SCALAR));
        assert_eq!(forced(Some("sse9")).map_err(|error| error.code()), Err(Code::InvalidRequest));
        for (name, kind) in NAMES {
            let expected = if kind <= best() { Ok(Isa(kind)) } else { Err(Code::Unsupported) };
            assert_eq!(forced(Some(name)).map_err(|error| error.code()), expected);
        }
        assert_eq!(Isa::all().last(), forced(None).ok());
    }
}
