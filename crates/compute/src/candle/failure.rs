//! What goes wrong inside a step: candle's error or ours.

use wick_spec::Error;

/// Candle's results inside this module.
pub(super) type Fallible<T> = std::result::Result<T, Failure>;

/// An error on its way out of a step.
#[derive(Debug)]
pub(super) enum Failure {
    /// Of the tensor library.
    Candle(candle_core::Error),
    /// Ours, with its own code (`cancelled`, `model-invalid`).
    Wick(Error),
}

impl From<candle_core::Error> for Failure {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Wick(error)
    }
}

impl Failure {
    /// The error as callers see it: candle's is a bug, since plan and batch were checked before. `at` names the step or weight.
    pub(super) fn at(self, at: &str) -> Error {
        match self {
            Self::Wick(error) => error,
            Self::Candle(error) => Error::internal(format!("candle, at {at}: {error}")),
        }
    }
}
