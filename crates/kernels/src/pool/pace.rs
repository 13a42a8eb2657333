//! How many workers to use on a machine that others use too.
//!
//! A worker that shares its core is taken off it for milliseconds, often with a piece in its hands that its caller then waits for. So after
//! such a wait a worker less is used for twice as long, and for up to a quarter of a second if it comes again and again at once: with one core busy elsewhere,
//! two threads are no slower than one, and what was only a moment's disturbance costs a moment.

use std::time::{Duration, Instant};

/// Waits up to this, and up to three pieces, are in the nature of things: whatever runs on the side of a model takes less.
const USUAL: Duration = Duration::from_millis(1);

/// Who shares a core with a program that always computes loses it this soon again.
const SOON: Duration = Duration::from_millis(10);

/// The longest time with fewer workers.
const LONGEST: Duration = Duration::from_millis(250);

/// The pace of a pool, told by whose turn it is.
#[derive(Default)]
pub(super) struct Pace {
    /// Workers that are left out.
    less: usize,
    /// Until when.
    until: Option<Instant>,
    /// For how long.
    time: Duration,
}

impl Pace {
    /// Of so many workers, how many to use now.
    pub(super) fn places(&mut self, workers: usize, now: Instant) -> usize {
        if self.until.is_some_and(|until| now >= until) {
            self.less = 0;
        }
        workers - self.less.min(workers)
    }

    /// After a job whose caller had its last piece at `now - waited` and whose pieces took it `piece` each.
    pub(super) fn waited(&mut self, waited: Duration, piece: Duration, now: Instant) {
        if waited < USUAL + 3 * piece {
            return;
        }
        match self.until {
            Some(until) if now < until => self.less += 1,
            Some(until) if now - until < SOON + waited => (self.less, self.time) = (1, (4 * self.time).min(LONGEST)),
            _ => (self.less, self.time) = (1, (2 * waited).min(LONGEST)),
        }
        self.until = Some(now + self.time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_wait_costs_a_worker_for_a_while_and_longer_when_it_comes_again() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        assert_eq!(pace.places(3, now), 3);
        pace.waited(USUAL / 2, Duration::ZERO, now);
        pace.waited(5 * MS, 4 * MS, now);
        assert_eq!(pace.places(3, now), 3, "short beside the pieces");
        pace.waited(2 * MS, MS / 10, now);
        assert_eq!((pace.places(3, now), pace.places(3, now + 3 * MS), pace.places(3, now + 4 * MS)), (2, 2, 3));
        for expected in [16, 64, 250, 250] {
            now += pace.time + MS;
            assert_eq!(pace.places(1, now), 1);
            pace.waited(3 * MS, MS / 10, now);
            assert_eq!(pace.time, expected * MS);
            assert_eq!((pace.places(1, now + pace.time - MS), pace.places(1, now + pace.time)), (0, 1));
        }
        now += LONGEST + 2 * SOON;
        pace.waited(3 * MS, MS / 10, now);
        assert_eq!(pace.time, 6 * MS, "later than that, it is another story");
    }

    #[test]
    fn waits_with_fewer_workers_cost_more_of_them() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for less in 1..6 {
            pace.waited(2 * MS, Duration::ZERO, now);
            assert_eq!(pace.places(3, now), 3usize.saturating_sub(less));
        }
        assert_eq!(pace.places(3, now + 4 * MS), 3);
    }
}
