//! A model quantised while it is loaded is the model that `wick quantize` writes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use common::{PATIENCE, fixture, try_load};
use wick_engine::spec::{Code, Stop};
use wick_engine::{BackendKind, Conversion, LoadOptions, Log, Model, convert, load, quantised_type};
use wick_testkit::{Scratch, assert_close};

fn written(from: &Path, to: PathBuf, dtype: &str) -> PathBuf {
    let (send, receive) = mpsc::channel();
    let conversion = Conversion { from: from.into(), to: to.clone(), dtype: Some(dtype.into()) };
    convert(conversion, Box::new(|_, _| ()), Stop::default(), move |done| send.send(done).unwrap());
    receive.recv_timeout(PATIENCE).unwrap().unwrap();
    to
}

fn logits(model: &Model) -> Vec<f32> {
    let (send, receive) = mpsc::channel();
    let ids = (0..24).map(|n| (n * 31 + 7) % 200).collect();
    model.evaluate(ids, vec![0, 11, 23], Stop::default(), move |logits| send.send(logits).unwrap());
    receive.recv_timeout(PATIENCE).unwrap().unwrap()
}

fn options(path: &Path, backend: BackendKind, quantize: Option<&str>) -> LoadOptions {
    let quantize = quantize.map(|name| quantised_type(name).unwrap());
    LoadOptions { path: path.into(), backend, quantize, ..LoadOptions::default() }
}

#[test]
fn the_same_logits_as_the_file_that_is_written() {
    let scratch = Scratch::new("recoded");
    let wide = written(&fixture("checkpoints/llama-q8"), scratch.file("wide.gguf"), "f32");
    let mut changed = 0;
    for (from, exact) in [
        (wide, true),
        // Rows of 48 become F16 where blocks are asked for.
        (fixture("foreign/llama-tied-rope3.f32.gguf"), true),
        (fixture("foreign/qwen3.f16.gguf"), true),
        (fixture("checkpoints/qwen3"), true),
        // Its file has the rows of q and k in another order, so sums are made in another one, and activations that are rounded to
        // eight bits may round otherwise.
        (fixture("checkpoints/llama-q8"), false),
    ] {
        for dtype in ["q8_0", "q5_0", "q4_0", "q4_k_m", "f16", "bf16"] {
            let path = from.clone();
            let from = from.display();
            let file = written(&path, scratch.file(&format!("written.{dtype}.gguf")), dtype);
            for backend in [BackendKind::Reference, BackendKind::Candle] {
                let what = format!("{from} as {dtype} on {backend:?}");
                let quantised = try_load(options(&path, backend, Some(dtype))).unwrap();
                let expected = try_load(options(&file, backend, None)).unwrap();
                let (got, expected_logits) = (logits(&quantised), logits(&expected));
                match exact {
                    true => assert!(got == expected_logits, "{what}"),
                    false if backend == BackendKind::Reference => assert_close(&got, &expected_logits, 1e-4, &what),
                    false => assert_close(&got, &expected_logits, 3e-2, &what),
                }
                assert_eq!(quantised.info().weights_bytes, expected.info().weights_bytes, "{what}");
                assert_eq!(quantised.info().weights_dtype, expected.info().weights_dtype, "{what}");
                changed += usize::from(got != logits(&try_load(options(&path, backend, None)).unwrap()));
            }
        }
    }
    assert!(changed >= 8, "{changed} of the cases differ from the model as it is stored");
}

#[test]
fn what_is_quantised_already_stays_and_a_warning_says_so() {
    let path = fixture("foreign/llama-q8.q8_0.gguf");
    let plain = try_load(options(&path, BackendKind::Candle, None)).unwrap();
    let model = try_load(options(&path, BackendKind::Candle, Some("q4_0"))).unwrap();
    assert_eq!(logits(&model), logits(&plain));
    let warnings = &model.info().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("quantised already (Q8_0)")), "{warnings:?}");
    assert!(plain.info().warnings.is_empty());
}

#[test]
fn a_stop_ends_it_and_unknown_types_are_named() {
    let stop = Stop::default();
    let (send, receive) = mpsc::channel();
    let first = stop.clone();
    let options = options(&fixture("foreign/llama.f32.gguf"), BackendKind::Candle, Some("q8_0"));
    load(options, Box::new(move |_, _| first.set()), Log::none(), stop, move |model| send.send(model.err()).unwrap());
    let error = receive.recv_timeout(PATIENCE).unwrap().expect("it was stopped");
    assert_eq!(error.code(), Code::Cancelled);

    let error = quantised_type("q4_k").unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
    assert!(error.message().contains("\"q8_0\""), "{error}");
}
