//! Broken and hostile files: a typed error or a model, never a panic, never an allocation out of proportion.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Folder as Temporary, Raw, assert_fails, fixture, open, read_all};
use proptest::test_runner::{RngAlgorithm, TestRng};
use wick_spec::{Code, Result};
use wick_weights::{Folder, OpenOptions};

/// The system's allocator, with a note of the largest allocation so far.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

/// Far above what reading the small fixtures takes, far below what their counts could claim.
const MOST: usize = 8 << 20;

/// What a reader of a hostile file may answer.
fn assert_tame(result: Result<usize>, what: &dyn std::fmt::Display) {
    if let Err(error) = &result {
        let expected = [Code::ModelInvalid, Code::Unsupported, Code::ModelNotFound].contains(&error.code());
        assert!(expected && !error.message().is_empty(), "{what}: {error}");
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(largest < MOST, "{what}: {largest} bytes were allocated at once");
}

fn read_gguf(path: &Path) -> Result<usize> {
    open(path).and_then(|file| read_all(&file))
}

fn read_folder(path: &Path) -> Result<usize> {
    Folder::open(path, &OpenOptions::default()).and_then(|folder| read_all(&folder))
}

/// `bytes` with one to four changes: a byte, a bit, an extreme 64-bit word, or a piece cut out or doubled.
fn mutate(bytes: &[u8], rng: &mut TestRng) -> Vec<u8> {
    use proptest::prelude::RngExt;
    let mut bytes = bytes.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        // The head is where structure is; half of all changes go there.
        let reach = if rng.random_bool(0.5) { bytes.len().min(256) } else { bytes.len() };
        let at = rng.random_range(0..reach.max(1)).min(bytes.len().saturating_sub(1));
        let word = [0, 1, u64::MAX, 1 << 63, 1 << 31, u64::from(u32::MAX), (i64::MAX - 31) as u64][rng.random_range(0..7)];
        let to = (at + rng.random_range(1..16)).min(bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes[at..to.min(at + 8)].copy_from_slice(&word.to_le_bytes()[..to.min(at + 8) - at]),
            3 if to - at < bytes.len() => drop(bytes.drain(at..to)),
            _ => drop(bytes.splice(at..at, bytes[at..to].to_vec()).collect::<Vec<_>>()),
        }
    }
    bytes
}

fn rng(seed: u8) -> TestRng {
    TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32])
}

#[test]
fn every_truncation_of_a_gguf() {
    let bytes = std::fs::read(fixture("tiny.gguf")).unwrap();
    let folder = Temporary::new();
    for len in 0..bytes.len() {
        let result = read_gguf(&folder.file("m.gguf", &bytes[..len]));
        // The padding after the last tensor may go.
        assert!(result.is_err() || bytes.len() - len < 32, "{len} bytes were accepted");
        assert_tame(result, &len);
    }
}

#[test]
fn thousands_of_mutations_of_a_gguf() {
    let folder = Temporary::new();
    for (seed, name) in [(1, "tiny.gguf"), (2, "aligned.gguf"), (3, "other.gguf")] {
        let (bytes, mut rng) = (std::fs::read(fixture(name)).unwrap(), rng(seed));
        for i in 0..3000 {
            let path = folder.file("m.gguf", mutate(&bytes, &mut rng));
            assert_tame(read_gguf(&path), &format_args!("{name}, mutation {i}"));
        }
    }
}

#[test]
fn mutations_of_a_part() {
    let folder = Temporary::new();
    let part = |number: u32| format!("part-{number:05}-of-00003.gguf");
    let read = |number| std::fs::read(fixture(&part(number))).unwrap();
    let mut rng = rng(4);
    for i in 0..1500 {
        (1..=3).for_each(|number| drop(folder.file(&part(number), read(number))));
        let number = i % 3 + 1;
        let path = folder.file(&part(number), mutate(&read(number), &mut rng));
        assert_tame(read_gguf(&path), &format_args!("part {number}, mutation {i}"));
    }
}

