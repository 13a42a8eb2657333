//! The threads of a pool, and the job they have.
//!
//! A job lives on its caller's stack: workers that may be looking at one are counted, and the caller leaves only when there are none.
//! Nobody waits hot for long. A worker spins only while jobs come in quick succession, because on a busy machine the core it holds is
//! the one that a thread with work waits for; a caller that waits for a worker sleeps after a while, because then the system brings
//! that worker to the caller's core. Only where there are more threads than cores they yield to each other: Linux takes a whole slice
//! from who does, so beside other programs a worker that has just found work would be off its core again.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, yield_now};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::turns::Turns;
use super::within;
use crate::cores::Cores;

/// How long a worker looks out for work before it parks, while work comes that fast.
pub(super) const SPIN: Duration = Duration::from_micros(60);

/// The same where the last gap was longer, or there is a quota.
const SHORT_SPIN: Duration = Duration::from_micros(10);

/// How long a caller looks out for the last worker before it sleeps.
const PATIENCE: Duration = Duration::from_micros(50);

/// The pieces of a thread's share, in parts of their sum. A large one first, because a loop over memory is slow where it begins;
/// small ones last, so that all threads end at about the same time.
const PIECES: [usize; 3] = [5, 2, 1];

/// Pieces of a job that its caller does alone.
const ALONE: usize = 16;

/// Looks between two at the clock: a microsecond or two.
const LOOKS: u32 = 32;

pub(super) struct Workers {
    pub(super) turns: Turns,
    pace: Mutex<Pace>,
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
    /// Set while the caller waits for `left`.
    awaited: AtomicBool,
    /// Workers that there are.
    count: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
    left: Condvar,
}

pub(super) struct Job<'a> {
    work: &'a (dyn Fn(Range<usize>) + Sync),
    items: Range<usize>,
    threads: usize,
    /// The first piece that nobody has claimed.
    next: AtomicUsize,
    /// Workers that may still take part.
    places: AtomicUsize,
    panicked: AtomicBool,
}

impl Job<'_> {
    /// Claims pieces until there are none, and says how many it were.
    fn take_part(&self) -> u32 {
        let mut pieces = 0;
        within(|| {
            loop {
                let piece = self.next.fetch_add(1, SeqCst);
                if piece >= self.pieces() {
                    return;
                }
                let range = self.start(piece)..self.start(piece + 1);
                if !range.is_empty() {
                    (self.work)(range);
                    pieces += 1;
                }
            }
        });
        pieces
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
        self.items.start + (self.items.len() as u128 * before as u128 / parts as u128) as usize
    }
}

