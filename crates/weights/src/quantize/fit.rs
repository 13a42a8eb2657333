//! Scales and minimums of a super-block of 256 elements: what K-quants leave to whoever writes them.
//!
//! An element x of sub-block j is read as `d s q - min m`: d and min are f16 of the super-block, s and m small whole numbers of the
//! sub-block, q one of the element. Searched is the least weighted sum of squares of what is lost. With q given, the best `d s` and
//! `min m` are a line through points, in closed form; with these given, the best q is the nearest; so both take turns from a few
//! starts (Lloyd's way, as in k-means). Then s and m are made whole, each tried beside its neighbours with q chosen anew, and d and min
//! are solved for once more. The eight sub-blocks go side by side, a lane each.

#![allow(clippy::needless_range_loop, reason = "one index goes through several arrays")]

use half::f16;

use super::lanes::Lanes;

/// What a type can say.
pub(super) struct Grid {
    /// The least and the largest q.
    pub(super) q: (f32, f32),
    /// The least and the largest s. Where s can be negative there are no minimums.
    pub(super) scale: (f32, f32),
    /// The largest m; 0 for types without minimums.
    pub(super) min: f32,
    /// Steps that a sub-block's range is cut into to start from.
    pub(super) starts: &'static [f32],
}

/// What stands for G x 8 sub-blocks of N elements.
pub(super) struct Fit<const G: usize, const N: usize> {
    pub(super) d: f16,
    pub(super) min: f16,
    /// s, m and q as whole numbers, lane by lane.
    pub(super) scales: [[f32; 8]; G],
    pub(super) mins: [[f32; 8]; G],
    pub(super) q: [[[f32; 8]; N]; G],
}

/// The best found for `x`, G groups of eight sub-blocks.
pub(super) fn fit<const G: usize, const N: usize>(x: &[[[f32; 8]; N]; G], grid: &Grid) -> Fit<G, N> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn wide<const G: usize, const N: usize>(x: &[[[f32; 8]; N]; G], grid: &Grid) -> Fit<G, N> {
            search::<super::lanes::Register, G, N>(x, grid)
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            return unsafe { wide(x, grid) };
        }
    }
    search::<[f32; 8], G, N>(x, grid)
}

#[inline(always)]
fn search<V: Lanes, const G: usize, const N: usize>(x: &[[[f32; 8]; N]; G], grid: &Grid) -> Fit<G, N> {
    let mut groups = [Group::<V, N>::new(&x[0]); G];
    for (group, x) in groups.iter_mut().zip(x) {
        *group = Group::new(x);
    }
    let mut free = [Way::none(); G];
    for (free, group) in free.iter_mut().zip(&groups) {
        *free = group.free(grid);
    }
    let mut block = Block::new(&groups, &free, grid);
    for _ in 0..2 {
        block.neighbours(&groups, grid);
        block.solve(&groups, grid);
    }
    let mut fit = Fit { d: block.d, min: block.min, scales: [[0.0; 8]; G], mins: [[0.0; 8]; G], q: [[[0.0; 8]; N]; G] };
    for g in 0..G {
        fit.scales[g] = block.scales[g].array();
        fit.mins[g] = block.mins[g].array();
        let (scale, min) = (block.ways[g].scale, block.ways[g].min);
        let inverse = scale.inverse();
        for (q, x) in fit.q[g].iter_mut().zip(&groups[g].x) {
            *q = nearest(x.plus(min).times(inverse), grid.q).array();
        }
    }
    fit
}

/// Eight sub-blocks, a lane each.
#[derive(Clone, Copy)]
struct Group<V, const N: usize> {
    x: [V; N],
    /// What a square of each element's loss counts.
    weight: [V; N],
    /// Sums of the weights, and of x by them.
    weights: V,
    sum: V,
}

/// A line for each sub-block of a group, and what it loses.
#[derive(Clone, Copy)]
struct Way<V> {
    scale: V,
    min: V,
    /// The mean of q.
    mean: V,
    loss: V,
}

/// Weighted sums over a sub-block, t being x + minimum.
struct Sums<V> {
    q: V,
    qq: V,
    qt: V,
    loss: V,
}

/// How often q and the line take turns from each start.
const ROUNDS: usize = 3;

impl<V: Lanes, const N: usize> Group<V, N> {
    #[inline(always)]
    fn new(x: &[[f32; 8]; N]) -> Self {
        let zero = V::splat(0.0);
        let mut group = Self { x: [zero; N], weight: [zero; N], weights: zero, sum: zero };
        let mut sizes = zero;
        for n in 0..N {
            group.x[n] = V::from(x[n]);
            sizes = sizes.plus(group.x[n].magnitude());
        }
        let mean = sizes.times(V::splat(1.0 / N as f32));
        // All 0: any weight but 0 will do.
        let mean = zero.less(mean, mean, V::splat(1.0));
        for n in 0..N {
            let weight = mean.plus(group.x[n].magnitude());
            group.weight[n] = weight;
            group.weights = group.weights.plus(weight);
            group.sum = group.sum.plus(weight.times(group.x[n]));
        }
        group
    }