#[test]
fn every_truncation_and_thousands_of_mutations_of_a_folder() {
    let folder = Temporary::copy_of("single");
    let bytes = std::fs::read(fixture("single/model.safetensors")).unwrap();
    for len in 0..bytes.len() {
        folder.file("model.safetensors", &bytes[..len]);
        let result = read_folder(&folder.0);
        assert!(result.is_err(), "{len} bytes were accepted");
        assert_tame(result, &len);
    }
    let mut rng = rng(5);
    for i in 0..4000 {
        let bytes = mutate(&bytes, &mut rng);
        folder.file("model.safetensors", &bytes);
        let result = read_folder(&folder.0);
        // What the crate of the format's authors refuses is refused; what it takes is taken.
        let theirs = safetensors::SafeTensors::deserialize(&bytes).is_ok();
        assert_eq!(result.is_ok(), theirs, "mutation {i}: {result:?}");
        assert_tame(result, &format_args!("mutation {i}"));
    }
    let index = std::fs::read(fixture("sharded/model.safetensors.index.json")).unwrap();
    let folder = Temporary::copy_of("sharded");
    for i in 0..1000 {
        folder.file("model.safetensors.index.json", mutate(&index, &mut rng));
        assert_tame(read_folder(&folder.0), &format_args!("index, mutation {i}"));
    }
}

