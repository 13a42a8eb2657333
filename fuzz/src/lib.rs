//! What the fuzz targets share.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use wick_spec::{Code, Result};
use wick_weights::Tensors;

/// A folder of this process's own; left to the system to remove.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("wick-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        path
    })
}

/// Writes `bytes` to the file `name` of [`folder`].
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).expect("the temporary folder can be written");
    path
}

/// Reads every tensor, and fails on an error that a broken file must not give.
pub fn read_all<T: Tensors>(model: Result<T>) {
    let read = model.and_then(|model| {
        let names = model.names();
        names.iter().try_for_each(|name| match model.tensor(name).and_then(|tensor| tensor.to_f32()) {
            Err(error) if error.code() != Code::Unsupported => Err(error),
            _ => Ok(()),
        })
    });
    if let Err(error) = read {
        let expected = [Code::ModelInvalid, Code::Unsupported, Code::ModelNotFound].contains(&error.code());
        assert!(expected, "{error}");
    }
}
