//! What a step costs, by the rows it computes: measured as they go, so that chunks of prompts can be sized by time.
//!
//! A line through points at powers of two, whose ends each measurement moves a little towards itself.

/// Rows of the points.
const POINTS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// How far a measurement moves the line.
const LEARNING: f64 = 0.25;

/// A measurement that many times the expected one counts as so much: the machine was busy elsewhere.
const OUTLIER: f64 = 3.0;

/// Rows that cost as much as what a step costs whatever its rows: where nothing was measured yet.
const FIXED_ROWS: f64 = 3.0;

/// Most rows of prompts in a step.
pub(crate) const CHUNK: usize = 256;

/// Least rows of prompts in a step beside answers.
const LEAST_BESIDE: usize = 8;

/// Least rows of prompts in a step without answers.
const LEAST_ALONE: usize = 64;

/// Milliseconds that a step without answers takes at most, as far as that can be known: so long may a new session wait for its first.
const ALONE_MS: f64 = 500.0;

/// How many times what it costs without them a step with rows of prompts may cost: so much longer may answers wait for a token.
const BESIDE: f64 = 3.0;

/// The measured costs.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Milliseconds at [`POINTS`]; `None` before the first measurement.
    ms: Option<[f64; POINTS.len()]>,
}

impl Pace {
    /// A step of so many rows took so long.
    pub(crate) fn measured(&mut self, rows: usize, ms: f64) {
        let shape = |rows: usize| (FIXED_ROWS + rows as f64) / (FIXED_ROWS + 1.0);
        let points = self.ms.get_or_insert_with(|| POINTS.map(|at| ms * shape(at) / shape(rows)));
        let (low, share) = place(rows);
        let expected = points[low] * (1.0 - share) + points[low + 1] * share;
        let error = ms.min(expected * OUTLIER) - expected;
        points[low] += LEARNING * (1.0 - share) * error;
        points[low + 1] += LEARNING * share * error;
        // More rows never cost less: what was measured of few is known of many as well.
        for at in 1..points.len() {
            points[at] = points[at].max(points[at - 1]);
        }
    }

    /// Milliseconds that a step of so many rows takes; 0 before anything was measured.
    pub(crate) fn cost(&self, rows: usize) -> f64 {
        let Some(points) = &self.ms else { return 0.0 };
        let (low, share) = place(rows);
        points[low] * (1.0 - share) + points[low + 1] * share
    }

    /// Rows of prompts that a step with so many rows of answers has room for.
    pub(crate) fn chunk(&self, answers: usize) -> usize {
        let (least, most_ms) = match answers {
            0 => (LEAST_ALONE, ALONE_MS),
            _ => (LEAST_BESIDE, BESIDE * self.cost(answers)),
        };
        if self.ms.is_none() {
            return least;
        }
        let fits = |rows: &usize| self.cost(answers + rows) <= most_ms;
        (least..=CHUNK).rev().find(fits).unwrap_or(least)
    }
}

/// The point at or before so many rows that has another after it, and how far they are on the way there; beyond 1 behind the last.
fn place(rows: usize) -> (usize, f64) {
    let low = POINTS.partition_point(|&at| at <= rows.max(1)).clamp(1, POINTS.len() - 1) - 1;
    (low, (rows as f64 - POINTS[low] as f64).max(0.0) / (POINTS[low + 1] - POINTS[low]) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TinyLlama in Q4_K_M on two threads, about.
    fn real(rows: usize) -> f64 {
        15.0 + 5.3 * rows as f64
    }

    fn paced() -> Pace {
        let mut pace = Pace::default();
        for _ in 0..50 {
            [1, 3, 7, 8, 16, 40, 64, 200, 256].into_iter().for_each(|rows| pace.measured(rows, real(rows)));
        }
        pace
    }

    #[test]
    fn costs_are_learned_and_lie_between_what_was_measured() {
        let pace = paced();
        for rows in 1..=400 {
            let (cost, real) = (pace.cost(rows), real(rows));
            assert!((cost / real - 1.0).abs() < 0.05, "{rows} rows: {cost} ms, really {real}");
        }
    }

    #[test]
    fn chunks_are_as_long_as_they_may_take() {
        let pace = paced();
        for answers in [1, 7, 16, 64] {
            let rows = pace.chunk(answers);
            let times = real(answers + rows) / real(answers);
            assert!(
                (rows == LEAST_BESIDE && times > 2.8) || (2.6..3.3).contains(&times),
                "{rows} beside {answers}: {times}"
            );
        }
        assert!((430.0..530.0).contains(&real(pace.chunk(0))), "{}", pace.chunk(0));
    }

    #[test]
    fn before_the_first_measurement_chunks_are_small_and_one_measurement_is_enough_to_guess() {
        let mut pace = Pace::default();
        assert_eq!((pace.chunk(0), pace.chunk(3), pace.cost(5)), (LEAST_ALONE, LEAST_BESIDE, 0.0));
        pace.measured(64, 6.7);
        assert_eq!(pace.chunk(0), CHUNK, "a small model");
        let mut pace = Pace::default();
        pace.measured(64, 6700.0);
        assert_eq!(pace.chunk(0), LEAST_ALONE, "a large one");
        assert!(pace.chunk(2) < 2 * LEAST_BESIDE);
    }

    #[test]
    fn one_slow_step_is_soon_forgotten() {
        let mut pace = paced();
        pace.measured(8, 10_000.0);
        assert!(pace.cost(8) < real(8) * 1.6);
        (0..10).for_each(|_| pace.measured(8, real(8)));
        assert!(pace.cost(8) < real(8) * 1.1);
        assert!((1..256).all(|rows| pace.cost(rows) <= pace.cost(rows + 1)));
    }
}