#[test]
fn absurd_claims_are_refused_before_anything_is_taken_for_them() {
    let huge = u64::MAX;
    let key = |kind: u32| Raw::head(0, 1).string("k").u32(kind);
    let tensor = |dimensions: &[u64], dtype, offset| Raw::head(1, 0).tensor("w", dimensions, dtype, offset).data(256);
    let nested = (0..10).fold(key(9), |raw, _| raw.u32(9).u64(1)).data(256);
    let folder = Temporary::new();
    for (raw, code, words) in [
        (Raw::head(huge, 0), Code::ModelInvalid, &["number of tensors", "18446744073709551615", "offset 8"][..]),
        (Raw::head(0, huge), Code::ModelInvalid, &["number of metadata keys", "offset 16"]),
        (Raw::head(0, 1 << 17).data(1 << 22), Code::ModelInvalid, &["131072 metadata keys"]),
        (Raw::head(0, 1).u64(huge).data(64), Code::ModelInvalid, &["metadata key", "offset 24"]),
        (Raw::head(0, 1).u64(70000).bytes(&[b'k'; 70000]).data(16), Code::ModelInvalid, &["70000 bytes"]),
        (Raw::head(0, 1).u64(2).bytes(b"\xff\xfe").data(64), Code::ModelInvalid, &["not UTF-8", "offset 24"]),
        (key(8).u64(huge), Code::ModelInvalid, &["\"k\"", "offset 37"]),
        (key(8).u64(2).bytes(b"\xc3\x28"), Code::ModelInvalid, &["\"k\"", "not UTF-8"]),
        (key(13).data(64), Code::ModelInvalid, &["\"k\"", "type id 13"]),
        (key(7).bytes(&[2]), Code::ModelInvalid, &["\"k\"", "bool", "is 2"]),
        (key(9).u32(4).u64(1 << 62), Code::ModelInvalid, &["\"k\"", "number of elements"]),
        (key(9).u32(8).u64(1 << 60).data(64), Code::ModelInvalid, &["\"k\"", "number of strings"]),
        (
            key(9).u32(8).u64(2).u64(1).bytes(b"\xc3").u64(1).bytes(b"\xa9"),
            Code::ModelInvalid,
            &["\"k\"", "String 0", "within a character"],
        ),
        (key(9).u32(8).u64(2).string("fine").u64(1).bytes(b"\xff"), Code::ModelInvalid, &["\"k\"", "String 1", "not UTF-8"]),
        (nested, Code::ModelInvalid, &["\"k\"", "nested"]),
        (
            Raw::head(0, 2).string("k").u32(0).bytes(&[1]).string("k").u32(0).bytes(&[1]),
            Code::ModelInvalid,
            &["\"k\"", "twice"],
        ),
        (Raw::head(0, 1).string("general.alignment").u32(4).u32(0), Code::ModelInvalid, &["alignment", "is 0"]),
        (Raw::head(0, 1).string("general.alignment").u32(4).u32(48), Code::ModelInvalid, &["alignment", "is 48"]),
        (tensor(&[huge], 0, 0), Code::ModelInvalid, &["\"w\"", "overflows"]),
        (tensor(&[1 << 32, 1 << 32], 0, 0), Code::ModelInvalid, &["\"w\"", "overflows"]),
        (tensor(&[1 << 40], 0, 0), Code::ModelInvalid, &["\"w\"", "needs 4398046511104 bytes", "256 from there"]),
        (tensor(&[65], 0, 0), Code::ModelInvalid, &["\"w\"", "needs 260 bytes", "256 from there"]),
        (tensor(&[48], 8, 0), Code::ModelInvalid, &["\"w\"", "Q8_0", "whole blocks of 32"]),
        (tensor(&[16, 2], 8, 0), Code::ModelInvalid, &["\"w\"", "Q8_0", "whole blocks of 32"]),
        (tensor(&[1], 0, 1 << 63), Code::ModelInvalid, &["\"w\"", "at offset 9223372036854775"]),
        (tensor(&[1], 0, huge - 31), Code::ModelInvalid, &["\"w\"", "no file can have"]),
        (tensor(&[1], 0, 33), Code::ModelInvalid, &["\"w\"", "offset 33", "alignment 32"]),
        (tensor(&[1, 1, 1, 1, 1], 0, 0), Code::ModelInvalid, &["\"w\"", "5 dimensions"]),
        (tensor(&[1], 99, 0), Code::Unsupported, &["\"w\"", "GGML type 99"]),
        (tensor(&[1], 31, 0), Code::Unsupported, &["\"w\"", "Q4_0_4_4", "withdrawn"]),
        (
            Raw::head(2, 0).tensor("a", &[9], 0, 0).tensor("b", &[8], 0, 32).data(64),
            Code::ModelInvalid,
            &["\"a\"", "\"b\"", "overlap"],
        ),
        (Raw::head(2, 0).tensor("a", &[8], 0, 0).tensor("a", &[8], 0, 32).data(64), Code::ModelInvalid, &["\"a\"", "twice"]),
        (Raw::head(0, 1).string("split.count").u32(2).bytes(&[255, 255]), Code::ModelInvalid, &["65535 parts"]),
    ] {
        let result = open(folder.file("m.gguf", &raw.0));
        assert_fails(result.map(drop), code, &[&["m.gguf"], words].concat());
        assert!(LARGEST.load(Ordering::Relaxed) < MOST);
    }
}

#[test]
fn a_large_vocabulary_is_read_at_once() {
    let mut raw = Raw::head(0, 2).string("tokens").u32(9).u32(8).u64(150_000);
    raw = (0..150_000).fold(raw, |raw, i| raw.string(&format!("token{i}")));
    raw = raw.string("scores").u32(9).u32(6).u64(150_000).data(600_000);
    let folder = Temporary::new();
    let path = folder.file("m.gguf", &raw.0);
    let started = std::time::Instant::now();
    let file = open(&path).unwrap();
    // Milliseconds; the bound only tells apart a copy a string from one a token squared.
    assert!(started.elapsed().as_secs() < 2, "{:?}", started.elapsed());
    let tokens = file.metadata().strings("tokens").unwrap().unwrap();
    assert_eq!((tokens.len(), tokens.get(149_999), tokens.iter().nth(7)), (150_000, Some("token149999"), Some("token7")));
}
