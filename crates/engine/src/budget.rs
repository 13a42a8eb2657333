//! Memory, counted before it is taken.

use wick_compute::Cost;
use wick_spec::{Error, Result};

use crate::kv::bytes_for;
use crate::scheduler::CHUNK;

/// The smallest window that is worth loading a model for.
const MIN_CONTEXT: usize = 512;

/// How much of what is available a load may plan for; the rest is the caller's own.
const SHARE: f64 = 0.8;

/// What a load asks for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Tokens of one sequence; `None`: as many as fit, up to those the model was trained on.
    pub context: Option<usize>,
    /// Most bytes of keys and values; `None`: what fits.
    pub kv_bytes: Option<u64>,
}

/// What a load may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    /// Tokens of one sequence.
    pub context: usize,
    /// Bytes of keys and values over all sequences, kept prefixes included.
    pub kv_bytes: u64,
}

/// Fits a window into `available` bytes: the one asked for, or the largest up to what the model was trained on.
///
/// `out-of-memory` with the figures when even that does not fit, `invalid-request` when it would but for the bytes asked for.
pub(crate) fn budget(cost: &Cost, asked: Asked, trained: usize, available: u64) -> Result<Budget> {
    let share = (available as f64 * SHARE) as u64;
    let fixed = cost.weights.saturating_add(cost.scratch);
    let least = asked.context.unwrap_or(trained.min(MIN_CONTEXT));
    let of = |tokens: usize| bytes_for(&cost.groups, tokens, CHUNK);
    let need = fixed.saturating_add(of(least));
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if need > share {
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
    let kv_bytes = asked.kv_bytes.map_or(share - fixed, |most| most.min(share - fixed));
    if of(least) > kv_bytes {
        return Err(Error::invalid_request(format!(
            "kvBytes is {kv_bytes}; the keys and values of a window of {least} tokens are {} bytes. Set a larger kvBytes or a smaller \
             contextTokens.",
            of(least)
        ))
        .with("neededBytes", of(least)));
    }
    let fits = |tokens: usize| of(tokens) <= kv_bytes;
    let context = asked.context.unwrap_or_else(|| largest(least, trained, fits));
    Ok(Budget { context, kv_bytes })
}

/// The largest number from `low`, which fits, to `high` that does; what is smaller than what fits, fits.
fn largest(low: usize, high: usize, fits: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (low, high.max(low));
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use wick_compute::{BLOCK, Group};
    use wick_spec::Code;

    use super::*;

    fn with(asked: Asked, trained: usize, available: u64) -> Result<Budget> {
        let groups = [None, Some(64)].map(|window| Group { window, block: 1 << 19 }).to_vec();
        budget(&Cost { weights: 1000 << 20, groups, scratch: 24 << 20 }, asked, trained, available)
    }

    fn fit(trained: usize, available: u64) -> Result<Budget> {
        with(Asked::default(), trained, available)
    }

    #[test]
    fn the_whole_trained_window_when_there_is_room() {
        let fit = fit(4096, 8 << 30).unwrap();
        assert_eq!(fit.context, 4096);
        assert!(fit.kv_bytes > 5 << 30);
    }

    #[test]
    fn a_smaller_window_when_there_is_not() {
        let fit = fit(1 << 20, 2 << 30).unwrap();
        assert!((MIN_CONTEXT..1 << 20).contains(&fit.context));
        // Layers with a window keep no more of a long sequence.
        let blocks = (fit.kv_bytes >> 19) as usize;
        assert!(fit.context > (blocks - 20) * BLOCK && fit.context < blocks * BLOCK, "{} of {blocks} blocks", fit.context);
    }

    #[test]
    fn too_little_is_an_error_with_figures() {
        let error = with(Asked { context: Some(1 << 20), ..Asked::default() }, 1 << 20, 2 << 30).unwrap_err();
        assert_eq!(error.code(), Code::OutOfMemory);
        assert_eq!(error.detail()[1], ("availableBytes", 2 << 30));
        assert_eq!(fit(4096, 512 << 20).unwrap_err().code(), Code::OutOfMemory);
    }

    #[test]
    fn bytes_that_are_asked_for_bound_the_window() {
        let asked = |context, mib: u64| with(Asked { context, kv_bytes: Some(mib << 20) }, 4096, 8 << 30);
        let fit = asked(None, 30).unwrap();
        assert_eq!(fit.kv_bytes, 30 << 20);
        assert!((MIN_CONTEXT..2000).contains(&fit.context));
        assert_eq!(asked(Some(4096), 30).unwrap_err().code(), Code::InvalidRequest);
        assert_eq!(asked(None, 3).unwrap_err().code(), Code::InvalidRequest);
        assert!(asked(None, 1 << 20).unwrap().kv_bytes < 8 << 30, "never more than there is");
    }
}
