//! What the pool makes of busy machines: steps of one model or several at once, without the models.
//!
//! `contention MODELS THREADS SECONDS [HOGS]`: each model is a thread that takes steps of 150 jobs, 200 µs of one core each, with 3 µs of
//! its own between jobs and 300 µs between steps, as the decode of a small model is. HOGS threads compute something else meanwhile.
//! Prints steps a second of all models together, the least of one, and the processor time a step.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use wick_kernels::{Pool, Turn};

const JOBS: usize = 150;
const ITEMS: usize = 64;
/// Rounds of [`turn_over`] in an item.
const ROUNDS: usize = 2800;

/// Some nanoseconds of one core a round, nothing shared.
fn turn_over(rounds: usize) {
    let mut x = 1u64;
    for _ in 0..rounds {
        x = black_box(x.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7));
    }
}

fn model(pool: &Pool, stop: &AtomicBool) -> usize {
    let mut steps = 0;
    while !stop.load(SeqCst) {
        {
            let _turn = Turn::begin();
            for _ in 0..JOBS {
                pool.each(ITEMS, &|range| range.for_each(|_| turn_over(ROUNDS)));
                turn_over(ROUNDS);
            }
        }
        turn_over(100 * ROUNDS);
        steps += 1;
    }
    steps
}

/// Seconds of processor time that the process has used.
fn used() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        text.rsplit(") ").next().unwrap_or("").split(' ').skip(11).take(2).filter_map(|n| n.parse().ok()).collect();
    fields.iter().sum::<f64>() / 100.0
}

fn main() {
    let numbers: Vec<f64> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let [models, threads, seconds, hogs] =
        std::array::from_fn(|n| numbers.get(n).copied().unwrap_or([1.0, 2.0, 1.0, 0.0][n]));
    let (pool, stop) = (Pool::of_process(threads as usize), AtomicBool::new(false));
    let started = Instant::now();
    let (steps, hogged) = std::thread::scope(|scope| {
        let hogs: Vec<_> = (0..hogs as usize)
            .map(|_| {
                scope.spawn(|| {
                    let mut rounds = 0;
                    while !stop.load(SeqCst) {
                        turn_over(ROUNDS);
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        let models: Vec<_> = (0..models as usize).map(|_| scope.spawn(|| model(&pool, &stop))).collect();
        std::thread::sleep(Duration::from_secs_f64(seconds));
        stop.store(true, SeqCst);
        let steps: Vec<usize> = models.into_iter().map(|model| model.join().expect("no panic")).collect();
        (steps, hogs.into_iter().map(|hog| hog.join().expect("no panic")).sum::<usize>())
    });
    let (elapsed, all): (f64, usize) = (started.elapsed().as_secs_f64(), steps.iter().sum());
    let least = steps.iter().min().copied().unwrap_or(0);
    println!(
        "{models} x {threads} threads, {hogs} hogs: {:.1} steps/s, least {:.1}, {:.1} ms of processor a step, hogs {:.0}/s",
        all as f64 / elapsed,
        least as f64 / elapsed,
        used() * 1e3 / all as f64,
        hogged as f64 / elapsed
    );
}
