//! Whose turn it is to use the workers.
//!
//! Two models that compute at once would have more threads than there are cores, and each would wait for what the system took off
//! its core in the middle of a piece. So one computes at a time, with all workers, and who waits sleeps. A turn is as long as a step
//! of a model, but where others wait it is passed on after a while, between two jobs; they are served in the order they came.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a turn lasts where others wait.
pub(super) const SLICE: Duration = Duration::from_millis(5);

/// The line before a pool's workers.
pub(super) struct Turns {
    line: Mutex<Line>,
    moved: Condvar,
    waiting: AtomicUsize,
}

/// Numbers are given in order; whoever has the one that is served has the turn.
struct Line {
    next: u64,
    served: u64,
}

thread_local! {
    static OWN: Cell<Own> = const { Cell::new(Own { depth: 0, held: None }) };
}

/// What a thread has.
#[derive(Clone, Copy)]
struct Own {
    /// [`Turn`]s that it is in.
    depth: usize,
    held: Option<(&'static Turns, Instant)>,
}

/// Says that what this thread computes until this is dropped belongs together, such as a step of a model: it keeps the pool's
/// workers in between, once it has used them, for some milliseconds at least. Turns within turns are the outermost one.
pub struct Turn {
    /// A turn is its thread's.
    thread: PhantomData<*const ()>,
}

impl Turn {
    /// Costs next to nothing; nobody waits before there is work for the pool.
    pub fn begin() -> Self {
        let own = OWN.get();
        OWN.set(Own { depth: own.depth + 1, ..own });
        Self { thread: PhantomData }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let own = OWN.get();
        let (depth, mut held) = (own.depth - 1, own.held);
        if depth == 0
            && let Some((turns, _)) = held.take()
        {
            turns.give();
        }
        OWN.set(Own { depth, held });
    }
}

impl Turns {
    pub(super) fn new() -> Self {
        Self { line: Mutex::new(Line { next: 0, served: 0 }), moved: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Waits for this thread's turn, if it has it not. It ends with the outermost [`Turn`], within which this is called.
    pub(super) fn hold(&'static self) {
        let own = OWN.get();
        debug_assert!(own.depth > 0, "within a turn");
        match own.held {
            Some((turns, since)) if std::ptr::eq(turns, self) => {
                if self.waiting.load(SeqCst) == 0 || since.elapsed() < SLICE {
                    return;
                }
                self.give();
            }
            // Two that hold a pool each and wait for the other's would wait forever.
            Some((other, _)) => other.give(),
            None => {}
        }
        OWN.set(Own { held: None, ..own });
        self.take();
        OWN.set(Own { held: Some((self, Instant::now())), ..own });
    }

    fn take(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let number = line.next;
        line.next += 1;
        if line.served == number {
            return;
        }
        self.waiting.fetch_add(1, SeqCst);
        while line.served != number {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    fn give(&self) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.served += 1;
        if self.waiting.load(SeqCst) > 0 {
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> &'static Turns {
        Box::leak(Box::new(Turns::new()))
    }

    #[test]
    fn one_has_the_turn_and_it_goes_round() {
        let turns = turns();
        let (inside, most, rounds) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..500 {
                        let _outer = Turn::begin();
                        for _ in 0..n % 3 + 1 {
                            let _inner = Turn::begin();
                            turns.hold();
                            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                            inside.fetch_sub(1, SeqCst);
                        }
                        rounds.fetch_add(1, SeqCst);
                    }
                });
            }
        });
        assert_eq!((rounds.load(SeqCst), most.load(SeqCst)), (2000, 1));
        let line = turns.line.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((line.next, turns.waiting.load(SeqCst)), (line.served, 0));
    }

    #[test]
    fn a_long_turn_is_passed_on_when_another_waits() {
        let turns = turns();
        let others = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let _turn = Turn::begin();
            turns.hold();
            scope.spawn(|| {
                let _turn = Turn::begin();
                turns.hold();
                others.store(1, SeqCst);
            });
            while turns.waiting.load(SeqCst) == 0 {
                std::thread::yield_now();
            }
            turns.hold();
            std::thread::sleep(SLICE);
            turns.hold();
            assert_eq!(others.load(SeqCst), 1, "it was the other's turn before this one's");
        });
    }

    #[test]
    fn two_pools_in_either_order_end() {
        let (a, b) = (turns(), turns());
        std::thread::scope(|scope| {
            for (first, second) in [(a, b), (b, a)] {
                scope.spawn(move || {
                    for _ in 0..500 {
                        let _turn = Turn::begin();
                        first.hold();
                        second.hold();
                    }
                });
            }
        });
    }
}
