//! Prints what choosing one token costs, and the tokens of several sequences one after another and on the pool
//! (`WICK_THREADS`): `cargo run -p wick-sample --example speed [VOCABULARY]` (default 151936, Qwen's).
//!
//! The logits look like a model's: a broad bell, and a few tokens far above it.

use std::time::{Duration, Instant};

use wick_kernels::Pool;
use wick_sample::{Job, Sampler, sample_all};
use wick_spec::{ChainStep, Sampling};

const ROUNDS: usize = 200;

fn main() {
    let vocab = std::env::args().nth(1).map_or(151_936, |arg| arg.parse().expect("VOCABULARY is a number of tokens"));
    let logits = logits(vocab);
    let off = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
    let cases = [
        ("default chain", Sampling::default()),
        ("default chain, penalties", Sampling { repetition_penalty: 1.1, ..Sampling::default() }),
        ("default chain, 5 log-probabilities", Sampling { logprobs: Some(5), ..Sampling::default() }),
        (
            "temperature before top-k",
            Sampling { chain: vec![ChainStep::Temperature, ChainStep::TopK], ..Sampling::default() },
        ),
        ("greedy", Sampling { temperature: 0.0, ..Sampling::default() }),
        ("top-p alone", Sampling { top_p: 0.95, ..off.clone() }),
        ("min-p alone", Sampling { min_p: 0.05, ..off.clone() }),
        ("no filter", off),
    ];
    println!("{vocab} logits, median of {ROUNDS}:");
    for (name, options) in &cases {
        println!("{:>8.1} µs  {name}", median(options, &logits).as_secs_f64() * 1e6);
    }
    let pool = Pool::of_thread();
    println!("8 and 16 sequences, one after another and on {} threads:", pool.threads());
    for (name, options) in &cases {
        let times = [(8, Pool::new(1)), (8, pool), (16, Pool::new(1)), (16, pool)]
            .map(|(n, pool)| together(options, &logits, n, &pool));
        let [a, b, c, d] = times.map(|time| time.as_secs_f64() * 1e6);
        println!("{a:>8.1} {b:>8.1}   {c:>8.1} {d:>8.1} µs  {name}");
    }
}

/// The tokens of `n` sequences.
fn together(options: &Sampling, logits: &[f32], n: usize, pool: &Pool) -> Duration {
    let sampler = |seed| Sampler::new(&Sampling { seed: Some(seed), ..options.clone() }, logits.len()).expect("in range");
    let mut samplers: Vec<Sampler> = (0..n as u64).map(sampler).collect();
    let mut copies = vec![logits.to_vec(); n];
    let mut times: Vec<Duration> = (0..ROUNDS / 8)
        .map(|_| {
            copies.iter_mut().for_each(|copy| copy.copy_from_slice(logits));
            let pairs = samplers.iter_mut().zip(&mut copies);
            let mut jobs: Vec<Job<'_>> = pairs.map(|(sampler, logits)| Job { sampler, logits, settled: None }).collect();
            let start = Instant::now();
            assert!(sample_all(&mut jobs, pool).iter().all(Result::is_ok), "the logits are finite");
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn median(options: &Sampling, logits: &[f32]) -> Duration {
    let mut sampler =
        Sampler::new(&Sampling { seed: Some(1), ..options.clone() }, logits.len()).expect("the options are in range");
    let mut copy = logits.to_vec();
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            copy.copy_from_slice(logits);
            let start = Instant::now();
            let choice = sampler.sample(&mut copy).expect("the logits are finite");
            let time = start.elapsed();
            sampler.accept(choice.id);
            time
        })
        .collect();
    times.sort();
    times[ROUNDS / 2]
}

/// A bell of deviation 2 (the sum of twelve uniform numbers), and a token in a thousand up to 12 above it.
fn logits(vocab: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..vocab)
        .map(|_| {
            let bell = ((0..12).map(|_| unit()).sum::<f32>() - 6.0) * 2.0;
            if unit() < 1e-3 { bell + 12.0 * unit() } else { bell }
        })
        .collect()
}
