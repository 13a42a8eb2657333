//! What K-quants lose, held to what they lost when it was found no more than llama-quantize loses (`tools/oracle/quants.py`), and to
//! rounding without a search.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, assert_fails, open};
use wick_spec::Code;
use wick_weights::gguf::{Metadata, Writer};
use wick_weights::{DType, TensorInfo, Tensors, quantize};

const COLUMNS: usize = 512;
const ROWS: usize = 16;

/// Kinds of rows, and the mean squared error of each type as a part of the mean square: Q4_K, Q5_K, Q6_K.
const LOST: [(&str, [f64; 3]); 16] = [
    ("gaussian", [4.693e-3, 1.120e-3, 2.594e-4]),
    ("heavy-tailed", [1.081e-2, 2.724e-3, 8.852e-4]),
    ("uniform", [2.821e-3, 6.707e-4, 1.513e-4]),
    ("positive", [1.646e-3, 3.774e-4, 2.584e-4]),
    ("negative", [1.439e-3, 3.586e-4, 2.584e-4]),
    ("offset", [4.711e-5, 1.198e-5, 7.771e-5]),
    ("equal", [7.995e-11, 1.216e-14, 4.216e-9]),
    ("equal-negative", [1.179e-8, 1.179e-8, 4.216e-9]),
    ("zero", [0.0, 0.0, 0.0]),
    ("both-zeros", [0.0, 0.0, 0.0]),
    ("one-outlier", [8.215e-4, 7.693e-4, 3.980e-4]),
    ("sparse", [3.658e-4, 1.569e-4, 5.642e-6]),
    ("signs", [3.844e-9, 3.844e-9, 6.468e-10]),
    ("small", [5.847e-3, 1.829e-3, 7.745e-4]),
    ("denormal", [1.0, 1.0, 1.0]),
    ("huge", [4.686e-3, 1.118e-3, 2.584e-4]),
];

const TYPES: [DType; 3] = [DType::Q4_K, DType::Q5_K, DType::Q6_K];

/// Uniform in 0 .. 1, by xorshift.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Near enough: a sum of twelve.
    fn gaussian(&mut self) -> f32 {
        (0..12).map(|_| self.next()).sum::<f32>() - 6.0
    }
}

fn rows(kind: &str) -> Vec<f32> {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let row = |i: usize| i / COLUMNS;
    (0..ROWS * COLUMNS)
        .map(|i| {
            let x = draw.gaussian();
            let u = draw.next();
            match kind {
                "gaussian" => x * 0.02,
                "heavy-tailed" => x * 0.01 / (u + 0.02),
                "uniform" => u - 0.5,
                "positive" => x.abs(),
                "negative" => -x.abs(),
                "offset" => x * 0.1 - 1.0,
                "equal" => 0.37 * (1 + row(i)) as f32,
                "equal-negative" => -0.37 * (1 + row(i)) as f32,
                "both-zeros" => {
                    if u < 0.5 {
                        0.0
                    } else {
                        -0.0
                    }
                }
                "one-outlier" => {
                    if i % COLUMNS == row(i) * 31 {
                        4.0
                    } else {
                        x * 0.02
                    }
                }
                "sparse" => x * f32::from(u8::from(u < 0.02)),
                "signs" => 0.3f32.copysign(x),
                "small" => x * 1e-6,
                "denormal" => x * 1e-41,
                "huge" => x * 5e5,
                _ => 0.0,
            }
        })
        .collect()
}

/// What comes back of the type.
fn back(dtype: DType, rows: &[f32]) -> Vec<f32> {
    let folder = Folder::new();
    let path = folder.0.join("m.gguf");
    let info = TensorInfo { dtype, shape: vec![rows.len() / COLUMNS, COLUMNS] };
    let mut writer = Writer::create(&path, &Metadata::new(), &[("x".into(), info)]).unwrap();
    let mut bytes = Vec::new();
    quantize(dtype, rows, COLUMNS, &mut bytes).unwrap();
    writer.write("x", &bytes).unwrap();
    writer.finish().unwrap();
    open(&path).unwrap().tensor("x").unwrap().to_f32().unwrap()
}

