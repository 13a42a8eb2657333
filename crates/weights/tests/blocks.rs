//! Blocks to f32 and back, held to the values of PyPI's `gguf`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, assert_fails, fixture, open};
use proptest::prelude::*;
use wick_spec::Code;
use wick_weights::gguf::{Metadata, Writer};
use wick_weights::{DType, TensorInfo, Tensors, quantize};

const WRITTEN: [DType; 7] = [DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q5_1, DType::Q5_0, DType::Q4_0];

#[test]
fn every_type_decodes_to_the_bit() {
    let files = ["blocks.gguf", "tables.gguf"].map(|name| open(fixture(name)).unwrap());
    let names: Vec<_> = DType::known().filter(|&dtype| dtype != DType::F32).map(DType::name).collect();
    assert_eq!(names.len(), 16);
    for name in names {
        let file = files.iter().find(|file| file.info(name).is_some()).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.info().dtype.name(), name);
        let (got, expected) =
            (tensor.to_f32().unwrap(), file.tensor(&format!("{name}.expected")).unwrap().to_f32().unwrap());
        assert_eq!(got.len(), expected.len(), "{name}");
        for (i, (got, expected)) in got.iter().zip(&expected).enumerate() {
            // A NaN's sign and payload are the processor's affair.
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(same, "{name}: element {i} is {got}, not {expected}");
        }
    }
}

#[test]
fn scales_that_are_no_numbers_are_decoded_as_such() {
    let file = open(fixture("tables.gguf")).unwrap();
    for name in ["IQ4_NL", "IQ4_XS"] {
        let values = file.tensor(name).unwrap().to_f32().unwrap();
        assert!(values.iter().any(|x| x.is_infinite()) && values.iter().any(|x| x.is_nan()), "{name}");
    }
    // These two have no code for one; the largest powers of two of MXFP4 are beyond f32.
    for name in ["MXFP4", "NVFP4"] {
        assert!(file.tensor(name).unwrap().to_f32().unwrap().iter().all(|x| !x.is_nan()), "{name}");
    }
}

#[test]
fn rows_are_those_of_the_whole() {
    let file = open(fixture("blocks.gguf")).unwrap();
    let tables = open(fixture("tables.gguf")).unwrap();
    for (file, name) in [&file, &tables].into_iter().flat_map(|file| file.names().into_iter().map(move |name| (file, name)))
    {
        let tensor = file.tensor(name).unwrap();
        let whole = tensor.to_f32().unwrap();
        let columns = tensor.info().columns();
        let mut row = vec![0.0; columns];
        for first in 0..whole.len() / columns {
            tensor.rows_to_f32(first, &mut row).unwrap();
            assert!(
                row.iter().zip(&whole[first * columns..]).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{name}, row {first}"
            );
        }
        let mut both = vec![0.0; 2 * columns];
        tensor.rows_to_f32(0, &mut both).unwrap();
        tensor.rows_to_f32(2, &mut []).unwrap();
        assert_fails(tensor.rows_to_f32(1, &mut both), Code::InvalidRequest, &[name, "2 rows"]);
        assert_fails(tensor.rows_to_f32(usize::MAX, &mut row), Code::InvalidRequest, &[name]);
        assert_fails(tensor.rows_to_f32(0, &mut row[1..]), Code::InvalidRequest, &[name]);
    }
}

#[test]
fn every_written_type_is_equal_to_the_bit() {
    let file = open(fixture("quantize.gguf")).unwrap();
    let input = file.tensor("input").unwrap();
    let rows = input.to_f32().unwrap();
    for dtype in WRITTEN {
        let expected = file.tensor(if dtype == DType::F32 { "input" } else { dtype.name() }).unwrap();
        let mut bytes = Vec::new();
        quantize(dtype, &rows, input.info().columns(), &mut bytes).unwrap();
        let expected = expected.bytes().unwrap();
        assert_eq!(bytes.len(), expected.len(), "{dtype}");
        let size = dtype.layout().bytes;
        for (i, (got, expected)) in bytes.chunks(size).zip(expected.chunks(size)).enumerate() {
            assert_eq!(got, expected, "{dtype}: block {i}");
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let mut out = Vec::new();
    assert_fails(quantize(DType::Q2_K, &[0.0; 256], 256, &mut out), Code::Unsupported, &["Q2_K", "Q4_K"]);
    assert_fails(quantize(DType::Q8_0, &[0.0; 48], 48, &mut out), Code::InvalidRequest, &["48", "32"]);
    assert_fails(quantize(DType::F32, &[0.0; 5], 2, &mut out), Code::InvalidRequest, &["5 elements"]);
    assert_fails(quantize(DType::F32, &[0.0; 5], 0, &mut out), Code::InvalidRequest, &["5 elements"]);
    for (dtype, value) in [
        (DType::F16, 70000.0),
        (DType::F32, f32::NAN),
        (DType::BF16, f32::INFINITY),
        (DType::BF16, f32::MAX),
        (DType::Q8_0, 1e7),
        (DType::Q5_1, 7e4),
        (DType::Q5_0, 1.1e6),
        (DType::Q4_0, -1e6),
        (DType::Q4_0, f32::NAN),
    ] {
        let mut rows = [0.0; 64];
        rows[40] = value;
        assert_fails(quantize(dtype, &rows, 32, &mut out), Code::ModelInvalid, &["row 1, column 8", dtype.name()]);
    }
    assert!(out.is_empty());
}

/// The type, and what a block's error may be as a part of its largest magnitude.
const STEPS: [(DType, f32); 7] = [
    (DType::F32, 0.0),
    (DType::F16, 1.0 / 1024.0),
    (DType::BF16, 1.0 / 256.0),
    (DType::Q8_0, 0.6 / 127.0),
    (DType::Q5_1, 1.05 / 31.0),
    (DType::Q5_0, 1.05 / 16.0),
    (DType::Q4_0, 1.05 / 8.0),
];

proptest! {
    // Each case is a file on the disk.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn written_values_come_back_within_half_a_step(values in proptest::collection::vec(-1f32..1.0, 64), exponent in -5i32..5) {
        let rows: Vec<f32> = values.iter().map(|x| x * 10f32.powi(exponent)).collect();
        let folder = Folder::new();
        let path = folder.0.join("m.gguf");
        let tensors = STEPS.map(|(dtype, _)| (dtype.name().to_owned(), TensorInfo { dtype, shape: vec![2, 32] }));
        let mut writer = Writer::create(&path, &Metadata::new(), &tensors).unwrap();
        for (dtype, _) in STEPS {
            let mut bytes = Vec::new();
            quantize(dtype, &rows, 32, &mut bytes).unwrap();
            writer.write(dtype.name(), &bytes).unwrap();
        }
        writer.finish().unwrap();
        let file = open(&path).unwrap();
        for (dtype, step) in STEPS {
            let back = file.tensor(dtype.name()).unwrap().to_f32().unwrap();
            for (block, back) in rows.chunks(32).zip(back.chunks(32)) {
                let largest = block.iter().fold(0f32, |max, x| max.max(x.abs()));
                for (x, y) in block.iter().zip(back) {
                    // A scale is an f16, which knows nothing finer than 6e-8.
                    prop_assert!((x - y).abs() <= step * largest + 127.0 * 6e-8, "{dtype}: {x} came back as {y}");
                }
            }
        }
    }
}
