//! The bytes of one file, mapped or read.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::{Mmap, MmapMut};
use wick_spec::{Error, Result, Warning};

use crate::cut::Watch;

/// How a model's files are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenOptions {
    /// Map the files rather than read them into memory. Default true: the system loads what is used, and shares it among
    /// processes. With false the files may change afterwards without any effect, and opening takes as much memory as they
    /// have bytes.
    ///
    /// A mapped file that another program cuts short is noticed when its tensors are asked for; bytes that are in use meanwhile
    /// read as zeros where the system has signals (elsewhere it ends the process), so ask again after the last use. What is
    /// written to the file is read as it is: where files are replaced in place rather than by renaming, use false.
    pub mmap: bool,
    /// Keep the bytes in physical memory. Default false. Where the system refuses (`ulimit -l`), a warning says so and the
    /// model is opened all the same.
    pub mlock: bool,
    /// Read metadata only: no tensors, and of split files no part but the first. Default false. Such a file is mapped for the
    /// time of opening whatever `mmap` says, and never locked.
    pub vocab_only: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { mmap: true, mlock: false, vocab_only: false }
    }
}

/// Asks for pages of 2 MiB, which a core reads 5 to 20 % faster than small ones, and which are filled faster from the disk. A map
/// has them where the file system holds the file so (ext4 of Linux 6.18 does, if the file was not in memory before). A system
/// that has none refuses, and nothing is lost.
#[cfg(target_os = "linux")]
const LARGE_PAGES: Advice = Advice::HugePage;

/// One open file. Its bytes are reached through [`Source::bytes`] alone, which notices a file that was cut.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    /// Ends before the map does.
    watch: Option<Watch>,
    map: Mmap,
    /// The mapped file, asked for its length before each use; `None` when `map` is memory that the file was read into.
    file: Option<File>,
    /// Why the bytes could not be locked.
    warning: Option<Warning>,
}

impl Source {
    /// Opens a regular file that is not empty.
    pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        let file = open_regular(path)?;
        let len = length(&file, path)?;
        let (map, file) = if options.mmap || options.vocab_only {
            // SAFETY: the map is read-only and private to `Source`, whose `bytes` compares its range with the file's present
            // length before it gives a slice out, and `Watch` takes care of a cut in between. Another process may still write to
            // the file while a slice is in use; `OpenOptions::mmap` documents that, and offers the way without a map.
            let map = unsafe { Mmap::map(&file) }.map_err(|error| io(path, "map", &error))?;
            #[cfg(target_os = "linux")]
            let _refused = map.advise(LARGE_PAGES);
            (map, Some(file))
        } else {
            (read(&file, len, path)?, None)
        };
        if map.is_empty() {
            return Err(Error::model_invalid(format!("{} is empty.", path.display())));
        }
        let warning = if options.mlock && !options.vocab_only { lock(&map, path) } else { None };
        let watch = file.is_some().then(|| Watch::new(&map));
        Ok(Self { path: path.to_owned(), watch, map, file, warning })
    }

    /// `len` bytes that come from no file but from `write`; `name` stands for the path in messages.
    pub(crate) fn memory(name: &str, len: usize, locked: bool, write: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Self> {
        let mut memory = MmapMut::map_anon(len).map_err(|error| {
            Error::out_of_memory(format!("{name} takes {len} bytes ({error}).")).with("neededBytes", len as u64)
        })?;
        write(&mut memory)?;
        let map = memory.make_read_only().map_err(|error| io(Path::new(name), "hold", &error))?;
        let warning = if locked { lock(&map, Path::new(name)) } else { None };
        Ok(Self { path: name.into(), watch: None, map, file: None, warning })
    }

    /// Bytes the file had when it was opened.
    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn warning(&self) -> Option<&Warning> {
        self.warning.as_ref()
    }

    /// The bytes in `range`, which lies within [`Source::len`]. `model-invalid` when the file has been cut since.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Result<&[u8]> {
        if let Some(file) = &self.file {
            let len = length(file, &self.path)?;
            if len < range.end || self.watch.as_ref().is_some_and(Watch::was_cut) {
                let (path, end) = (self.path.display(), range.end);
                return Err(Error::model_invalid(format!(
                    "{path} was cut while it was in use: bytes {}..{end} are needed, the file has {len} now. Load it again, or \
                     with mmap: false if it changes while it is in use.",
                    range.start
                ))
                .with("neededBytes", end as u64)
                .with("fileBytes", len as u64));
            }
        }
        self.map.get(range).ok_or_else(|| Error::internal("A range outside the file it was checked against."))
    }
}

/// The file at `path`, or what is there instead. A pipe is refused before opening it could block.
fn open_regular(path: &Path) -> Result<File> {
    let metadata = std::fs::metadata(path).map_err(|error| io(path, "open", &error))?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a folder" } else { "no regular file" };
        return Err(Error::model_invalid(format!("{} is {kind}; a model file is needed.", path.display())));
    }
    File::open(path).map_err(|error| io(path, "open", &error))
}

fn length(file: &File, path: &Path) -> Result<usize> {
    let len = file.metadata().map_err(|error| io(path, "measure", &error))?.len();
    usize::try_from(len)
        .map_err(|_| Error::unsupported(format!("{} has {len} bytes, more than this machine can address.", path.display())))
}

/// The whole file in anonymous memory, which can be locked as a map can.
fn read(mut file: &File, len: usize, path: &Path) -> Result<Mmap> {
    let mut memory = MmapMut::map_anon(len).map_err(|error| {
        Error::out_of_memory(format!("{} does not fit in memory: {len} bytes ({error}).", path.display()))
            .with("neededBytes", len as u64)
    })?;
    #[cfg(target_os = "linux")]
    let _refused = memory.advise(LARGE_PAGES);
    file.read_exact(&mut memory).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => {
            Error::model_invalid(format!("{} was cut while it was read; it had {len} bytes.", path.display()))
        }
        _ => io(path, "read", &error),
    })?;
    memory.make_read_only().map_err(|error| io(path, "read", &error))
}

#[cfg(unix)]
fn lock(map: &Mmap, path: &Path) -> Option<Warning> {
    let error = map.lock().err()?;
    let (path, len) = (path.display(), map.len());
    Some(Warning {
        message: format!("The system refused to lock the {len} bytes of {path} in memory ({error}); see ulimit -l."),
    })
}

#[cfg(not(unix))]
fn lock(_: &Mmap, path: &Path) -> Option<Warning> {
    Some(Warning { message: format!("mlock is not available on this system; {} is not locked in memory.", path.display()) })
}

/// An error of the system's, with the code that fits.
pub(crate) fn io(path: &Path, what: &str, error: &std::io::Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            Error::model_not_found(format!("There is no file {}.", path.display()))
        }
        _ => Error::io(format!("Could not {what} {}: {error}.", path.display())),
    }
}
