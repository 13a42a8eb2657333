//! GGUF files by other hands and by our own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, Raw, assert_fails, fixture, open, read_all};
use wick_spec::Code;
use wick_weights::gguf::{Array, File, Metadata, Value, Writer};
use wick_weights::{DType, OpenOptions, TensorInfo, Tensors};

#[test]
fn every_metadata_value_is_read() {
    for (name, version) in [("tiny.gguf", 3), ("tiny-v2.gguf", 2)] {
        let file = open(fixture(name)).unwrap();
        assert_eq!(file.version(), version);
        let expected: Vec<(&str, Value)> = vec![
            ("general.architecture", "fixture".into()),
            ("value.uint8", 200u8.into()),
            ("value.int8", (-100i8).into()),
            ("value.uint16", 60000u16.into()),
            ("value.int16", (-30000i16).into()),
            ("value.uint32", 4000000000u32.into()),
            ("value.int32", (-2000000000i32).into()),
            ("value.float32", 0.1f32.into()),
            ("value.uint64", (1u64 << 63).into()),
            ("value.int64", (-(1i64 << 62)).into()),
            ("value.float64", 0.1f64.into()),
            ("value.bool", true.into()),
            ("value.string", "größe 🕯".into()),
            ("array.string", vec!["", "lamp", "▁the", "日本"].into()),
            ("array.bool", vec![true, false, true].into()),
            ("array.uint8", vec![1u8, 2, 3].into()),
            ("array.int8", vec![1i8, 2, 3].into()),
            ("array.uint16", vec![1u16, 2, 3].into()),
            ("array.int16", vec![1i16, 2, 3].into()),
            ("array.uint32", vec![1u32, 2, 3].into()),
            ("array.int32", vec![1i32, 2, 3].into()),
            ("array.uint64", vec![1u64, 2, 3].into()),
            ("array.int64", vec![1i64, 2, 3].into()),
            ("array.float32", vec![0.5f32, -1.5].into()),
            ("array.float64", vec![0.5f64, -1.5].into()),
            ("array.array", Array::Array(vec![Array::I32(vec![1, 2]), Array::I32(vec![3])]).into()),
        ];
        let read: Vec<_> = file.metadata().iter().map(|(key, value)| (key, value.clone())).collect();
        assert_eq!(read, expected, "{name}");
    }
}

#[test]
fn tensors_have_outermost_dimensions_first() {
    for name in ["tiny.gguf", "tiny-v2.gguf"] {
        let file = open(fixture(name)).unwrap();
        assert_eq!(file.names(), ["row", "matrix", "cube", "four", "blocks"]);
        for (tensor, dtype, shape) in [
            ("row", DType::F32, vec![5]),
            ("matrix", DType::F16, vec![3, 4]),
            ("cube", DType::F32, vec![2, 3, 4]),
            ("four", DType::F32, vec![2, 1, 3, 4]),
        ] {
            assert_eq!(file.info(tensor), Some(&TensorInfo { dtype, shape }), "{tensor}");
            let values = file.tensor(tensor).unwrap().to_f32().unwrap();
            assert!(values.iter().enumerate().all(|(i, &x)| x == i as f32), "{tensor}: {values:?}");
        }
        assert_eq!(file.info("blocks"), Some(&TensorInfo { dtype: DType::Q8_0, shape: vec![2, 64] }));
        assert_fails(file.tensor("absent"), Code::ModelInvalid, &["\"absent\""]);
        assert_eq!(file.bytes(), std::fs::metadata(fixture(name)).unwrap().len());
    }
}

#[test]
fn alignment_is_the_files_own() {
    let file = open(fixture("aligned.gguf")).unwrap();
    assert_eq!(file.tensor("a").unwrap().to_f32().unwrap(), [1.0, 2.0, 3.0]);
    assert_eq!(file.tensor("b").unwrap().to_f32().unwrap(), [4.0, 5.0]);
}

#[test]
fn a_type_that_is_not_decoded_is_named() {
    let file = open(fixture("other.gguf")).unwrap();
    assert_eq!(file.info("exotic").unwrap().dtype.name(), "IQ2_XS");
    assert_fails(file.tensor("exotic"), Code::Unsupported, &["\"exotic\"", "IQ2_XS", "Q4_K"]);
    assert_eq!(file.tensor("plain").unwrap().to_f32().unwrap(), [1.0, 2.0]);
}

