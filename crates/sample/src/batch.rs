//! The tokens of many sequences at once.
//!
//! A sequence's token depends on its own sampler and logits alone, so the result is the same on any number of threads. Right after a
//! step the pool's workers still look out for work, so that a few rows of logits are worth handing to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use wick_kernels::Pool;
use wick_spec::{Error, Result};

use crate::sampler::{Choice, Sampler};

/// One sequence's sampler and its logits (v), which are altered.
#[derive(Debug)]
pub struct Job<'a> {
    /// Of the sequence.
    pub sampler: &'a mut Sampler,
    /// As [`Sampler::sample`] takes them.
    pub logits: &'a mut [f32],
    /// The token, where it is settled without the model ([`Sampler::settle`]).
    pub settled: Option<u32>,
}

impl Job<'_> {
    /// Chooses the token. A panic is this job's alone: `internal`.
    pub fn run(&mut self) -> Result<Choice> {
        let choose = || match self.settled {
            None => self.sampler.sample(self.logits),
            Some(id) => self.sampler.settle(id, self.logits),
        };
        let panicked = |_| Err(Error::internal("Choosing a token panicked. Please report it."));
        catch_unwind(AssertUnwindSafe(choose)).unwrap_or_else(panicked)
    }
}

/// Logits that are worth the pool, some 25 µs of the default chain, where there are as many in all.
const SHARED: usize = 100_000;

/// Chooses the next token of every job, in the jobs' order, with the pool's threads where there is enough to do. A job that fails
/// says so in its place, one that panicked with `internal`.
pub fn sample_all(jobs: &mut [Job<'_>], pool: &Pool) -> Vec<Result<Choice>> {
    let logits: usize = jobs.iter().map(|job| job.logits.len()).sum();
    if jobs.len() < 2 || logits < SHARED {
        return jobs.iter_mut().map(Job::run).collect();
    }
    shared(jobs, pool)
}

fn shared(jobs: &mut [Job<'_>], pool: &Pool) -> Vec<Result<Choice>> {
    // No two threads meet at a place; the locks are for the compiler.
    let places: Vec<_> = jobs.iter_mut().map(|job| Mutex::new((job, None))).collect();
    pool.each(places.len(), &|range| {
        for place in &places[range] {
            let (job, choice) = &mut *place.lock().unwrap_or_else(PoisonError::into_inner);
            *choice = Some(job.run());
        }
    });
    let skipped = || Err(Error::internal("A job of the pool was not computed. Please report it."));
    let choice = |place: Mutex<(_, Option<_>)>| place.into_inner().unwrap_or_else(PoisonError::into_inner).1;
    places.into_iter().map(|place| choice(place).unwrap_or_else(skipped)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wick_spec::{Code, Sampling};

    #[test]
    fn any_number_of_threads_gives_the_same_tokens_in_the_jobs_order() {
        let choose = |choose: &dyn Fn(&mut [Job<'_>]) -> Vec<Result<Choice>>| {
            let sampler = |seed| Sampler::new(&Sampling { seed: Some(seed), ..Sampling::default() }, 500).unwrap();
            let mut samplers: Vec<_> = (0..7).map(sampler).collect();
            let mut logits: Vec<Vec<f32>> =
                (0..7).map(|n| (0..500).map(|i| ((i * 37 + n * 11) % 97) as f32 * 0.05).collect()).collect();
            logits[3][8] = f32::NAN;
            let each = samplers.iter_mut().zip(&mut logits).enumerate();
            let settled = |n: usize| (n == 5).then_some(499);
            let mut jobs: Vec<_> = each.map(|(n, (sampler, logits))| Job { sampler, logits, settled: settled(n) }).collect();
            let choices = choose(&mut jobs);
            choices.into_iter().map(|choice| choice.map(|choice| choice.id).map_err(|e| e.code())).collect::<Vec<_>>()
        };
        let want = choose(&|jobs| sample_all(jobs, &Pool::new(1)));
        assert_eq!((want.len(), want[3], want[5]), (7, Err(Code::Internal), Ok(499)));
        assert!(want.iter().filter(|choice| choice.is_ok()).count() == 6);
        for threads in [1, 2, 3, 7] {
            assert_eq!(choose(&|jobs| shared(jobs, &Pool::new(threads))), want);
        }
        assert!(sample_all(&mut [], &Pool::new(2)).is_empty());
    }
}