    /// Scale and minimum of each sub-block, not yet held to codes.
    #[inline(always)]
    fn free(&self, grid: &Grid) -> Way<V> {
        let zero = V::splat(0.0);
        let (mut low, mut high) = (zero, V::splat(f32::MIN));
        for x in self.x {
            (low, high) = (x.below(low), x.above(high));
        }
        let affine = grid.min > 0.0;
        let below = zero.minus(low);
        // Without minimums, the value of largest magnitude has the code of largest magnitude, which is negative.
        let range = if affine { high.minus(low) } else { below.less(high, zero.minus(high), below) };
        let mut best = Way::none();
        for &steps in grid.starts {
            let (mut scale, mut min) = (range.times(V::splat(1.0 / steps)), if affine { below } else { zero });
            for _ in 0..ROUNDS {
                let sums = self.sweep(scale, min, grid);
                best = best.or(Way { scale, min, mean: sums.q.over(self.weights), loss: sums.loss });
                (scale, min) = self.line(&sums, scale, min, affine);
            }
        }
        best
    }

    /// Rounds to the grid that `scale` and `min` span, and sums up.
    #[inline(always)]
    fn sweep(&self, scale: V, min: V, grid: &Grid) -> Sums<V> {
        let (inverse, zero) = (scale.inverse(), V::splat(0.0));
        let mut sums = Sums { q: zero, qq: zero, qt: zero, loss: zero };
        for (x, &weight) in self.x.iter().zip(&self.weight) {
            let t = x.plus(min);
            let q = nearest(t.times(inverse), grid.q);
            let lost = t.minus(scale.times(q));
            let weighted = weight.times(q);
            sums.q = sums.q.plus(weighted);
            sums.qq = sums.qq.plus(weighted.times(q));
            sums.qt = sums.qt.plus(weighted.times(t));
            sums.loss = sums.loss.plus(weight.times(lost).times(lost));
        }
        sums
    }

    #[inline(always)]
    fn way(&self, scale: V, min: V, grid: &Grid) -> Way<V> {
        let sums = self.sweep(scale, min, grid);
        Way { scale, min, mean: sums.q.over(self.weights), loss: sums.loss }
    }

    /// The line through the points (q, x) that loses least, its minimum not below 0. Where all q are alike there is none, and scale
    /// and minimum stay.
    #[inline(always)]
    fn line(&self, sums: &Sums<V>, scale: V, min: V, affine: bool) -> (V, V) {
        let zero = V::splat(0.0);
        // Through the origin.
        let steep = sums.qt.minus(min.times(sums.q)).over(sums.qq);
        if !affine {
            return (zero.less(sums.qq, steep, scale), zero);
        }
        let steep = zero.less(sums.qq, steep.above(zero), scale);
        let t = self.sum.plus(self.weights.times(min));
        let spread = self.weights.times(sums.qq).minus(sums.q.times(sums.q));
        let slope = self.weights.times(sums.qt).minus(sums.q.times(t)).over(spread);
        let slope = zero.less(spread, slope.above(zero), scale);
        let moved = min.minus(t.minus(slope.times(sums.q)).over(self.weights));
        let offset = zero.less(spread, moved, min);
        (offset.less(zero, steep, slope), offset.above(zero))
    }
}

impl<V: Lanes> Way<V> {
    #[inline(always)]
    fn none() -> Self {
        let zero = V::splat(0.0);
        Self { scale: zero, min: zero, mean: zero, loss: V::splat(f32::MAX) }
    }

    /// Of each sub-block the way that loses less.
    #[inline(always)]
    fn or(self, new: Self) -> Self {
        let pick = |new: V, old: V, a: V, b: V| new.less(old, a, b);
        Self {
            scale: pick(new.loss, self.loss, new.scale, self.scale),
            min: pick(new.loss, self.loss, new.min, self.min),
            mean: pick(new.loss, self.loss, new.mean, self.mean),
            loss: pick(new.loss, self.loss, new.loss, self.loss),
        }
    }

    /// The minimum that suits another scale: the line turns about the mean of its points.
    #[inline(always)]
    fn turned(&self, scale: V) -> V {
        self.min.plus(scale.minus(self.scale).times(self.mean)).above(V::splat(0.0))
    }
}

