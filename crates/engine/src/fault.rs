//! A fault on request, to prove that a panic in the computation fails one request and not the process.

use wick_compute::{Batch, Outputs, Program, State};
use wick_spec::{Result, Stop};

use crate::options::Wrap;

/// Panics in every fourth call; where that computes several sequences, again when the last of them is computed alone.
struct Panics {
    program: Box<dyn Program>,
    calls: usize,
    /// The last block of the sequence whose fault it is: nobody else's.
    culprit: Option<u32>,
}

impl Program for Panics {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        let last = batch.spans.last().and_then(|span| span.blocks.first()?.last().copied());
        if self.culprit.is_some() && batch.spans.len() == 1 {
            // The others are computed in peace meanwhile.
            if last == self.culprit {
                self.culprit = None;
                panic!("WICK_TEST_FAULT=panic, again");
            }
        } else {
            self.calls += 1;
            self.culprit = None;
            if self.calls.is_multiple_of(4) {
                self.culprit = last.filter(|_| batch.spans.len() > 1);
                panic!("WICK_TEST_FAULT=panic");
            }
        }
        self.program.run(batch, outputs, stop)
    }

    fn state(&mut self) -> &mut dyn State {
        self.program.state()
    }
}

/// What `WICK_TEST_FAULT` asks for: `panic`, a panic in every fourth step. Read by the conformance tests' loads alone.
pub fn from_environment() -> Option<Wrap> {
    match std::env::var("WICK_TEST_FAULT").as_deref() {
        Ok("panic") => Some(|program| Box::new(Panics { program, calls: 0, culprit: None })),
        _ => None,
    }
}
