//! A fault on request, to prove that a panic in the computation fails one request and not the process.

use wick_compute::{Batch, Outputs, Program, State};
use wick_spec::{Result, Stop};

use crate::options::Wrap;

/// Panics in every fourth call.
struct Panics {
    program: Box<dyn Program>,
    calls: usize,
}

impl Program for Panics {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        self.calls += 1;
        assert!(!self.calls.is_multiple_of(4), "WICK_TEST_FAULT=panic");
        self.program.run(batch, outputs, stop)
    }

    fn state(&mut self) -> &mut dyn State {
        self.program.state()
    }
}

/// What `WICK_TEST_FAULT` asks for: `panic`, a panic in every fourth step. Read by the conformance tests' loads alone.
pub fn from_environment() -> Option<Wrap> {
    match std::env::var("WICK_TEST_FAULT").as_deref() {
        Ok("panic") => Some(|program| Box::new(Panics { program, calls: 0 })),
        _ => None,
    }
}