#[test]
fn a_scale_beside_a_matrix_is_part_of_it() {
    let file = open(fixture("scaled.gguf")).unwrap();
    let expected = file.tensor("expected").unwrap().to_f32().unwrap();
    let scaled = file.tensor("a.weight").unwrap();
    assert_eq!(scaled.to_f32().unwrap(), expected);
    let mut row = [0.0; 64];
    scaled.rows_to_f32(1, &mut row).unwrap();
    assert_eq!(row, expected[64..]);
    assert_fails(file.tensor("b.weight"), Code::ModelInvalid, &["b.scale", "b.weight"]);
    // Only NVFP4 has them: elsewhere it is a tensor like any other.
    assert_eq!(file.tensor("c.weight").unwrap().to_f32().unwrap(), [1.0; 4]);
    let scales: Vec<_> = file.names().into_iter().filter(|name| file.is_scale(name)).collect();
    assert_eq!(scales, ["a.scale", "a.input_scale", "b.scale"]);
}

#[test]
fn any_part_opens_the_whole() {
    for part in 1..=3 {
        let file = open(fixture(&format!("part-{part:05}-of-00003.gguf"))).unwrap();
        assert_eq!(file.names(), ["t0", "t1", "t2", "t3", "t4"]);
        assert_eq!(file.metadata().str("general.name").unwrap(), Some("in parts"));
        assert_eq!(file.paths().len(), 3);
        for i in 0..5 {
            assert_eq!(file.tensor(&format!("t{i}")).unwrap().to_f32().unwrap(), [i as f32; 6]);
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let read = |part: u32| std::fs::read(fixture(&format!("part-{part:05}-of-00003.gguf"))).unwrap();
    let name = |part: u32| format!("part-{part:05}-of-00003.gguf");
    let folder = Folder::new();
    let first = folder.file(&name(1), read(1));
    folder.file(&name(2), read(2));
    assert_fails(open(&first), Code::ModelNotFound, &[&name(3), "3 parts"]);
    folder.file(&name(3), read(2));
    assert_fails(open(&first), Code::ModelInvalid, &[&name(3), "part 2", "it is 3"]);
    assert_fails(open(folder.file("else.gguf", read(1))), Code::ModelInvalid, &["-00001-of-00003.gguf"]);
    assert_fails(open(folder.file(&name(2), read(1))), Code::ModelInvalid, &["part 1 of 3", &name(1)]);
    let mut damaged = read(1);
    let at = damaged.windows(19).position(|key| key == b"split.tensors.count").unwrap() + 19 + 4;
    damaged[at] = 6;
    folder.file(&name(1), damaged);
    folder.file(&name(2), read(2));
    folder.file(&name(3), read(3));
    assert_fails(open(&first), Code::ModelInvalid, &["6 tensors", "have 5"]);
}

#[test]
fn metadata_alone_needs_neither_tensors_nor_parts() {
    let vocab_only = OpenOptions { vocab_only: true, ..Default::default() };
    let folder = Folder::new();
    folder.file("part-00001-of-00003.gguf", std::fs::read(fixture("part-00001-of-00003.gguf")).unwrap());
    let path = folder.0.join("part-00001-of-00003.gguf");
    let file = File::open(&path, &vocab_only).unwrap();
    assert_eq!((file.metadata().str("general.name").unwrap(), file.names().len()), (Some("in parts"), 0));
    let file = File::open(&fixture("part-00003-of-00003.gguf"), &vocab_only).unwrap();
    assert_eq!(file.metadata().str("general.name").unwrap(), Some("in parts"));
}

#[test]
fn getters_convert_what_fits_and_name_what_does_not() {
    let file = open(fixture("tiny.gguf")).unwrap();
    let m = file.metadata();
    assert_eq!((m.u32("value.uint8").unwrap(), m.u64("value.uint64").unwrap()), (Some(200), Some(1 << 63)));
    assert_eq!((m.f32("value.float64").unwrap(), m.f32("value.int8").unwrap()), (Some(0.1), Some(-100.0)));
    assert_eq!((m.u32("absent").unwrap(), m.bool("value.bool").unwrap()), (None, Some(true)));
    assert_eq!(m.u32s("array.int64").unwrap().unwrap(), [1, 2, 3].as_slice());
    assert_eq!(m.i32s("array.uint8").unwrap().unwrap(), [1, 2, 3].as_slice());
    assert_eq!(m.f32s("array.float64").unwrap().unwrap(), [0.5, -1.5].as_slice());
    assert_eq!(m.strings("array.string").unwrap().unwrap().get(3), Some("日本"));
    assert_eq!(m.require("value.uint16", Metadata::u32).unwrap(), 60000);
    assert_fails(m.u32("value.int8"), Code::ModelInvalid, &["value.int8", "i8 -100"]);
    assert_fails(m.u32("value.string"), Code::ModelInvalid, &["value.string", "a string"]);
    assert_fails(m.str("array.string"), Code::ModelInvalid, &["array.string", "array of string (4)"]);
    assert_fails(m.require("absent", Metadata::str), Code::ModelInvalid, &["absent"]);
}

#[test]
fn an_override_takes_the_place_of_what_was_read() {
    let mut file = open(fixture("tiny.gguf")).unwrap();
    let keys = file.metadata().len();
    assert_eq!(file.metadata_mut().insert("value.bool", false), Some(Value::Bool(true)));
    assert_eq!(file.metadata_mut().insert("value.new", "x"), None);
    assert_eq!((file.metadata().bool("value.bool").unwrap(), file.metadata().len()), (Some(false), keys + 1));
}

#[test]
fn what_is_written_reads_back_the_same() {
    let read = open(fixture("tiny.gguf")).unwrap();
    let folder = Folder::new();
    for alignment in [None, Some(8u32), Some(4096)] {
        let mut metadata = read.metadata().clone();
        if let Some(alignment) = alignment {
            metadata.insert("general.alignment", alignment);
        }
        let tensors: Vec<_> =
            read.names().into_iter().map(|name| (name.to_owned(), read.info(name).unwrap().clone())).collect();
        let path = folder.0.join("copy.gguf");
        let mut writer = Writer::create(&path, &metadata, &tensors).unwrap();
        for name in read.names() {
            for piece in read.tensor(name).unwrap().bytes().unwrap().chunks(7) {
                writer.write(name, piece).unwrap();
            }
        }
        writer.finish().unwrap();
        let copy = open(&path).unwrap();
        assert!(copy.metadata().iter().eq(metadata.iter()));
        assert_eq!(copy.names(), read.names());
        for name in read.names() {
            assert_eq!(copy.tensor(name).unwrap().bytes().unwrap(), read.tensor(name).unwrap().bytes().unwrap(), "{name}");
        }
        assert_eq!(folder.names(), ["copy.gguf"]);
    }
    assert_eq!(std::fs::read(fixture("tiny.gguf")).unwrap(), {
        let path = folder.0.join("same.gguf");
        let tensors: Vec<_> =
            read.names().into_iter().map(|name| (name.to_owned(), read.info(name).unwrap().clone())).collect();
        let mut writer = Writer::create(&path, read.metadata(), &tensors).unwrap();
        read.names().iter().for_each(|name| writer.write(name, read.tensor(name).unwrap().bytes().unwrap()).unwrap());
        writer.finish().unwrap();
        std::fs::read(&path).unwrap()
    });
}

#[test]
fn a_writer_that_is_not_finished_leaves_the_old_file() {
    let folder = Folder::new();
    let path = folder.file("m.gguf", "old");
    let info = TensorInfo { dtype: DType::F32, shape: vec![4] };
    let tensors = [("a".to_owned(), info.clone()), ("b".to_owned(), info.clone())];
    let mut writer = Writer::create(&path, &Metadata::new(), &tensors).unwrap();
    assert_fails(writer.write("b", &[0; 16]), Code::InvalidRequest, &["\"b\"", "turn of \"a\""]);
    assert_fails(writer.write("a", &[0; 17]), Code::InvalidRequest, &["16 more bytes", "17"]);
    writer.write("a", &[0; 16]).unwrap();
    writer.write("b", &[0; 3]).unwrap();
    assert_fails(writer.finish(), Code::InvalidRequest, &["\"b\"", "3 of its 16"]);
    assert_eq!((folder.names(), std::fs::read(&path).unwrap()), (vec!["m.gguf".to_owned()], b"old".to_vec()));

    let missing = folder.0.join("no/such/folder.gguf");
    assert_fails(Writer::create(&missing, &Metadata::new(), &[]), Code::Io, &["no/such"]);
    let twice = [("a".to_owned(), info.clone()), ("a".to_owned(), info)];
    assert_fails(Writer::create(&path, &Metadata::new(), &twice), Code::InvalidRequest, &["\"a\"", "twice"]);
    let odd = [("q".to_owned(), TensorInfo { dtype: DType::Q8_0, shape: vec![2, 16] })];
    assert_fails(Writer::create(&path, &Metadata::new(), &odd), Code::InvalidRequest, &["\"q\"", "Q8_0"]);
}

/// The child of the test below: its files cannot grow beyond a few KB.
#[cfg(unix)]
const FULL_DISK: &str = "WICK_TEST_FULL_DISK";

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let Ok(folder) = std::env::var(FULL_DISK) else {
        let folder = Folder::new();
        let limited = "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact a_full_disk_leaves_nothing_behind";
        let mut child = std::process::Command::new("sh");
        let output =
            child.args(["-c", limited]).arg(std::env::current_exe().unwrap()).env(FULL_DISK, &folder.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        return;
    };
    let path = std::path::Path::new(&folder).join("m.gguf");
    let tensors = [("big".to_owned(), TensorInfo { dtype: DType::F32, shape: vec![1 << 20] })];
    let mut writer = Writer::create(&path, &Metadata::new(), &tensors).unwrap();
    let error = writer.write("big", &vec![0; 4 << 20]).unwrap_err();
    assert_eq!((error.code(), error.detail()[0].0), (Code::Io, "neededBytes"));
    assert!(error.message().contains("m.gguf") && error.message().contains("4194"), "{error}");
    drop(writer);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn a_file_cut_while_mapped_is_an_error() {
    let folder = Folder::new();
    let data = 1 << 20;
    let raw = Raw::head(1, 0).tensor("w", &[256, 1024], 0, 0).data(data);
    let path = folder.file("m.gguf", &raw.0);
    let (mapped, read) =
        (open(&path).unwrap(), File::open(&path, &OpenOptions { mmap: false, ..Default::default() }).unwrap());
    let tensor = mapped.tensor("w").unwrap();
    assert_eq!(tensor.bytes().unwrap().len(), data);
    std::fs::File::options().write(true).open(&path).unwrap().set_len(8192).unwrap();
    let mut row = [0.0; 256];
    assert_fails(tensor.bytes(), Code::ModelInvalid, &["\"w\"", "cut", "m.gguf", "8192", "mmap: false"]);
    assert_fails(tensor.to_f32(), Code::ModelInvalid, &["cut"]);
    assert_fails(tensor.rows_to_f32(1000, &mut row), Code::ModelInvalid, &["cut"]);
    tensor.rows_to_f32(1, &mut row).unwrap();
    assert_eq!(read.tensor("w").unwrap().bytes().unwrap().len(), data);
}

#[test]
fn all_ways_of_opening_give_the_same() {
    for (mmap, mlock) in [(true, false), (false, false), (true, true), (false, true)] {
        let file = File::open(&fixture("tiny.gguf"), &OpenOptions { mmap, mlock, vocab_only: false }).unwrap();
        assert_eq!(read_all(&file).unwrap(), 5 + 12 + 24 + 24 + 128);
        // Whether a page may be locked is the system's affair; that a refusal is told is ours.
        assert!(file.warnings().iter().all(|warning| mlock && warning.message.contains("tiny.gguf")));
    }
}

#[test]
fn what_is_no_file_is_named() {
    assert_fails(open("/no/such.gguf"), Code::ModelNotFound, &["/no/such.gguf"]);
    assert_fails(open(env!("CARGO_MANIFEST_DIR")), Code::ModelInvalid, &["a folder"]);
    #[cfg(unix)]
    assert_fails(open("/dev/null"), Code::ModelInvalid, &["no regular file"]);
    let folder = Folder::new();
    for (bytes, code, words) in [
        (&b""[..], Code::ModelInvalid, "empty"),
        (b"GG", Code::ModelInvalid, "4 bytes, 2 are left"),
        (b"PK\x03\x04....", Code::ModelInvalid, "zip archive"),
        (b"version https://git-lfs.github.com/spec/v1", Code::ModelInvalid, "git lfs pull"),
        (b"<!DOCTYPE html>", Code::ModelInvalid, "web page"),
        (b"GGUF\x01\0\0\0", Code::Unsupported, "version 1"),
        (b"GGUF\0\0\0\x03", Code::Unsupported, "big-endian"),
        (b"GGUF\x04\0\0\0", Code::Unsupported, "version 4"),
    ] {
        assert_fails(open(folder.file("m.gguf", bytes)), code, &["m.gguf", words]);
    }
}
