//! What the test files share: fixtures, folders that vanish, and GGUF bytes made by hand.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part, and tests may fail")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use wick_spec::{Code, Error};
use wick_weights::gguf::File;
use wick_weights::{OpenOptions, Tensors};

/// A file or folder that `tools/fixtures/weights.py` wrote.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

pub(crate) fn open(path: impl AsRef<Path>) -> Result<File, Error> {
    File::open(path.as_ref(), &OpenOptions::default())
}

/// An empty folder, removed when dropped.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("wick-weights-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A copy of a fixture folder.
    pub(crate) fn copy_of(name: &str) -> Self {
        let folder = Self::new();
        for entry in std::fs::read_dir(fixture(name)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.0.join(path.file_name().unwrap())).unwrap();
        }
        folder
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        // A new file: ext4 brings one that was truncated and rewritten to the disk at once, which takes milliseconds.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `model-invalid` and its like, with words the message must have.
pub(crate) fn assert_fails<T>(result: Result<T, Error>, code: Code, words: &[&str]) {
    let Err(error) = result else { panic!("{words:?}: it was accepted") };
    assert_eq!(error.code(), code, "{error}");
    for word in words {
        assert!(error.message().contains(word), "{word:?} is not in {:?}", error.message());
    }
}

/// Reads every tensor that can be read; what a program does with a model it has opened.
pub(crate) fn read_all(tensors: &dyn Tensors) -> Result<usize, Error> {
    let mut elements = 0;
    for name in tensors.names() {
        match tensors.tensor(name) {
            Ok(tensor) => elements += tensor.to_f32()?.len(),
            Err(error) if error.code() == Code::Unsupported => {}
            Err(error) => return Err(error),
        }
    }
    Ok(elements)
}

/// GGUF bytes, value by value.
#[derive(Clone, Default)]
pub(crate) struct Raw(pub(crate) Vec<u8>);

impl Raw {
    /// Magic, version 3, and the two counts.
    pub(crate) fn head(tensors: u64, keys: u64) -> Self {
        Self(b"GGUF".to_vec()).u32(3).u64(tensors).u64(keys)
    }

    pub(crate) fn u32(mut self, n: u32) -> Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, n: u64) -> Self {
        self.0.extend_from_slice(&n.to_le_bytes());
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn string(self, text: &str) -> Self {
        self.u64(text.len() as u64).bytes(text.as_bytes())
    }

    /// A tensor's entry, dimensions innermost first.
    pub(crate) fn tensor(self, name: &str, dimensions: &[u64], dtype: u32, offset: u64) -> Self {
        let mut raw = self.string(name).u32(dimensions.len() as u32);
        for &n in dimensions {
            raw = raw.u64(n);
        }
        raw.u32(dtype).u64(offset)
    }

    /// Zeros up to a multiple of 32, then `data` of them.
    pub(crate) fn data(mut self, data: usize) -> Self {
        self.0.resize(self.0.len().next_multiple_of(32) + data, 0);
        self
    }
}