/// Mean squared difference.
fn difference(x: &[f32], y: &[f32]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum::<f64>() / x.len() as f64
}

/// Rounded to the nearest of the levels that cut each sub-block's range, whose bounds are as exact as floats are.
fn plainly(rows: &[f32], dtype: DType) -> Vec<f32> {
    let (sub, levels) = match dtype {
        DType::Q4_K => (32, 15.0),
        DType::Q5_K => (32, 31.0),
        _ => (16, 62.0),
    };
    let plain = |sub: &[f32]| -> Vec<f32> {
        let (mut low, mut high) = sub.iter().fold((0f32, 0f32), |(low, high), &x| (low.min(x), high.max(x)));
        if dtype == DType::Q6_K {
            (low, high) = (-high.max(-low), high.max(-low));
        }
        let step = (high - low) / levels;
        sub.iter().map(|x| if step > 0.0 { low + ((x - low) / step).round() * step } else { *x }).collect()
    };
    rows.chunks(sub).flat_map(plain).collect()
}

#[test]
fn no_more_is_lost_than_was_and_less_than_without_a_search() {
    let mut worse = Vec::new();
    for (kind, known) in LOST {
        let x = rows(kind);
        let square = difference(&x, &vec![0.0; x.len()]).max(f64::MIN_POSITIVE);
        for (dtype, known) in TYPES.into_iter().zip(known) {
            let lost = difference(&x, &back(dtype, &x)) / square;
            // The table has four digits.
            if lost > known * 1.001 {
                worse.push(format!("{kind} as {dtype}: {lost:.3e}, not {known:.3e}"));
            }
            if ["gaussian", "heavy-tailed", "uniform", "huge"].contains(&kind) {
                let plainly = difference(&x, &plainly(&x, dtype)) / square;
                assert!(lost < 0.97 * plainly, "{kind} as {dtype}: {lost:.3e}, rounded without a search {plainly:.3e}");
            }
        }
    }
    assert!(worse.is_empty(), "{}", worse.join("\n"));
}

#[test]
fn what_came_back_comes_back_again() {
    for kind in ["gaussian", "heavy-tailed", "positive", "one-outlier", "equal", "huge"] {
        let x = rows(kind);
        for dtype in TYPES {
            let y = back(dtype, &x);
            let (lost, again) = (difference(&x, &y), difference(&y, &back(dtype, &y)));
            // What f16 is too coarse for may go either way.
            assert!(
                again <= 0.1 * lost + 1e-8 * difference(&x, &vec![0.0; x.len()]),
                "{kind} as {dtype}: {again:e} more is lost, {lost:e} was before"
            );
        }
    }
}

#[test]
fn sub_blocks_do_not_depend_on_the_rows_beside_them() {
    let x = rows("gaussian");
    for dtype in TYPES {
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        quantize(dtype, &x, COLUMNS, &mut whole).unwrap();
        x.chunks(COLUMNS).for_each(|row| quantize(dtype, row, COLUMNS, &mut parts).unwrap());
        assert!(whole == parts, "{dtype}");
    }
}

#[test]
fn what_cannot_be_written_is_refused_and_the_largest_is_not() {
    for (dtype, largest) in TYPES.into_iter().zip([4.1e6, 4.1e6, 2.5e8]) {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -1.1 * largest] {
            let (mut rows, mut out) = (vec![0.5; 2 * COLUMNS], Vec::new());
            rows[COLUMNS + 300] = value;
            let refused = quantize(dtype, &rows, COLUMNS, &mut out);
            assert_fails(refused, Code::ModelInvalid, &["row 1, column 300", dtype.name()]);
            assert!(out.is_empty());
        }
        assert_fails(quantize(dtype, &[0.0; 96], 96, &mut Vec::new()), Code::InvalidRequest, &["96", "256"]);
        let mut rows = vec![0.0; COLUMNS];
        (rows[3], rows[300], rows[301]) = (largest, -largest, largest);
        for (x, y) in rows.iter().zip(&back(dtype, &rows)) {
            assert!((x - y).abs() <= 0.01 * largest, "{dtype}: {x} came back as {y}");
        }
    }
}
