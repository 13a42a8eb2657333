use proptest::prelude::*;
use wick_testkit::{Random, assert_close};

use super::kv::{read, write};
use super::*;

const TYPES: [KvType; 3] = [KvType::F32, KvType::F16, KvType::Q8_0];

/// How far results may be from those of keys and values of size 1 that were not rounded.
fn tolerance(kv_type: KvType) -> f32 {
    match kv_type {
        KvType::F32 => 2e-6,
        KvType::F16 => 1e-3,
        KvType::Q8_0 => 1.2e-2,
    }
}

/// Sequences with random keys and values of size 1 in blocks out of order, all else NaN.
struct World {
    heads: Heads,
    layout: KvLayout,
    /// Of each sequence: tokens before its rows, and rows.
    sizes: Vec<(usize, usize)>,
    blocks: Vec<Vec<u32>>,
    /// Of each sequence, keys and values, (tokens, g, d).
    kv: Vec<[Vec<f32>; 2]>,
    q: Vec<f32>,
    sinks: Option<Vec<f32>>,
    slabs: Vec<Vec<f32>>,
}

/// Bytes of a slab before the layer.
const OFFSET: usize = 64;

impl World {
    fn new(heads: Heads, kv_type: KvType, sizes: &[(usize, usize)], sinks: bool, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let layout = KvLayout { kv_type, kv_heads: heads.kv_heads, head_dim: heads.head_dim };
        let needed: Vec<usize> = sizes.iter().map(|(cached, t)| (cached + t).div_ceil(POSITIONS)).collect();
        let mut ids: Vec<u32> = (0..needed.iter().sum::<usize>() as u32 + 2).collect();
        (0..ids.len()).for_each(|i| ids.swap(i, random.below(i + 1)));
        let slabs = vec![vec![f32::from_bits(u32::MAX); (layout.bytes() + OFFSET) / 4]; ids.len()];
        let blocks = needed.iter().map(|&n| ids.split_off(ids.len() - n)).collect();
        let width = heads.kv_heads * heads.head_dim;
        let kv = sizes.iter().map(|(cached, t)| [(); 2].map(|()| random.values((cached + t) * width, 1.0))).collect();
        let rows: usize = sizes.iter().map(|(_, t)| t).sum();
        let q = random.values(rows * heads.heads * heads.head_dim, 1.0);
        let sinks = sinks.then(|| random.values(heads.heads, 2.0));
        let mut world = Self { heads, layout, sizes: sizes.to_vec(), blocks, kv, q, sinks, slabs };
        for (s, &(cached, t)) in sizes.iter().enumerate() {
            (0..cached + t).for_each(|n| world.write(best(), s, n));
        }
        world
    }

    fn slabs(&self) -> Vec<*mut u8> {
        self.slabs.iter().map(|slab| slab.as_ptr().cast_mut().cast()).collect()
    }

    /// Calls `f` with the cache. Its memory is written by `World::write` alone.
    fn with<T>(&self, f: impl FnOnce(&Cache<'_>) -> T) -> T {
        let slabs = self.slabs();
        // SAFETY: every slab is there, and as long as the layout says.
        f(&unsafe { Cache::new(&slabs, OFFSET, self.layout) })
    }

    fn token(&self, s: usize, n: usize) -> [&[f32]; 2] {
        let width = self.heads.kv_heads * self.heads.head_dim;
        [0, 1].map(|i| &self.kv[s][i][n * width..][..width])
    }

    fn write(&mut self, isa: Isa, s: usize, n: usize) {
        let slabs: Vec<*mut u8> = self.slabs.iter_mut().map(|slab| slab.as_mut_ptr().cast()).collect();
        // SAFETY: as in `with`; this thread alone uses it.
        unsafe {
            let cache = Cache::new(&slabs, OFFSET, self.layout);
            let [key, value] = self.token(s, n);
            write(isa, &cache, self.blocks[s][n / POSITIONS], n % POSITIONS, key, value);
        }
    }

    /// What is kept of a token.
    fn kept(&self, s: usize, n: usize) -> [Vec<f32>; 2] {
        // SAFETY: nobody writes.
        self.with(|cache| unsafe { read(cache, self.blocks[s][n / POSITIONS], n % POSITIONS) })
    }

    fn all(&self) -> Vec<Sequence<'_>> {
        let starts = self.sizes.iter().scan(0, |end, (_, t)| Some(std::mem::replace(end, *end + t)));
        let each = self.sizes.iter().zip(&self.blocks).zip(starts);
        each.map(|((&(cached, t), blocks), start)| Sequence { rows: start..start + t, cached, blocks }).collect()
    }

