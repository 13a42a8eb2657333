//! What a backend is: a maker of programs.

use wick_spec::{Result, Stop};
use wick_weights::Tensors;

use crate::{Batch, Outputs, Plan};

/// Bytes a prepared plan will take, counted before they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Weights as this backend holds them, pages of the map included.
    pub weights: u64,
    /// Keys and values of one block of [`crate::BLOCK`] positions, all layers.
    pub block: u64,
    /// Scratch of one call with the given number of rows.
    pub scratch: u64,
}

/// Turns plans into programs. A program is prepared, run and dropped on one thread.
pub trait Backend: Send + Sync {
    /// `reference`, `candle`.
    fn name(&self) -> &'static str;

    /// What `prepare` and a call of `rows` rows would take. `unsupported` when the plan has a step, or the file a type, that
    /// the backend cannot do.
    fn cost(&self, plan: &Plan, tensors: &dyn Tensors, rows: usize) -> Result<Cost>;

    /// Loads the weights. `progress` is told the bytes of weights done after each tensor; `stop` ends the load with
    /// `cancelled`. Every tensor's shape is held to the plan: `model-invalid` names the one that differs.
    fn prepare(
        &self,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Box<dyn Program>>;
}

/// A plan with its weights and the state of its sequences.
pub trait Program {
    /// Runs one batch. `stop` is read between layers and between tiles of a long prefill: `cancelled` leaves the blocks of
    /// the batch's new tokens undefined and everything else as it was.
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()>;

    /// The keys and values.
    fn state(&mut self) -> &mut dyn State;
}

/// Storage of keys and values, in blocks of [`crate::BLOCK`] positions. Which block belongs to whom is the engine's affair.
pub trait State {
    /// Blocks there are now.
    fn blocks(&self) -> usize;

    /// Grows to at least `blocks`; never shrinks. `out-of-memory` with the figures when the system refuses.
    fn grow(&mut self, blocks: usize) -> Result<()>;

    /// Copies one block, all layers.
    fn copy(&mut self, from: u32, to: u32) -> Result<()>;

    /// Bytes taken now.
    fn bytes(&self) -> u64;
}