impl Workers {
    /// None yet. They live as long as the process.
    pub(super) fn leaked() -> &'static Self {
        Box::leak(Box::new(Self {
            turns: Turns::new(),
            pace: Mutex::default(),
            posted: AtomicU64::new(0),
            open: AtomicU64::new(0),
            job: AtomicPtr::new(std::ptr::null_mut()),
            inside: AtomicUsize::new(0),
            parked: AtomicUsize::new(0),
            awaited: AtomicBool::new(false),
            count: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
            left: Condvar::new(),
        }))
    }

    /// Sees to it that there are so many, and says how many there are of these: fewer where the system refuses a thread.
    pub(super) fn grow(&'static self, wanted: usize) -> usize {
        let _lock = self.lock();
        while self.count.load(SeqCst) < wanted {
            let name = format!("wick-pool-{}", self.count.load(SeqCst) + 1);
            let seen = self.posted.load(SeqCst);
            if Builder::new().name(name).spawn(move || self.serve(seen)).is_err() {
                break;
            }
            self.count.fetch_add(1, SeqCst);
        }
        self.count.load(SeqCst).min(wanted)
    }

    /// Calls `work` for all items on this thread and up to `places` workers, in pieces. It is this thread's turn.
    pub(super) fn together(&'static self, items: usize, places: usize, work: &(dyn Fn(Range<usize>) + Sync)) {
        let (mut first, mut places, most) = (0, 0, places);
        while first < items {
            places = self.pace().places(most, Instant::now());
            if places > 0 {
                break;
            }
            let piece = first..items.min(first + items.div_ceil(ALONE));
            first = piece.end;
            within(|| work(piece));
        }
        let job = Job {
            work,
            items: first..items,
            threads: places + 1,
            next: AtomicUsize::new(0),
            places: AtomicUsize::new(places),
            panicked: AtomicBool::new(false),
        };
        if first < items {
            let mut posted = Posted::new(self, &job, places);
            let started = Instant::now();
            let pieces = job.take_part();
            posted.piece = started.elapsed() / pieces.max(1);
        }
        if job.panicked.load(SeqCst) {
            panic!("a thread of the pool panicked");
        }
    }

    /// Between two looks.
    fn look_away(&self) {
        // The caller is a thread too.
        match self.count.load(SeqCst) < Cores::of_process().allowed {
            true => std::hint::spin_loop(),
            false => yield_now(),
        }
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life, after job `seen`.
    fn serve(&self, mut seen: u64) {
        let mut spin = SPIN;
        loop {
            let started = Instant::now();
            seen = self.next(seen, spin, started);
            spin = if Cores::of_process().quota.is_some() || started.elapsed() > 2 * SPIN { SHORT_SPIN } else { SPIN };
            self.inside.fetch_add(1, SeqCst);
            if self.open.load(SeqCst) == seen {
                // SAFETY: the job of this number is open, and whoever posted it waits, after closing it, until nobody is inside.
                let job = unsafe { &*self.job.load(SeqCst) };
                if job.places.fetch_update(SeqCst, SeqCst, |places| places.checked_sub(1)).is_err() {
                    // Jobs are for fewer threads than there are: others see to the next one.
                    spin = Duration::ZERO;
                } else if catch_unwind(AssertUnwindSafe(|| job.take_part())).is_err() {
                    job.panicked.store(true, SeqCst);
                }
            }
            if self.inside.fetch_sub(1, SeqCst) == 1 && self.awaited.load(SeqCst) {
                let _lock = self.lock();
                self.left.notify_all();
            }
        }
    }

    /// Waits for a job after the one of number `seen`.
    fn next(&self, seen: u64, spin: Duration, started: Instant) -> u64 {
        while started.elapsed() < spin {
            for _ in 0..LOOKS {
                let posted = self.posted.load(SeqCst);
                if posted != seen {
                    return posted;
                }
                self.look_away();
            }
        }
        let mut lock = self.lock();
        self.parked.fetch_add(1, SeqCst);
        // Whoever posts after this sees a parked worker, and notifies once the lock is given up by waiting.
        while self.posted.load(SeqCst) == seen {
            lock = self.wake.wait(lock).unwrap_or_else(PoisonError::into_inner);
        }
        self.parked.fetch_sub(1, SeqCst);
        self.posted.load(SeqCst)
    }
}

/// A job that workers may enter; dropped, it is closed, and nobody is inside any more, however the caller left.
struct Posted<'a> {
    workers: &'static Workers,
    job: &'a Job<'a>,
    /// What a piece took the caller.
    piece: Duration,
}

impl<'a> Posted<'a> {
    fn new(workers: &'static Workers, job: &'a Job<'a>, places: usize) -> Self {
        workers.job.store(std::ptr::from_ref(job).cast_mut().cast(), SeqCst);
        let number = workers.posted.load(SeqCst) + 1;
        workers.open.store(number, SeqCst);
        workers.posted.store(number, SeqCst);
        let parked = workers.parked.load(SeqCst);
        if parked > 0 {
            let awake = workers.count.load(SeqCst).saturating_sub(parked);
            let _lock = workers.lock();
            for _ in awake..places {
                workers.wake.notify_one();
            }
        }
        Self { workers, job, piece: Duration::ZERO }
    }
}

impl Drop for Posted<'_> {
    fn drop(&mut self) {
        let Self { workers, job, piece } = self;
        // A caller that panicked leaves nothing to claim.
        job.next.fetch_max(job.pieces(), SeqCst);
        workers.open.store(0, SeqCst);
        if (0..LOOKS).any(|_| workers.inside.load(SeqCst) == 0) {
            return;
        }
        let since = Instant::now();
        while workers.inside.load(SeqCst) > 0 {
            if since.elapsed() < PATIENCE {
                workers.look_away();
                continue;
            }
            let mut lock = workers.lock();
            workers.awaited.store(true, SeqCst);
            while workers.inside.load(SeqCst) > 0 {
                lock = workers.left.wait(lock).unwrap_or_else(PoisonError::into_inner);
            }
            workers.awaited.store(false, SeqCst);
        }
        let now = Instant::now();
        workers.pace().waited(now - since, *piece, now);
    }
}