/// A super-block in whole numbers.
#[derive(Clone, Copy)]
struct Block<V, const G: usize> {
    d: f16,
    min: f16,
    scales: [V; G],
    mins: [V; G],
    /// As of the codes above.
    ways: [Way<V>; G],
}

/// Largest codes that d and min are tried with, as differences from the largest there is.
const LESS: [f32; 6] = [0.0, 1.0, 2.0, 3.0, 5.0, 8.0];

/// What a sub-block's codes are tried beside: steps of s, with the m that suits, and of that m.
const NEIGHBOURS: [(f32, f32); 6] = [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 1.0), (-1.0, -1.0)];

impl<V: Lanes, const G: usize> Block<V, G> {
    /// The d that serves the free scales best, then the min that serves the minimums beside it.
    #[inline(always)]
    fn new<const N: usize>(groups: &[Group<V, N>; G], free: &[Way<V>; G], grid: &Grid) -> Self {
        let (zero, affine) = (V::splat(0.0), grid.min > 0.0);
        let mut best = Self { d: f16::ZERO, min: f16::ZERO, scales: [zero; G], mins: [zero; G], ways: *free };
        // A negative scale's code of largest magnitude is the largest there is.
        let (top, codes) = (extreme(free, |way| way.scale), if affine { grid.scale.1 } else { grid.scale.0 });
        let mut least = f32::INFINITY;
        for less in LESS {
            let d = unit(top, codes - less * codes.signum());
            let mut new = Self { d, ..best };
            for g in 0..G {
                new.scales[g] = codes_of(free[g].scale, d, grid.scale);
                let scale = new.scales[g].times(V::splat(d.to_f32()));
                new.ways[g] = groups[g].way(scale, if affine { free[g].turned(scale) } else { zero }, grid);
            }
            if new.loss() < least {
                (least, best) = (new.loss(), new);
            }
        }
        if affine {
            best.choose_min(groups, grid);
        }
        best
    }

    #[inline(always)]
    fn choose_min<const N: usize>(&mut self, groups: &[Group<V, N>; G], grid: &Grid) {
        let free = self.ways;
        let top = extreme(&free, |way| way.min);
        let mut least = f32::INFINITY;
        for less in LESS {
            let min = unit(top, grid.min - less);
            let mut new = Self { min, ..*self };
            for g in 0..G {
                new.mins[g] = codes_of(free[g].min, min, (0.0, grid.min));
                new.ways[g] = groups[g].way(free[g].scale, new.mins[g].times(V::splat(min.to_f32())), grid);
            }
            if new.loss() < least {
                (least, *self) = (new.loss(), new);
            }
        }
    }

    /// Tries the codes next to each sub-block's.
    #[inline(always)]
    fn neighbours<const N: usize>(&mut self, groups: &[Group<V, N>; G], grid: &Grid) {
        let (d, unit) = (V::splat(self.d.to_f32()), V::splat(self.min.to_f32()));
        let affine = grid.min > 0.0;
        for g in 0..G {
            let (from, scales) = (self.ways[g], self.scales[g]);
            for (scale_step, min_step) in &NEIGHBOURS[..if affine { 6 } else { 2 }] {
                let new_scales =
                    scales.plus(V::splat(*scale_step)).above(V::splat(grid.scale.0)).below(V::splat(grid.scale.1));
                let scale = new_scales.times(d);
                let mut mins = V::splat(0.0);
                if affine {
                    mins = codes_of(from.turned(scale), self.min, (0.0, grid.min)).plus(V::splat(*min_step));
                    mins = mins.above(V::splat(0.0)).below(V::splat(grid.min));
                }
                let (old, new) = (self.ways[g], groups[g].way(scale, mins.times(unit), grid));
                self.ways[g] = old.or(new);
                self.scales[g] = new.loss.less(old.loss, new_scales, self.scales[g]);
                self.mins[g] = new.loss.less(old.loss, mins, self.mins[g]);
            }
        }
    }

