//! What choosing one token of 151,936 (Qwen's vocabulary) costs, beside a plain full sort of the logits:
//! `cargo bench -p wick-sample --profile dev`.
//!
//! One thread; the logits are written just before, as a model would, and lie in the cache. Of each sample the median round
//! counts. Every case runs on each instruction set that the machine has. The bar: the default chain in 100 µs on AVX2.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wick_kernels::Isa;
use wick_sample::Sampler;
use wick_spec::{Draw, Mirostat, Sampling};

const VOCABULARY: usize = 151_936;

/// A bell of deviation 2 (the sum of twelve uniform numbers), and a token in a thousand up to 12 above it.
fn logits() -> Vec<f32> {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut logit = || {
        let bell = ((0..12).map(|_| unit()).sum::<f32>() - 6.0) * 2.0;
        if unit() < 1e-3 { bell + 12.0 * unit() } else { bell }
    };
    (0..VOCABULARY).map(|_| logit()).collect()
}

/// The chain as most first write it: sort everything, then cut and add up.
fn full_sort(logits: &[f32], order: &mut Vec<(f32, u32)>) -> u32 {
    order.clear();
    order.extend(logits.iter().copied().zip(0..));
    order.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    order.truncate(40);
    let max = order[0].0;
    let total: f32 = order.iter().map(|(logit, _)| ((logit - max) / 0.8).exp()).sum();
    let mut left = 0.5 * total;
    let drawn = order.iter().find(|(logit, _)| {
        left -= ((logit - max) / 0.8).exp();
        left < 0.0
    });
    drawn.map_or(0, |(_, id)| *id)
}

fn chains() -> Vec<(&'static str, Sampling)> {
    let off = Sampling { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Sampling::default() };
    vec![
        ("default chain", Sampling::default()),
        ("default chain, penalties", Sampling { repetition_penalty: 1.1, ..Sampling::default() }),
        ("default chain, 5 log-probabilities", Sampling { logprobs: Some(5), ..Sampling::default() }),
        ("greedy", Sampling { temperature: 0.0, ..Sampling::default() }),
        ("top-n-sigma 1", Sampling { top_n_sigma: 1.0, ..off.clone() }),
        ("no filter", off.clone()),
        ("gumbel-max, no filter", Sampling { draw: Draw::GumbelMax, ..off.clone() }),
        ("mirostat-v2", Sampling { draw: Draw::MirostatV2(Mirostat::default()), ..off }),
    ]
}

/// `rounds` times the median of as many rounds: other work on the machine stretches some of them a hundredfold.
fn medians(rounds: u64, mut round: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..rounds).map(|_| round()).collect();
    times.sort();
    times[times.len() / 2] * rounds as u32
}

fn chain(c: &mut Criterion) {
    let logits = logits();
    let mut copy = logits.clone();
    let mut group = c.benchmark_group("one token of 151936");
    group.bench_function("full sort", |b| {
        let mut order = Vec::with_capacity(VOCABULARY);
        b.iter_custom(|rounds| {
            medians(rounds, || {
                copy.copy_from_slice(&logits);
                let began = Instant::now();
                black_box(full_sort(&copy, &mut order));
                began.elapsed()
            })
        });
    });
    for (name, options) in chains() {
        for isa in [Some(Isa::SCALAR), Isa::avx2()].into_iter().flatten() {
            let options = Sampling { seed: Some(1), ..options.clone() };
            let mut sampler = Sampler::new(&options, VOCABULARY).expect("the options are in range").on(isa);
            group.bench_function(BenchmarkId::new(name, isa.name()), |b| {
                b.iter_custom(|rounds| {
                    medians(rounds, || {
                        copy.copy_from_slice(&logits);
                        let began = Instant::now();
                        let choice = sampler.sample(&mut copy).expect("the logits are finite");
                        let time = began.elapsed();
                        sampler.accept(choice.id);
                        time
                    })
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = chain
}
criterion_main!(benches);
