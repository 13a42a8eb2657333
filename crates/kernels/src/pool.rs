//! The process's one pool of threads.
//!
//! Work comes in items that threads claim as they get to them, so a thread that the system has taken off its core holds back the
//! piece it has, not its share of the whole. A worker that has nothing to do spins briefly, because the next step of a model comes
//! in microseconds, and then parks: an idle process burns no CPU. Whoever finds the pool in use computes alone.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{Builder, yield_now};
use std::time::{Duration, Instant};

/// How long a worker looks out for work before it parks.
const SPIN: Duration = Duration::from_micros(60);

/// The pieces of a thread's share, in parts of their sum. A large one first, because a loop over memory is slow where it begins;
/// small ones last, so that all threads end at about the same time.
const PIECES: [usize; 3] = [5, 2, 1];

/// Threads that compute together: the caller and workers.
pub struct Pool {
    shared: &'static Shared,
    threads: usize,
    /// Held by whoever uses the workers.
    user: Mutex<()>,
}

struct Shared {
    /// Counts jobs; a worker that sees a new number looks for work.
    posted: AtomicU64,
    /// The number of the job that may be entered; 0: none.
    open: AtomicU64,
    /// The job of that number.
    job: AtomicPtr<Job<'static>>,
    /// Workers that may be looking at a job.
    inside: AtomicUsize,
    /// Workers that wait for `wake`.
    parked: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

struct Job<'a> {
    work: &'a (dyn Fn(Range<usize>) + Sync),
    items: usize,
    threads: usize,
    /// The first piece that nobody has claimed.
    next: AtomicUsize,
    panicked: AtomicBool,
}

impl Job<'_> {
    /// Claims pieces until there are none.
    fn take_part(&self) {
        loop {
            let piece = self.next.fetch_add(1, SeqCst);
            if piece >= self.pieces() {
                return;
            }
            let range = self.start(piece)..self.start(piece + 1);
            if !range.is_empty() {
                (self.work)(range);
            }
        }
    }

    /// How many pieces there are: of each size one a thread.
    fn pieces(&self) -> usize {
        self.threads * PIECES.len()
    }

    /// The first item of a piece, or of what comes after the last.
    fn start(&self, piece: usize) -> usize {
        let (round, place) = (piece / self.threads, piece % self.threads);
        let larger: usize = PIECES[..round].iter().sum();
        let before = self.threads * larger + place * PIECES.get(round).unwrap_or(&0);
        let parts = self.threads * PIECES.iter().sum::<usize>();
        (self.items as u128 * before as u128 / parts as u128) as usize
    }
}

impl Pool {
    /// A pool of so many threads, 1 and up, the caller of [`Pool::each`] among them. They live as long as the process.
    pub fn new(threads: usize) -> Self {
        let shared: &'static Shared = Box::leak(Box::new(Shared {
            posted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            inside: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        }));
        // Where the system refuses a thread, there are fewer.
        let spawn = |n: &usize| Builder::new().name(format!("wick-pool-{n}")).spawn(move || shared.serve()).is_ok();
        let workers = (1..threads).take_while(spawn).count();
        Self { shared, threads: workers + 1, user: Mutex::new(()) }
    }

    /// How many threads there are, the caller's included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Calls `work` for ranges that together cover `0 .. items` once. Alone, in one range, when another thread uses the pool,
    /// or `work` itself calls this.
    ///
    /// # Panics
    /// When `work` did on any thread, after all others are done.
    pub fn each(&self, items: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        let user = match self.user.try_lock() {
            Ok(user) => Some(user),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        match user {
            Some(user) if self.threads > 1 && items > 1 => self.together(items, work, user),
            _ => work(0..items),
        }
    }

    fn together(&self, items: usize, work: &(dyn Fn(Range<usize>) + Sync), _user: MutexGuard<'_, ()>) {
        let job = Job { work, items, threads: self.threads, next: AtomicUsize::new(0), panicked: AtomicBool::new(false) };
        {
            let _closed = Posted::new(self.shared, &job);
            job.take_part();
        }
        if job.panicked.load(SeqCst) {
            panic!("a thread of the pool panicked");
        }
    }
}

/// A job that workers may enter; dropped, it is closed, and nobody is inside any more, however the caller left.
struct Posted<'a> {
    shared: &'static Shared,
    job: &'a Job<'a>,
}

impl<'a> Posted<'a> {
    fn new(shared: &'static Shared, job: &'a Job<'a>) -> Self {
        shared.job.store(std::ptr::from_ref(job).cast_mut().cast(), SeqCst);
        let number = shared.posted.load(SeqCst) + 1;
        shared.open.store(number, SeqCst);
        shared.posted.store(number, SeqCst);
        if shared.parked.load(SeqCst) > 0 {
            let _lock = shared.lock.lock().unwrap_or_else(PoisonError::into_inner);
            shared.wake.notify_all();
        }
        Self { shared, job }
    }
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        // A caller that panicked leaves nothing to claim.
        self.job.next.fetch_max(self.job.pieces(), SeqCst);
        self.shared.open.store(0, SeqCst);
        let mut rounds = 0;
        while self.shared.inside.load(SeqCst) > 0 {
            rounds += 1;
            if rounds > 200 { yield_now() } else { std::hint::spin_loop() }
        }
    }
}

impl Shared {
    /// A worker's life.
    fn serve(&self) {
        let mut seen = 0;
        loop {
            seen = self.next(seen);
            self.inside.fetch_add(1, SeqCst);
            if self.open.load(SeqCst) == seen {
                // SAFETY: the job of this number is open, and whoever posted it waits, after closing it, until nobody is inside.
                let job = unsafe { &*self.job.load(SeqCst) };
                if catch_unwind(AssertUnwindSafe(|| job.take_part())).is_err() {
                    job.panicked.store(true, SeqCst);
                }
            }
            self.inside.fetch_sub(1, SeqCst);
        }
    }

    /// Waits for a job after the one of number `seen`.
    fn next(&self, seen: u64) -> u64 {
        let started = Instant::now();
        loop {
            for _ in 0..64 {
                let posted = self.posted.load(SeqCst);
                if posted != seen {
                    return posted;
                }
                std::hint::spin_loop();
            }
            if started.elapsed() > SPIN {
                break;
            }
        }
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.parked.fetch_add(1, SeqCst);
        // Whoever posts after this sees a parked worker, and notifies once the lock is given up by waiting.
        while self.posted.load(SeqCst) == seen {
            lock = self.wake.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
        self.parked.fetch_sub(1, SeqCst);
        self.posted.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
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
}
