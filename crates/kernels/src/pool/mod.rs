//! The process's one pool of threads.
//!
//! Work comes in items that threads claim as they get to them, so a thread that the system has taken off its core holds back the
//! piece it has, not its share of the whole. Models take turns with the workers; an idle process burns no CPU.

mod pace;
mod turns;
mod workers;

use std::cell::Cell;
use std::ops::Range;
use std::sync::OnceLock;

pub use turns::Turn;
use workers::Workers;

use crate::cores::{Cores, default_threads};

/// Work that is not worth waking the workers for, in multiply-adds: some 20 to 40 µs on one core. Waking them costs 2 on a quiet
/// machine and a time slice on a busy one, so a small model computes on one thread.
pub const SMALL: usize = 1 << 19;

/// Threads that compute together: the caller and workers, which other pools may use in their turn.
#[derive(Clone, Copy)]
pub struct Pool {
    workers: &'static Workers,
    threads: usize,
}

impl Pool {
    /// A pool with workers of its own, for so many threads, 1 and up, the caller of [`Pool::each`] among them. Its workers live as
    /// long as the process.
    pub fn new(threads: usize) -> Self {
        Self::with(Workers::leaked(), threads)
    }

    /// The process's pool, as one of so many threads, 1 and up: whoever asks for fewer than there are uses fewer, and who asks for
    /// more makes more. [`crate::default_threads`] says how many are best.
    pub fn of_process(threads: usize) -> Self {
        static WORKERS: OnceLock<&Workers> = OnceLock::new();
        Self::with(WORKERS.get_or_init(Workers::leaked), threads)
    }

    /// The pool that this thread computes with: that of [`Pool::keep`], else the process's of [`crate::default_threads`].
    pub fn of_thread() -> Self {
        OWN.get().unwrap_or_else(|| {
            let pool = Self::of_process(default_threads().unwrap_or_else(|_| Cores::of_process().threads()));
            pool.keep();
            pool
        })
    }

    /// Makes this the pool of the thread, such as a model's own.
    pub fn keep(self) {
        OWN.set(Some(self));
    }

    fn with(workers: &'static Workers, threads: usize) -> Self {
        Self { workers, threads: workers.grow(threads.saturating_sub(1)) + 1 }
    }

    /// How many threads there are, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` for ranges that together cover `0 .. items` once. Waits for its turn where another thread uses the workers, see
    /// [`Turn`]; where `work` itself calls this, or any pool's, all is one range.
    ///
    /// # Panics
    /// When `work` did on any thread, after all others are done.
    pub fn each(&self, items: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        if self.threads == 1 || items <= 1 || WITHIN.get() {
            return work(0..items);
        }
        let _turn = Turn::begin();
        self.workers.turns.hold();
        self.workers.together(items, self.threads - 1, work);
    }
}

thread_local! {
    static OWN: Cell<Option<Pool>> = const { Cell::new(None) };

    /// Whether this thread is in a job.
    static WITHIN: Cell<bool> = const { Cell::new(false) };
}

/// Calls `part` of a job.
fn within(part: impl FnOnce()) {
    struct Left;
    impl Drop for Left {
        fn drop(&mut self) {
            WITHIN.set(false);
        }
    }
    WITHIN.set(true);
    let _left = Left;
    part();
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::workers::SPIN;
    use super::*;

    fn marks(pool: &Pool, items: usize) {
        let marks: Vec<AtomicUsize> = (0..items).map(|_| AtomicUsize::new(0)).collect();
        pool.each(items, &|range| {
            range.for_each(|i| {
                marks[i].fetch_add(1, SeqCst);
            })
        });
        assert!(marks.iter().all(|mark| mark.load(SeqCst) == 1), "{items} items");
    }

    #[test]
    fn every_item_is_met_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads);
            for items in [0, 1, 2, 7, 1000] {
                marks(&pool, items);
            }
            // Often in a row, and after the workers have parked.
            (0..2000).for_each(|n| marks(&pool, n % 40));
            std::thread::sleep(SPIN * 20);
            marks(&pool, 100);
        }
    }

    #[test]
    fn many_callers_at_once_and_calls_within_calls() {
        let pool = Pool::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..300).for_each(|n| marks(&pool, n % 50)));
            }
        });
        let inner = AtomicUsize::new(0);
        pool.each(10, &|range| {
            range.for_each(|_| {
                pool.each(5, &|range| {
                    inner.fetch_add(range.len(), SeqCst);
                })
            })
        });
        assert_eq!(inner.load(SeqCst), 50);
    }

    #[test]
    fn a_panic_comes_to_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3);
        for bad in [0, 50, 99] {
            let run = || pool.each(100, &|range| assert!(!range.contains(&bad), "the item that fails"));
            catch_unwind(AssertUnwindSafe(run)).expect_err("the panic of an item");
            marks(&pool, 100);
        }
    }
    #[test]
    fn pools_of_other_sizes_share_the_workers() {
        let pools = [1, 4, 2, 3].map(Pool::of_process);
        assert_eq!(pools.each_ref().map(Pool::threads), [1, 4, 2, 3]);
        let most = |pool: &Pool| {
            let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            pool.each(200, &|_| {
                most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                std::hint::black_box((0..200).sum::<usize>());
                inside.fetch_sub(1, SeqCst);
            });
            most.load(SeqCst)
        };
        std::thread::scope(|scope| {
            for pool in &pools {
                scope.spawn(|| {
                    for n in 0..200 {
                        assert!(most(pool) <= pool.threads());
                        let _turn = Turn::begin();
                        (0..n % 4).for_each(|n| marks(pool, 30 + n));
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_keeps_its_pool() {
        let own = |threads: usize| {
            Pool::of_process(threads).keep();
            Pool::of_thread().threads()
        };
        std::thread::scope(|scope| {
            let threads = [1, 3, 2].map(|threads| scope.spawn(move || own(threads)));
            assert_eq!(threads.map(|thread| thread.join().expect("no panic")), [1, 3, 2]);
            let default = scope.spawn(|| Pool::of_thread().threads()).join().expect("no panic");
            assert_eq!(default, default_threads().expect("a sensible environment"));
        });
    }

    #[test]
    fn callers_that_come_and_go_between_long_pauses_are_all_served() {
        let pool = Pool::new(3);
        std::thread::scope(|scope| {
            for caller in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    for n in 0..60 {
                        std::thread::sleep(SPIN * ((caller + n) % 5));
                        let _turn = Turn::begin();
                        (0..5).for_each(|_| marks(pool, 20));
                    }
                });
            }
        });
    }
}
