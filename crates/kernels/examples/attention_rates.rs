//! Rates of attention on one thread, for work on the kernels: `attention_rates [MIB [POSITIONS…]]`, defaults 64, 257 2048 8192.
//!
//! For each shape (h, g, d) and type of keys and values: giga multiply-adds a second of a prompt of so many tokens (its last 256 rows
//! where it is longer), of the positions that rows see; and gigabytes of keys and values a second, of one row after so many tokens.
//! Rows of one go through as many layers' caches as make so many MiB: more than the caches of the processor hold, as in a model, or
//! 0, for a single layer, to see what the instructions alone cost.

use std::time::Instant;

use wick_kernels::attention::{AttentionScratch, Cache, Heads, KvLayout, KvType, POSITIONS, Sequence, attend};
use wick_kernels::{Isa, Pool};
use wick_spec::Stop;
use wick_testkit::Random;

/// A layer's blocks, in order.
struct Layer {
    layout: KvLayout,
    slabs: Vec<*mut u8>,
    _memory: Vec<u64>,
}

impl Layer {
    /// Random keys and values: bytes whose half-precision floats are all finite and small.
    fn new(layout: KvLayout, positions: usize, random: &mut Random) -> Self {
        let (blocks, bytes) = (positions.div_ceil(POSITIONS), layout.bytes());
        let mask = if layout.kv_type == KvType::Q8_0 { 0x2f7f_2f7f_2f7f_2f7f } else { 0xbbff_bbff_bbff_bbff };
        let mut memory: Vec<u64> = (0..blocks * bytes / 8 + 8).map(|_| random.bits() & mask).collect();
        let start = memory.as_mut_ptr().cast::<u8>();
        let start = start.wrapping_add(start.align_offset(64));
        let slabs = (0..blocks).map(|i| start.wrapping_add(i * bytes)).collect();
        Self { layout, slabs, _memory: memory }
    }
}

/// The least seconds of some runs of `f`.
fn best(runs: usize, mut f: impl FnMut()) -> f64 {
    let timed = |_| {
        let started = Instant::now();
        f();
        started.elapsed().as_secs_f64()
    };
    (0..runs).map(timed).fold(f64::INFINITY, f64::min)
}

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let (all, positions) = numbers.split_first().map_or((64, &[][..]), |(mib, positions)| (*mib, positions));
    let positions = if positions.is_empty() { &[257, 2048, 8192] } else { positions };
    let isa = Isa::chosen().expect("WICK_CPU names what there is");
    let (pool, stop, mut scratch) = (Pool::new(1), Stop::default(), AttentionScratch::default());
    println!("{}", isa.name());
    for (h, g, d) in [(32, 4, 64), (16, 8, 128), (32, 32, 64)] {
        let heads = Heads { heads: h, kv_heads: g, head_dim: d, scale: 0.1, softcap: None, window: None };
        for kv_type in [KvType::F32, KvType::F16, KvType::Q8_0] {
            print!("({h}, {g}, {d}) {kv_type:?}");
            for &s in positions {
                let mut random = Random::new(1);
                let layout = KvLayout { kv_type, kv_heads: g, head_dim: d };
                let bytes = layout.bytes() * s.div_ceil(POSITIONS);
                let layers: Vec<Layer> =
                    (0..(all << 20).div_ceil(bytes).max(1)).map(|_| Layer::new(layout, s, &mut random)).collect();
                let ids: Vec<u32> = (0..s.div_ceil(POSITIONS) as u32).collect();
                let mut run = |layer: &Layer, t: usize, q: &[f32], out: &mut [f32]| {
                    // SAFETY: as many blocks as tokens need, each as long as the layout says; nobody writes them.
                    let cache = unsafe { Cache::new(&layer.slabs, 0, layer.layout) };
                    let sequence = [Sequence { rows: 0..t, cached: s - t, blocks: &ids }];
                    attend(isa, &pool, heads, None, &cache, &sequence, q, out, &mut scratch, &stop);
                };
                let t = s.min(257);
                let (q, mut out) = (random.values(t * h * d, 1.0), vec![0.0; t * h * d]);
                let prefill = best(8, || run(&layers[0], t, &q, &mut out));
                let seen: usize = (s - t + 1..=s).sum();
                let row = h * d;
                let decode = best(if all > 16 { 4 } else { 100 }, || {
                    layers.iter().for_each(|layer| run(layer, 1, &q[..row], &mut out[..row]))
                });
                let rate = (layers.len() * bytes) as f64 / decode / 1e9;
                print!("  {s}: {:.1} Gmadd/s, {rate:.1} GB/s", (2 * seen * h * d) as f64 / prefill / 1e9);
            }
            println!();
        }
    }
}
