//! A file that takes its name last.
//!
//! Until it is whole it is a temporary one beside its path, so that a full disk, a failure or a crash leaves the old file, or none,
//! and never half of one.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use wick_spec::{Error, Result};

/// Bytes that are gathered before the system is given them.
const BUFFER: usize = 1 << 20;

/// A file being written. Dropped before [`NewFile::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct NewFile {
    out: Option<BufWriter<File>>,
    path: PathBuf,
    temporary: PathBuf,
    /// Bytes of the whole file, for messages.
    total: u64,
}

impl NewFile {
    /// Begins a file that is to be at `path`, of `total` bytes. `invalid-request` when `path` names no file; `io` when none can be made
    /// beside it.
    pub fn create(path: &Path, total: u64) -> Result<Self> {
        let temporary = temporary(path)?;
        let file = File::options().write(true).create_new(true).open(&temporary);
        let file = file.map_err(|error| Error::io(format!("Could not create {}: {error}.", temporary.display())))?;
        Ok(Self { out: Some(BufWriter::with_capacity(BUFFER, file)), path: path.to_owned(), temporary, total })
    }

    /// Writes the next bytes. `io`, with what the file takes, when the system refuses.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let out = self.out.as_mut().ok_or_else(|| Error::internal("A file that was finished."))?;
        out.write_all(bytes).map_err(|error| self.failed(&error))
    }

    /// Makes the file durable and gives it its name, in place of a file that had it. `io` when the system refuses.
    pub fn finish(mut self) -> Result<()> {
        let out = self.out.take().ok_or_else(|| Error::internal("A file that was finished."))?;
        let synced = out.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|file| file.sync_all());
        synced.map_err(|error| self.failed(&error))?;
        std::fs::rename(&self.temporary, &self.path).map_err(|error| self.failed(&error))?;
        sync_folder(&self.path);
        Ok(())
    }

    fn failed(&self, error: &std::io::Error) -> Error {
        let (path, total) = (self.path.display(), self.total);
        Error::io(format!("Could not write {path}, which takes {total} bytes: {error}. Nothing of it is left behind."))
            .with("neededBytes", total)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(out) = self.out.take() {
            // What is buffered is not worth writing.
            drop(out.into_parts());
        }
        // After a rename there is nothing of this name; after a failure there is no one to tell.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// A name beside `path` that no other writer of this or another process uses.
fn temporary(path: &Path) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name =
        path.file_name().ok_or_else(|| Error::invalid_request(format!("{} is no name for a file.", path.display())))?;
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    Ok(path.with_file_name(format!(".{}.{process}-{count}.tmp", name.to_string_lossy())))
}

/// Makes the new name itself durable. Not every system can open a folder, and the file is whole in any case.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