    /// With all codes given, d and min are a line again: through the points (s q, m, x). Taken where it loses less.
    #[inline(always)]
    fn solve<const N: usize>(&mut self, groups: &[Group<V, N>; G], grid: &Grid) {
        // Squares and products of a = s q and b = -m, and theirs with x.
        let mut sums = [V::splat(0.0); 5];
        for g in 0..G {
            let b = V::splat(0.0).minus(self.mins[g]);
            let Group { weights, sum, .. } = groups[g];
            let Sums { q, qq, qt, .. } = groups[g].sweep(self.ways[g].scale, self.ways[g].min, grid);
            let s = self.scales[g];
            let qx = qt.minus(q.times(self.ways[g].min));
            let terms = [s.times(s).times(qq), s.times(b).times(q), b.times(b).times(weights), s.times(qx), b.times(sum)];
            for (sum, term) in sums.iter_mut().zip(terms) {
                *sum = sum.plus(term);
            }
        }
        let mut totals = [0f64; 5];
        for (total, sum) in totals.iter_mut().zip(sums) {
            *total = sum.array().iter().map(|&x| f64::from(x)).sum();
        }
        let [aa, ab, bb, ax, bx] = totals;
        let determinant = aa * bb - ab * ab;
        let (d, min) = match determinant > 0.0 {
            true => ((ax * bb - bx * ab) / determinant, (bx * aa - ax * ab) / determinant),
            false if aa > 0.0 => (ax / aa, 0.0),
            false => return,
        };
        let (d, min) = (f16::from_f64(d), f16::from_f64(min));
        if !d.is_finite() || !min.is_finite() || min < f16::ZERO {
            return;
        }
        let mut new = Self { d, min, ..*self };
        for g in 0..G {
            let (d, min) = (V::splat(d.to_f32()), V::splat(min.to_f32()));
            new.ways[g] = groups[g].way(self.scales[g].times(d), self.mins[g].times(min), grid);
        }
        if new.loss() < self.loss() {
            *self = new;
        }
    }

    #[inline(always)]
    fn loss(&self) -> f32 {
        let mut loss = 0.0;
        for way in &self.ways {
            loss += way.loss.array().iter().sum::<f32>();
        }
        loss
    }
}

/// The whole number nearest to x within the range, halves to even.
#[inline(always)]
fn nearest<V: Lanes>(x: V, (low, high): (f32, f32)) -> V {
    x.above(V::splat(low)).below(V::splat(high)).whole()
}

/// x / unit as whole numbers within the range.
#[inline(always)]
fn codes_of<V: Lanes>(x: V, unit: f16, range: (f32, f32)) -> V {
    nearest(x.times(V::splat(unit.to_f32()).inverse()), range)
}

/// The value of largest magnitude.
#[inline(always)]
fn extreme<V: Lanes, const G: usize>(ways: &[Way<V>; G], of: impl Fn(&Way<V>) -> V) -> f32 {
    let mut extreme = 0.0f32;
    for way in ways {
        for x in of(way).array() {
            extreme = if x.abs() > extreme.abs() { x } else { extreme };
        }
    }
    extreme
}

/// The f16 of which `code` times is `top`: nearest to it, and where f16 is coarse the next above.
fn unit(top: f32, code: f32) -> f16 {
    let unit = f16::from_f32(top / code);
    let short = (unit.to_f32() * code).abs() < top.abs() * (1.0 - 1e-3);
    if short && unit.to_bits() & 0x7fff < f16::MAX.to_bits() { f16::from_bits(unit.to_bits() + 1) } else { unit }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// From a seed: values of every size, some of them alike.
    fn block<const N: usize>(seed: u64) -> [[f32; 8]; N] {
        let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut draw = || {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            (bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        };
        let mut block = [[0.0; 8]; N];
        for x in block.as_flattened_mut() {
            let (size, value) = (draw(), draw());
            *x = match seed % 4 {
                0 => value,
                1 => value * 10f32.powf(20.0 * size - 19.0),
                2 => value.signum() * (size * 4.0).round(),
                _ => {
                    if size > 0.9 {
                        value * 1e5
                    } else {
                        0.0
                    }
                }
            };
        }
        block
    }

    #[test]
    fn arrays_and_registers_find_the_same() {
        if !is_x86_feature_detected!("avx2") {
            return;
        }
        let affine = Grid { q: (0.0, 15.0), scale: (0.0, 63.0), min: 63.0, starts: &[15.0, 12.0] };
        let through = Grid { q: (-32.0, 31.0), scale: (-128.0, 127.0), min: 0.0, starts: &[32.0, 28.0] };
        for seed in 0..200 {
            for grid in [&affine, &through] {
                let x = [block::<16>(seed), block::<16>(seed + 1)];
                let (wide, plain) = (fit(&x, grid), search::<[f32; 8], 2, 16>(&x, grid));
                let bits = |fit: &Fit<2, 16>| (fit.d.to_bits(), fit.min.to_bits());
                assert_eq!(bits(&wide), bits(&plain), "{seed}");
                assert!(wide.scales == plain.scales && wide.mins == plain.mins && wide.q == plain.q, "{seed}");
                let whole = |codes: &[f32], (low, high)| codes.iter().all(|c| c.fract() == 0.0 && (low..=high).contains(c));
                assert!(whole(wide.scales.as_flattened(), grid.scale) && whole(wide.mins.as_flattened(), (0.0, grid.min)));
                assert!(whole(wide.q.as_flattened().as_flattened(), grid.q), "{seed}");
            }
        }
    }
}