    fn attend(&self, isa: Isa, pool: &Pool, sequences: &[Sequence<'_>]) -> Vec<f32> {
        let (mut out, mut scratch) = (vec![f32::NAN; self.q.len()], AttentionScratch::default());
        self.with(|cache| {
            let sinks = self.sinks.as_deref();
            attend(isa, pool, self.heads, sinks, cache, sequences, &self.q, &mut out, &mut scratch, &Stop::default());
        });
        out
    }

    /// Attention as its definition reads, in f64, of tokens' keys and values as `of` gives them.
    fn plain(&self, of: impl Fn(usize, usize) -> [Vec<f32>; 2]) -> Vec<f32> {
        let Heads { heads: h, head_dim: d, scale, softcap, .. } = self.heads;
        let mut out = Vec::new();
        for (s, sequence) in self.all().iter().enumerate() {
            let kv: Vec<_> = (0..sequence.cached + sequence.rows.len()).map(|n| of(s, n)).collect();
            for (row, n) in sequence.rows.clone().zip(sequence.cached..) {
                for head in 0..h {
                    let at = head / self.heads.group() * d;
                    let q = &self.q[(row * h + head) * d..][..d];
                    let seen = self.heads.seen(n);
                    let dot =
                        |n: usize| q.iter().zip(&kv[n][0][at..]).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>();
                    let capped = |x: f64| softcap.map_or(x, |cap| f64::from(cap) * (x / f64::from(cap)).tanh());
                    let weights: Vec<f64> = seen.clone().map(|n| capped(dot(n) * f64::from(scale)).exp()).collect();
                    let sink = self.sinks.as_ref().map_or(0.0, |sinks| f64::from(sinks[head]).exp());
                    let sum = weights.iter().sum::<f64>() + sink;
                    let mixed = |c| seen.clone().zip(&weights).map(|(n, w)| w * f64::from(kv[n][1][c])).sum::<f64>();
                    out.extend((at..at + d).map(|c| (mixed(c) / sum) as f32));
                }
            }
        }
        out
    }
}

fn best() -> Isa {
    Isa::all().last().expect("scalar at least")
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

fn heads(heads: usize, kv_heads: usize, head_dim: usize) -> Heads {
    Heads { heads, kv_heads, head_dim, scale: (head_dim as f32).sqrt().recip() * 2.0, softcap: None, window: None }
}

/// Sizes of heads, windows and caps, sequences as (cached, rows), sinks.
type Case = (Heads, &'static [(usize, usize)], bool);

fn cases() -> Vec<Case> {
    let windowed = |window, heads| Heads { window: Some(window), ..heads };
    let capped = |softcap, heads| Heads { softcap: Some(softcap), ..heads };
    vec![
        (heads(1, 1, 1), &[(0, 1), (3, 40)], false),
        (heads(4, 2, 6), &[(61, 50), (0, 1), (70, 2)], true),
        (windowed(5, heads(3, 3, 16)), &[(0, 70), (31, 1), (32, 33)], false),
        (capped(0.7, heads(16, 1, 40)), &[(100, 9), (0, 32)], false),
        (heads(8, 8, 64), &[(0, 129), (515, 1)], false),
        (heads(8, 1, 64), &[(1100, 3), (0, 64)], true),
        (windowed(40, capped(3.0, heads(80, 1, 33))), &[(600, 4), (5, 50)], true),
        (windowed(700, heads(6, 2, 80)), &[(1030, 7)], false),
        (heads(4, 4, 128), &[(0, 97), (511, 2)], false),
        (heads(2, 1, 256), &[(40, 60)], false),
    ]
}

#[test]
fn every_way_equals_the_definition() {
    // One thread takes many kv-heads at once, two take them apart.
    let pools = [1, 2].map(Pool::new);
    for (i, (heads, sizes, sinks)) in cases().into_iter().enumerate() {
        for kv_type in TYPES {
            let world = World::new(heads, kv_type, sizes, sinks, i as u64);
            let (kept, given) =
                (world.plain(|s, n| world.kept(s, n)), world.plain(|s, n| world.token(s, n).map(<[f32]>::to_vec)));
            for (isa, pool) in Isa::all().flat_map(|isa| pools.iter().map(move |pool| (isa, pool))) {
                let out = world.attend(isa, pool, &world.all());
                let what = format!("{heads:?} {sizes:?} {kv_type:?} {} {}", isa.name(), pool.threads());
                assert_close(&out, &kept, 2e-6, &what);
                assert_close(&out, &given, tolerance(kv_type), &what);
            }
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let pools = [1, 2, 3].map(Pool::new);
    let windowed = Heads { window: Some(900), ..heads(16, 2, 64) };
    for (heads, sizes) in
        [(heads(16, 2, 64), &[(1500, 1), (0, 40)][..]), (windowed, &[(2000, 3)]), (heads(8, 8, 48), &[(700, 64)])]
    {
        let world = World::new(heads, KvType::F16, sizes, true, 5);
        let mut tasks = Vec::new();
        assert!(plan(heads, &world.all(), 2, &mut tasks).0 > SMALL, "enough for the pool");
        for isa in Isa::all() {
            let [one, two, three] = pools.each_ref().map(|pool| bits(&world.attend(isa, pool, &world.all())));
            assert_eq!(one, two, "{heads:?} {}", isa.name());
            assert_eq!(one, three, "{heads:?} {}", isa.name());
        }
    }
}

#[test]
fn long_decodes_are_split() {
    let (heads, blocks) = (heads(8, 2, 64), vec![0; 64]);
    let sequences = [Sequence { rows: 0..1, cached: 2000, blocks: &blocks }];
    let mut tasks = Vec::new();
    for (threads, count, parts) in [(1, 1, 0), (2, 8, 8)] {
        let (_, floats) = plan(heads, &sequences, threads, &mut tasks);
        assert_eq!((tasks.len(), floats), (count, parts * (2 * 16 + 4 * 64)), "{threads} threads");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_same_bits_alone_and_a_row_at_a_time(
        seed in 0u64..1 << 32,
        g in 1usize..4,
        group in 1usize..10,
        d in prop::sample::select(vec![1usize, 6, 16, 40, 64, 80]),
        cached in 0usize..600,
        t in 1usize..45,
        window in prop::option::of(1usize..90),
        softcap in prop::option::of(0.5f32..4.0),
        which in 0..TYPES.len(),
    ) {
        let heads = Heads { window, softcap, ..heads(g * group, g, d) };
        let world = World::new(heads, TYPES[which], &[(cached, t), (17, 3), (40, 1)], seed % 2 == 0, seed);
        let (all, width) = (world.all(), heads.heads * d);
        let pool = Pool::new(1);
        for isa in Isa::all() {
            let together = bits(&world.attend(isa, &pool, &all));
            for sequence in &all {
                let alone = bits(&world.attend(isa, &pool, std::slice::from_ref(sequence)));
                let rows = sequence.rows.start * width..sequence.rows.end * width;
                prop_assert_eq!(&alone[rows.clone()], &together[rows]);
            }
            for (i, row) in all[0].rows.clone().enumerate() {
                let step = Sequence { rows: row..row + 1, cached: cached + i, blocks: all[0].blocks };
                let out = bits(&world.attend(isa, &pool, &[step]));
                prop_assert_eq!(&out[row * width..][..width], &together[row * width..][..width], "row {}", row);
            }
        }
    }
}

#[test]
fn what_no_row_sees_is_not_looked_at() {
    // What was never written is NaN in every test; here what is behind every window is, too.
    let pool = Pool::new(1);
    for kv_type in TYPES {
        let heads = Heads { window: Some(3), ..heads(2, 1, 20) };
        let mut world = World::new(heads, kv_type, &[(96, 5)], false, 1);
        let expected = Isa::all().map(|isa| bits(&world.attend(isa, &pool, &world.all()))).collect::<Vec<_>>();
        world.kv[0].iter_mut().for_each(|kv| kv[..94 * 20].fill(f32::NAN));
        (0..94).for_each(|n| world.write(best(), 0, n));
        for (isa, expected) in Isa::all().zip(expected) {
            let out = world.attend(isa, &pool, &world.all());
            assert!(out.iter().all(|x| x.is_finite()), "{kv_type:?} {}", isa.name());
            assert_eq!(bits(&out), expected);
        }
    }
}

#[test]
fn infinite_scores_and_nothing_to_see() {
    let pool = Pool::new(1);
    let mut world = World::new(heads(1, 1, 2), KvType::F32, &[(4, 1)], false, 2);
    world.q.fill(-1.0);
    // Minus infinity weighs nothing.
    let expected = 0.25;
    world.kv[0][0].fill(0.0);
    world.kv[0][0][6] = f32::INFINITY;
    world.kv[0][1].fill(expected);
    world.kv[0][1][6] = 8.0;
    (0..5).for_each(|n| world.write(best(), 0, n));
    for isa in Isa::all() {
        assert_eq!(world.attend(isa, &pool, &world.all()), [expected; 2]);
    }
    // All of them: 0, beside a sink too.
    world.kv[0][0].fill(f32::INFINITY);
    (0..5).for_each(|n| world.write(best(), 0, n));
    for sinks in [None, Some(vec![1.0])] {
        world.sinks = sinks;
        for isa in Isa::all() {
            assert_eq!(world.attend(isa, &pool, &world.all()), [0.0; 2]);
        }
    }
    // What is no number stays visible.
    world.kv[0][0][0] = f32::NAN;
    world.write(best(), 0, 0);
    for isa in Isa::all() {
        assert!(world.attend(isa, &pool, &world.all()).iter().all(|x| x.is_nan()), "{}", isa.name());
    }
}

#[test]
fn a_set_flag_leaves_the_rest() {
    let world = World::new(heads(2, 2, 16), KvType::F16, &[(10, 3)], false, 4);
    let (mut out, stop) = (vec![7.0; world.q.len()], Stop::default());
    stop.set();
    world.with(|cache| {
        let (pool, scratch) = (Pool::new(1), &mut AttentionScratch::default());
        attend(best(), &pool, world.heads, None, cache, &world.all(), &world.q, &mut out, scratch, &stop);
    });
    assert!(out.iter().all(|x| *x == 7.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_written_is_kept(seed in 0u64..1 << 32, g in 1usize..3, d in 1usize..100, magnitude in -12i32..20) {
        for kv_type in TYPES {
            let mut world = World::new(heads(g, g, d), kv_type, &[(0, 33)], false, seed);
            let size = (magnitude as f32).exp2();
            world.kv[0].iter_mut().flatten().for_each(|x| *x *= size);
            let mut first = None;
            for isa in Isa::all() {
                (0..33).for_each(|n| world.write(isa, 0, n));
                let kept: Vec<[Vec<f32>; 2]> = (0..33).map(|n| world.kept(0, n)).collect();
                for (n, kept) in kept.iter().enumerate() {
                    for (kept, given) in kept.iter().zip(world.token(0, n)) {
                        held(kv_type, d, kept, given)?;
                    }
                }
                prop_assert_eq!(&kept, first.get_or_insert(kept.clone()), "the same on every instruction set");
            }
        }
    }
}

/// Holds what is kept to the bounds that [`KvType`] states.
fn held(kv_type: KvType, d: usize, kept: &[f32], given: &[f32]) -> std::result::Result<(), TestCaseError> {
    let tiny = 2f32.powi(-25);
    for (kept, given) in kept.chunks(d).zip(given.chunks(d)) {
        for (kept, given) in kept.chunks(32).zip(given.chunks(32)) {
            let largest = given.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            for (kept, given) in kept.iter().zip(given) {
                let bound = match kv_type {
                    KvType::F32 => 0.0,
                    KvType::F16 => (given.abs() * 2f32.powi(-11)).max(tiny).max(given.abs() - 65504.0),
                    KvType::Q8_0 => largest * (0.5 + 1e-3) / 127.0 + tiny,
                };
                prop_assert!((kept - given).abs() <= bound, "{kv_type:?}: {given} is {kept}, bound {bound}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_no_type_holds_is_clamped_and_what_is_no_number_stays_that() {
    let d = 40;
    for kv_type in [KvType::F16, KvType::Q8_0] {
        let mut world = World::new(heads(1, 1, d), kv_type, &[(0, 2)], false, 9);
        let most = if kv_type == KvType::F16 { 65504.0 } else { 127.0 * 65504.0 };
        for kv in &mut world.kv[0] {
            (kv[0], kv[1], kv[2]) = (1e30, -1e30, f32::INFINITY);
            kv[d + 3] = f32::NAN;
        }
        for isa in Isa::all() {
            (0..2).for_each(|n| world.write(isa, 0, n));
            for kept in world.kept(0, 0) {
                assert_eq!(kept[..3], [most, -most, most], "{kv_type:?} {}", isa.name());
            }
            for kept in world.kept(0, 1) {
                assert!(kept[3].is_nan() && !kept[d - 1].is_nan(), "{kv_type:?} {}", isa.name());
            }
        }
    }
}

#[test]
fn blocks_are_whole_lines() {
    for (kv_type, kv_heads, head_dim, bytes) in [
        (KvType::F32, 4, 64, 4 * 2 * 32 * 64 * 4),
        (KvType::F16, 4, 64, 4 * 2 * 32 * 64 * 2),
        (KvType::Q8_0, 4, 64, 4 * 2 * 32 * 68),
        (KvType::F16, 2, 6, 2 * (32 * 6 + 32 * 16) * 2),
        (KvType::Q8_0, 3, 1, 3 * (32 + 64 + 32 * 16 + 64 + 32)),
    ] {
        assert_eq!(KvLayout { kv_type, kv_heads, head_dim }.bytes(), bytes, "{kv_type:?} {head_dim}");
    }
}
