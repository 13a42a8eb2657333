use proptest::prelude::*;
use wick_testkit::Random;
use wick_weights::{DType, Tensor, TensorInfo};

use super::*;

/// n rows of k random elements: any bytes are a block, once its scales are finite.
fn weights(dtype: DType, n: usize, k: usize, random: &mut Random) -> Vec<u8> {
    let layout = dtype.layout();
    let mut bytes: Vec<u8> = (0..n * k / layout.elements * layout.bytes).map(|_| random.bits() as u8).collect();
    for block in bytes.chunks_exact_mut(layout.bytes) {
        let half = half::f16::from_f32(random.signed(0.01)).to_le_bytes();
        let places: &[usize] = match dtype {
            DType::Q4_1 | DType::Q5_1 | DType::Q4_K | DType::Q5_K => &[0, 2],
            DType::Q2_K => &[80, 82],
            DType::Q3_K => &[108],
            DType::Q6_K => &[208],
            DType::F32 | DType::BF16 => {
                let value = random.signed(1.0).to_le_bytes();
                block.copy_from_slice(&value[4 - layout.bytes..]);
                continue;
            }
            DType::MXFP4 => {
                block[0] = [0, 1, 118, 120, 121][random.below(5)];
                continue;
            }
            DType::NVFP4 => continue,
            _ => &[0],
        };
        places.iter().for_each(|&at| block[at..at + 2].copy_from_slice(&half));
    }
    bytes
}

/// A width of rows of about so many elements, for plain types any.
fn width(dtype: DType, about: usize) -> usize {
    let whole = grid(dtype).expect("known").elements().max(dtype.layout().elements);
    about.next_multiple_of(whole)
}

fn best() -> Isa {
    Isa::all().last().expect("scalar at least")
}

fn activations(dtype: DType, t: usize, k: usize, random: &mut Random) -> (Vec<f32>, Activations) {
    let x: Vec<f32> = (0..t * k).map(|_| random.signed(2.0)).collect();
    let mut rounded = Activations::default();
    rounded.set(best(), grid(dtype).expect("known"), &x, k);
    let mut plainly = Activations::default();
    plainly.set(Isa::SCALAR, grid(dtype).expect("known"), &x, k);
    assert_eq!(rounded, plainly, "the same on every instruction set");
    (x, rounded)
}

fn whole(isa: Isa, dtype: DType, bytes: &[u8], n: usize, x: &Activations) -> Vec<f32> {
    let mut y = vec![f32::NAN; n * x.rows()];
    // SAFETY: room for all columns, and this thread's alone.
    unsafe { product(isa, dtype, bytes, n, x, 0..n, y.as_mut_ptr()) };
    y
}

/// Decoded by `weights`, multiplied in f64 with the rounded activations.
fn plainly(dtype: DType, bytes: &[u8], n: usize, x: &Activations) -> Vec<f64> {
    let (k, group) = (x.width, x.grid().elements());
    let info = TensorInfo { dtype, shape: vec![n, k] };
    let w = Tensor::from_bytes("w", info, bytes).and_then(|w| w.to_f32()).expect("whole blocks");
    let mut y = Vec::new();
    for r in 0..x.rows() {
        let value = |i: usize| match x.grid() {
            Grid::Exact => f64::from(x.exact[i]),
            _ => f64::from(x.d[i / group]) * f64::from(x.q[i]),
        };
        let row: Vec<f64> = (r * k..(r + 1) * k).map(value).collect();
        y.extend(w.chunks_exact(k).map(|w| w.iter().zip(&row).map(|(&w, &x)| f64::from(w) * x).sum::<f64>()));
    }
    y
}

fn bits(y: &[f32]) -> Vec<u32> {
    y.iter().map(|y| y.to_bits()).collect()
}

#[test]
fn there_is_a_product_with_every_type_that_is_decoded() {
    for dtype in DType::known() {
        let whole = width(dtype, 1);
        assert!(known(dtype, whole) && known(dtype, 7 * whole), "{dtype}");
        assert!(!known(dtype, 0), "{dtype}");
        assert_eq!(known(dtype, whole + 1), whole == 1, "{dtype}: no parts of a block");
    }
    assert!(DType::others().all(|dtype| grid(dtype).is_none()), "what is not decoded");
}

