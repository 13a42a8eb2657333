//! The tokens of many sequences at once.
//!
//! A sequence's token depends on its own sampler and logits alone, so the result is the same on any number of threads. A default
//! chain takes about as long as starting a thread, so threads are started only where each has several sequences' worth to do.

use std::num::NonZero;

use wick_spec::{Error, Result};

use crate::sampler::{Choice, Sampler};

/// One sequence's sampler and its logits (v), which are altered.
#[derive(Debug)]
pub struct Job<'a> {
    /// Of the sequence.
    pub sampler: &'a mut Sampler,
    /// As [`Sampler::sample`] takes them.
    pub logits: &'a mut [f32],
}

/// Logits for which a thread is worth starting: some 100 µs of the default chain.
const LOGITS_A_THREAD: usize = 600_000;

/// Chooses the next token of every job, in the jobs' order, on at most `threads` threads, the caller's among them. A job that
/// fails says so in its place; `internal` for the jobs of a thread that panicked.
pub fn sample_all(jobs: &mut [Job], threads: NonZero<usize>) -> Vec<Result<Choice>> {
    let logits: usize = jobs.iter().map(|job| job.sampler.vocab()).sum();
    let threads = threads.get().min(logits / LOGITS_A_THREAD).clamp(1, jobs.len().max(1));
    on_threads(jobs, threads)
}

fn on_threads(jobs: &mut [Job], threads: usize) -> Vec<Result<Choice>> {
    let mut shares = jobs.chunks_mut(jobs.len().div_ceil(threads).max(1));
    let first = shares.next();
    std::thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| (share.len(), scope.spawn(|| in_turn(share)))).collect();
        let mut choices = first.map(in_turn).unwrap_or_default();
        for (len, other) in others {
            let panicked = || Err(Error::internal("Choosing a token panicked. Please report it."));
            choices.extend(other.join().unwrap_or_else(|_| (0..len).map(|_| panicked()).collect()));
        }
        choices
    })
}

fn in_turn(jobs: &mut [Job]) -> Vec<Result<Choice>> {
    jobs.iter_mut().map(|job| job.sampler.sample(job.logits)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::{Code, Sampling};

    #[test]
    fn any_number_of_threads_gives_the_same_tokens_in_the_jobs_order() {
        let choose = |threads: usize| {
            let sampler = |seed| Sampler::new(&Sampling { seed: Some(seed), ..Sampling::default() }, 500).unwrap();
            let mut samplers: Vec<_> = (0..7).map(sampler).collect();
            let mut logits: Vec<Vec<f32>> =
                (0..7).map(|n| (0..500).map(|i| ((i * 37 + n * 11) % 97) as f32 * 0.05).collect()).collect();
            logits[3][8] = f32::NAN;
            let mut jobs: Vec<_> =
                samplers.iter_mut().zip(&mut logits).map(|(sampler, logits)| Job { sampler, logits }).collect();
            let choices = on_threads(&mut jobs, threads);
            choices.into_iter().map(|choice| choice.map(|choice| choice.id).map_err(|e| e.code())).collect::<Vec<_>>()
        };
        let want = choose(1);
        assert_eq!((want.len(), want[3]), (7, Err(Code::Internal)));
        assert!(want.iter().filter(|choice| choice.is_ok()).count() == 6);
        for threads in [2, 3, 4, 7, 20] {
            assert_eq!(choose(threads), want);
        }
        assert!(sample_all(&mut [], NonZero::<usize>::MIN).is_empty());
    }
}
