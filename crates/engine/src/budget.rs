//! Memory, counted before it is taken.

use wick_compute::{BLOCK, Cost};
use wick_spec::{Error, Result};

use crate::blocks::blocks_for;

/// The smallest window that is worth loading a model for.
const MIN_CONTEXT: usize = 512;

/// How much of what is available a load may plan for; the rest is the caller's own.
const SHARE: f64 = 0.8;

/// What a load may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Tokens of one sequence.
    pub context: usize,
    /// Blocks of keys and values over all sequences, kept prefixes included.
    pub blocks: usize,
}

/// Fits a window into `available` bytes: the one asked for, or the largest up to what the model was trained on.
///
/// `out-of-memory` with the figures when even that does not fit.
pub(crate) fn budget(cost: &Cost, asked: Option<usize>, trained: usize, available: u64) -> Result<Budget> {
    let share = (available as f64 * SHARE) as u64;
    let fixed = cost.weights.saturating_add(cost.scratch);
    let block = cost.groups.iter().fold(0u64, |sum, group| sum.saturating_add(group.block));
    let least = asked.unwrap_or(trained.min(MIN_CONTEXT));
    let need = fixed.saturating_add(block.saturating_mul(blocks_for(least) as u64));
    if need > share {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        return Err(Error::out_of_memory(format!(
            "The model needs {} MiB ({} weights, {} scratch, {} keys and values for {least} tokens); {} MiB may be used of {} available. \
             Load a smaller quantisation, or set a smaller contextTokens.",
            mib(need),
            mib(cost.weights),
            mib(cost.scratch),
            mib(need - fixed),
            mib(share),
            mib(available)
        ))
        .with("neededBytes", need)
        .with("availableBytes", available));
    }
    let room = ((share - fixed) / block.max(1)).min((u32::MAX / BLOCK as u32).into()) as usize;
    let context = asked.unwrap_or_else(|| trained.min(room * BLOCK));
    Ok(Budget { context, blocks: room })
}

#[cfg(test)]
mod tests {
    use wick_compute::Group;
    use wick_spec::Code;

    use super::*;

    fn budget(asked: Option<usize>, trained: usize, available: u64) -> Result<Budget> {
        let groups = [None, Some(64)].map(|window| Group { window, block: 1 << 19 }).to_vec();
        super::budget(&Cost { weights: 1000 << 20, groups, scratch: 24 << 20 }, asked, trained, available)
    }

    #[test]
    fn the_whole_trained_window_when_there_is_room() {
        let fit = budget(None, 4096, 8 << 30).unwrap();
        assert_eq!(fit.context, 4096);
        assert!(fit.blocks > 2 * 4096 / BLOCK);
    }

    #[test]
    fn a_smaller_window_when_there_is_not() {
        let fit = budget(None, 1 << 20, 2 << 30).unwrap();
        assert_eq!(fit.context, fit.blocks * BLOCK);
        assert!(fit.context >= MIN_CONTEXT);
    }

    #[test]
    fn too_little_is_an_error_with_figures() {
        let error = budget(Some(1 << 20), 1 << 20, 2 << 30).unwrap_err();
        assert_eq!(error.code(), Code::OutOfMemory);
        assert_eq!(error.detail()[1], ("availableBytes", 2 << 30));
        assert_eq!(budget(None, 4096, 512 << 20).unwrap_err().code(), Code::OutOfMemory);
    }
}