#[test]
fn activations_are_close_and_their_sums_are_sums() {
    let mut random = Random::new(3);
    for dtype in DType::known() {
        let (x, rounded) = activations(dtype, 3, 512, &mut random);
        if rounded.grid() == Grid::Exact {
            assert_eq!(rounded.exact, x, "{dtype}");
            continue;
        }
        let size = grid(dtype).expect("known").elements();
        for (i, x) in x.iter().enumerate() {
            let d = rounded.d[i / size];
            assert!((d * f32::from(rounded.q[i]) - x).abs() <= d.abs() * 0.6, "{dtype}: {x} at {i}");
        }
        for (j, sum) in rounded.sums.iter().enumerate() {
            assert_eq!(i32::from(*sum), rounded.q[16 * j..][..16].iter().map(|&q| i32::from(q)).sum::<i32>());
        }
    }
}

#[test]
fn products_are_what_decoded_blocks_give() {
    let mut random = Random::new(1);
    for dtype in DType::known() {
        for t in [1, 3, 9, 14] {
            let (n, k) = (19, width(dtype, 741));
            let bytes = weights(dtype, n, k, &mut random);
            let (_, x) = activations(dtype, t, k, &mut random);
            let expected = plainly(dtype, &bytes, n, &x);
            for isa in Isa::all() {
                let y = whole(isa, dtype, &bytes, n, &x);
                let largest = expected.iter().fold(0.0f64, |m, y| m.max(y.abs()));
                for (y, expected) in y.iter().zip(&expected) {
                    assert!(
                        (f64::from(*y) - expected).abs() <= 1e-5 * largest,
                        "{dtype} {t} {}: {y} {expected}",
                        isa.name()
                    );
                }
            }
        }
    }
}

#[test]
fn rows_that_no_cache_holds_are_gone_through_in_parts() {
    let mut random = Random::new(5);
    for dtype in DType::known() {
        let (t, n, k) = (61, 17, 8192);
        let bytes = weights(dtype, n, k, &mut random);
        let (_, x) = activations(dtype, t, k, &mut random);
        assert_eq!(bits(&whole(best(), dtype, &bytes, n, &x)), bits(&whole(Isa::SCALAR, dtype, &bytes, n, &x)), "{dtype}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn every_way_gives_the_same_bits(seed in 0u64..1 << 32, t in 1usize..42, n in 1usize..90, about in 1usize..640) {
        let mut random = Random::new(seed);
        for dtype in DType::known() {
            let k = width(dtype, about);
            let bytes = weights(dtype, n, k, &mut random);
            let (x, all) = activations(dtype, t, k, &mut random);
            let truth = whole(Isa::SCALAR, dtype, &bytes, n, &all);
            for isa in Isa::all() {
                prop_assert_eq!(bits(&whole(isa, dtype, &bytes, n, &all)), bits(&truth), "{} {}", dtype, isa.name());
            }
            // One row alone, and some columns alone.
            let row = random.below(t);
            let mut alone = Activations::default();
            alone.set(best(), grid(dtype).expect("known"), &x[row * k..][..k], k);
            prop_assert_eq!(bits(&whole(best(), dtype, &bytes, n, &alone)), bits(&truth[row * n..][..n]), "{}", dtype);
            let (from, mut y) = (random.below(n), vec![0.0f32; t * n]);
            // SAFETY: room for all columns, and this thread's alone.
            unsafe { product(best(), dtype, &bytes, n, &all, from..n, y.as_mut_ptr()) };
            for r in 0..t {
                prop_assert!(y[r * n..r * n + from].iter().all(|y| *y == 0.0));
                prop_assert_eq!(bits(&y[r * n + from..(r + 1) * n]), bits(&truth[r * n + from..(r + 1) * n]), "{}", dtype);
            }
        }
    }
}
