//! The flag that ends work early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// A cancellation flag, shared by the one who sets it and the work that reads it between layers and tiles. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the work to end. May be called any number of times, from any thread.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// `cancelled` once the end was asked for.
    pub fn check(&self) -> Result<()> {
        if self.is_set() { Err(Error::cancelled("The work was cancelled.")) } else { Ok(()) }
    }
}
