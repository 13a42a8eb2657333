//! What a step costs, by the rows it computes: measured as they go, so that chunks of prompts can be sized by time.
//!
//! Of answers a line through points at powers of two, whose ends each measurement moves a little towards itself; of prompts what a
//! row of them adds.

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

/// Milliseconds that a step without answers takes at most, as far as that can be known: so long may a session wait for its turn.
const TURN_MS: f64 = 500.0;

/// The same of the only session: longer chunks cost less, and who comes waits for one of them at most.
const ALONE_MS: f64 = 1500.0;

/// How many times what it costs without them a step with rows of prompts may cost: so much longer may answers wait for a token.
const BESIDE: f64 = 3.0;

/// The measured costs.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Milliseconds at [`POINTS`] of steps without prompts; `None` before the first measurement.
    ms: Option<[f64; POINTS.len()]>,
    /// Milliseconds that a row of a prompt adds. Apart from the others: it grows with the prompt, and the step it is added to does not.
    prompt_row_ms: Option<f64>,
}

impl Pace {
    /// A step of so many rows of answers, drafts included, and of prompts took so long.
    pub(crate) fn measured(&mut self, answers: usize, prompts: usize, ms: f64) {
        if prompts > 0 {
            return self.measured_with_prompts(answers, prompts, ms);
        }
        let shape = |rows: usize| (FIXED_ROWS + rows as f64) / (FIXED_ROWS + 1.0);
        let points = self.ms.get_or_insert_with(|| POINTS.map(|at| ms * shape(at) / shape(answers)));
        let (low, share) = place(answers);
        let expected = points[low] * (1.0 - share) + points[low + 1] * share;
        let error = ms.min(expected * OUTLIER) - expected;
        points[low] += LEARNING * (1.0 - share) * error;
        points[low + 1] += LEARNING * share * error;
        // More rows never cost less: what was measured of few is known of many as well.
        for at in 1..points.len() {
            points[at] = points[at].max(points[at - 1]);
        }
    }

    fn measured_with_prompts(&mut self, answers: usize, prompts: usize, ms: f64) {
        // Few rows say more of what a step costs whatever its rows.
        if prompts < LEAST_BESIDE {
            return;
        }
        // However wrong the line is, rows add something.
        let row = (ms - self.cost(answers)).max(ms / 10.0) / prompts as f64;
        let before = *self.prompt_row_ms.get_or_insert(row);
        self.prompt_row_ms = Some(before + LEARNING * (row.min(before * OUTLIER) - before));
    }

    /// Milliseconds that a step of so many rows of answers takes; 0 of no rows, and before anything was measured.
    pub(crate) fn cost(&self, answers: usize) -> f64 {
        let Some(points) = self.ms.as_ref().filter(|_| answers > 0) else { return 0.0 };
        let (low, share) = place(answers);
        points[low] * (1.0 - share) + points[low + 1] * share
    }

    /// Rows of prompts that a step with so many rows of answers has room for; `alone`: there is one session.
    pub(crate) fn chunk(&self, answers: usize, alone: bool) -> usize {
        let (least, most_ms) = match answers {
            0 => (LEAST_ALONE, if alone { ALONE_MS } else { TURN_MS }),
            _ => (LEAST_BESIDE, (BESIDE - 1.0) * self.cost(answers)),
        };
        self.prompt_row_ms.map_or(least, |row| ((most_ms / row) as usize).clamp(least, CHUNK))
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
    fn real(answers: usize, prompts: usize) -> f64 {
        15.0 + 5.3 * answers as f64 + 5.0 * prompts as f64
    }

    fn paced() -> Pace {
        let mut pace = Pace::default();
        for _ in 0..50 {
            [1, 3, 7, 8, 16, 40, 64].into_iter().for_each(|rows| pace.measured(rows, 0, real(rows, 0)));
            [(0, 64), (7, 20)].into_iter().for_each(|(answers, rows)| pace.measured(answers, rows, real(answers, rows)));
        }
        pace
    }

    #[test]
    fn costs_are_learned_and_lie_between_what_was_measured() {
        let pace = paced();
        for rows in 1..=100 {
            let (cost, real) = (pace.cost(rows), real(rows, 0));
            assert!((cost / real - 1.0).abs() < 0.05, "{rows} rows: {cost} ms, really {real}");
        }
    }

    #[test]
    fn chunks_are_as_long_as_they_may_take() {
        let pace = paced();
        for answers in [1, 7, 16, 64] {
            let rows = pace.chunk(answers, false);
            let times = real(answers, rows) / real(answers, 0);
            assert!(
                (rows == LEAST_BESIDE && times > 2.8) || (2.6..3.3).contains(&times),
                "{rows} beside {answers}: {times}"
            );
        }
        assert!((400.0..600.0).contains(&real(0, pace.chunk(0, false))), "{}", pace.chunk(0, false));
        assert!(pace.chunk(0, true) > 2 * pace.chunk(0, false));
    }

    #[test]
    fn a_prompt_that_grows_dearer_makes_no_answer_seem_so() {
        let mut pace = paced();
        let before = pace.cost(7);
        for n in 0..200 {
            let rows = pace.chunk(7, false);
            // A row of it costs three times as much in the end.
            let ms = real(7, 0) + rows as f64 * (5.0 + n as f64 / 20.0);
            assert!(ms < real(7, 0) * 3.5, "step {n}: {ms} ms");
            pace.measured(7, rows, ms);
        }
        assert_eq!(pace.cost(7), before);
    }

    #[test]
    fn before_the_first_measurement_chunks_are_small_and_one_measurement_is_enough_to_guess() {
        let mut pace = Pace::default();
        assert_eq!((pace.chunk(0, false), pace.chunk(3, false), pace.cost(5)), (LEAST_ALONE, LEAST_BESIDE, 0.0));
        pace.measured(0, 64, 6.7);
        assert_eq!(pace.chunk(0, false), CHUNK, "a small model");
        let mut pace = Pace::default();
        pace.measured(0, 64, 6700.0);
        assert_eq!((pace.chunk(0, false), pace.chunk(2, false)), (LEAST_ALONE, LEAST_BESIDE), "a large one");
    }

    #[test]
    fn one_slow_step_is_soon_forgotten() {
        let mut pace = paced();
        pace.measured(8, 0, 10_000.0);
        assert!(pace.cost(8) < real(8, 0) * 1.6);
        (0..10).for_each(|_| pace.measured(8, 0, real(8, 0)));
        assert!(pace.cost(8) < real(8, 0) * 1.1);
        assert!((1..256).all(|rows| pace.cost(rows) <= pace.cost(rows + 1)));
        pace.measured(7, 20, 10_000.0);
        (0..10).for_each(|_| pace.measured(7, 20, real(7, 20)));
        assert!(pace.chunk(7, false) > 15);
    }
}
