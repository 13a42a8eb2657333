//! What a backend is: a maker of programs.

use std::collections::BTreeMap;

use wick_spec::{Result, Stop};
use wick_weights::Tensors;

use crate::{Batch, Outputs, Plan};

/// Layers whose keys and values live equally long: those of full attention are one group, those with the same window one each.
/// Each group has blocks of its own, so that what is behind a window need not be kept where other layers still see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Tokens a token sees, itself included, 1 and up; `None`: all up to itself.
    pub window: Option<usize>,
    /// Bytes of one block of [`crate::BLOCK`] positions, the group's layers together.
    pub block: u64,
}

impl Group {
    /// The groups of layers of which each has a window and takes so many bytes a block: full attention first, then by window.
    pub(crate) fn of(layers: impl IntoIterator<Item = (Option<usize>, u64)>) -> Vec<Self> {
        let mut groups = BTreeMap::<Option<usize>, u64>::new();
        for (window, bytes) in layers {
            let block = groups.entry(window).or_default();
            *block = block.saturating_add(bytes);
        }
        groups.into_iter().map(|(window, block)| Self { window, block }).collect()
    }

    /// Which of the groups layers with this window are in.
    pub(crate) fn place(groups: &[Self], window: Option<usize>) -> usize {
        groups.partition_point(|group| group.window < window)
    }

    /// The first token that is seen by those from number `cached` of a sequence on.
    pub(crate) fn first_seen(&self, cached: usize) -> usize {
        self.window.map_or(0, |window| cached.saturating_add(1).saturating_sub(window))
    }
}

/// Bytes a prepared plan will take, counted before they are taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cost {
    /// Weights as this backend holds them, pages of the map included.
    pub weights: u64,
    /// Keys and values: the groups of the plan's layers, as its program's [`State::groups`]. None without attention.
    pub groups: Vec<Group>,
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

/// Storage of keys and values, in blocks of [`crate::BLOCK`] positions, for each group of layers. Which block belongs to whom is
/// the engine's affair. A group or a block that is not there is `internal`.
pub trait State {
    /// Full attention first, then windows from the smallest to the largest; a plan without attention has none.
    fn groups(&self) -> &[Group];

    /// Blocks a group has now: ids are less.
    fn blocks(&self, group: usize) -> usize;

    /// Grows a group to at least `blocks`; never shrinks. `out-of-memory` with the figures when the system refuses.
    fn grow(&mut self, group: usize, blocks: usize) -> Result<()>;

    /// Copies one block of a group, all its layers.
    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()>;

    /// Appends a block's bytes to `to`, as many as [`Group::block`] says, in the backend's own layout.
    fn read(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<()>;

    /// Makes a block what [`State::read`] found, here or in a program of the same plan, backend and type of keys and values: the
    /// same to the bit. Any other number of bytes is `invalid-request`.
    fn write(&mut self, group: usize, block: u32, bytes: &[u8]) -> Result<()>;

    /// Bytes taken now.
    fn bytes(&self) -> u64;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_of_one_window_are_a_group_and_full_attention_comes_first() {
        let layers = [(Some(8), 1), (None, 10), (Some(4), 100), (Some(8), 1000), (None, 10_000)];
        let groups = Group::of(layers);
        let expected = [(None, 10_010), (Some(4), 100), (Some(8), 1001)];
        assert_eq!(groups, expected.map(|(window, block)| Group { window, block }));
        assert_eq!([None, Some(4), Some(8)].map(|window| Group::place(&groups, window)), [0, 1, 2]);
        assert_eq!(Group::of([]), []);
    }

    #[test]
    fn a_window_is_seen_from_its_own_token_back() {
        let first = |window, cached| Group { window, block: 0 }.first_seen(cached);
        assert_eq!((first(None, 70), first(Some(1), 70), first(Some(5), 70), first(Some(80), 70)), (0, 70, 66, 0));
        assert_eq!(first(Some(3), usize::MAX), usize::MAX - 3);
    }
}
