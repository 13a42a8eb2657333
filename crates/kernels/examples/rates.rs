//! Rates of the products on one thread, for work on the kernels: `rates [N K MIB]`, defaults 2048, 2048, 256.
//!
//! For each type and number of rows of x the giga multiply-adds a second, and the gigabytes of weights read a second. So many MiB
//! of weights are gone through: more than the caches hold, as of a model, or less, to see what the instructions alone cost.

use std::time::Instant;

use wick_kernels::{Activations, Isa, grid, product};
use wick_testkit::Random;
use wick_weights::DType;

fn main() {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let (n, k) = (sizes.first().copied().unwrap_or(2048), sizes.get(1).copied().unwrap_or(2048));
    let all = sizes.get(2).copied().unwrap_or(256) << 20;
    let isa = Isa::chosen().expect("WICK_CPU names what there is");
    println!("{} {n} x {k}", isa.name());
    for dtype in [DType::Q5_K, DType::Q4_K, DType::Q6_K, DType::Q8_0, DType::Q4_0] {
        let size = n * k / dtype.layout().elements * dtype.layout().bytes;
        let mut random = Random::new(1);
        let matrix: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| random.bits().to_le_bytes()).take(size).collect();
        let matrices: Vec<Vec<u8>> = (0..(all / size).max(1)).map(|_| matrix.clone()).collect();
        print!("{dtype:>5}");
        for t in [1, 2, 4, 8, 12, 32, 256] {
            let x: Vec<f32> = (0..t * k).map(|_| random.signed(1.0)).collect();
            let (mut rounded, mut y) = (Activations::default(), vec![0.0f32; t * n]);
            rounded.set(isa, grid(dtype).expect("a type with a product"), &x, k);
            let some = if t > 8 { 4 } else { matrices.len() };
            let best = (0..if all > 1 << 24 { 3 } else { 40 })
                .map(|_| {
                    let started = Instant::now();
                    for matrix in &matrices[..some.min(matrices.len())] {
                        // SAFETY: room for every column, and one thread.
                        unsafe { product(isa, dtype, matrix, n, &rounded, 0..n, y.as_mut_ptr()) };
                    }
                    started.elapsed().as_secs_f64() / some.min(matrices.len()) as f64
                })
                .fold(f64::INFINITY, f64::min);
            print!("  {t}: {:.1} Gmadd/s {:.1} GB/s", (t * n * k) as f64 / best / 1e9, size as f64 / best / 1e9);
        }
        println!();
    }
}
