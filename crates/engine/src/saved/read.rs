//! Reading a session: foreign bytes, each length held to the file's before memory is taken for it.
//!
//! A file that is no whole session is `invalid-request`, not `model-invalid`: who handles that one fetches his model again, which would
//! not help here.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wick_spec::{Error, Result};
use wick_text::Rendered;

use super::format::{
    CHECK, FIXED, Fixed, LONG, MAGIC, MOST_GROUPS, MOST_HEAD, ROW, SALT, TURN, VERSION, array, blocks_bytes, check_block,
    check_group, check_head,
};
use super::{Fingerprint, Place, Saved, SavedGroup};
use crate::prompt::Turn;

/// Whether the length and the checksums that a file tells of itself are held to. A fuzzer would never get past them.
const CHECKED: bool = !cfg!(feature = "fuzzing");

/// Reads one file.
pub(crate) struct Reader {
    file: BufReader<File>,
    path: PathBuf,
    saved: Saved,
    places: Box<dyn Iterator<Item = Place> + Send>,
    head: u64,
    read: u64,
}

impl Reader {
    /// Opens a file and reads what stands before the blocks.
    ///
    /// # Errors
    /// `io` when the system refuses, `unsupported` for a later version, `out-of-memory` when there is no room for it, and
    /// `invalid-request` for what is no whole session.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let (file, len) = open_regular(path)?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let (saved, head) = read_head(&mut file, len).map_err(|error| error.at(path))?;
        Ok(Self { file, path: path.to_owned(), places: Box::new(saved.places()), saved, head, read: 0 })
    }

    /// The session, its keys and values apart.
    pub(crate) fn saved(&self) -> &Saved {
        &self.saved
    }

    /// The same, to keep.
    pub(crate) fn into_saved(self) -> Saved {
        self.saved
    }

    /// Puts the next block into `bytes`, in place of what was there, and says whose it is; `None` after the last.
    pub(crate) fn next(&mut self, bytes: &mut Vec<u8>) -> Result<Option<Place>> {
        let Some(place) = self.places.next() else { return Ok(None) };
        // No overflow: all blocks together are no longer than the file.
        let size = self.saved.groups[place.group].block as usize;
        let read = sized(bytes, size + CHECK).and_then(|()| Ok(self.file.read_exact(bytes)?));
        read.map_err(|error| error.at(&self.path))?;
        let check = u64::from_le_bytes(array(&bytes[size..]));
        bytes.truncate(size);
        if check_block(self.head, self.read, bytes) != check && CHECKED {
            let Place { group, index } = place;
            return Err(damaged(format!("block {index} of group {group} has another checksum")).at(&self.path));
        }
        self.read += 1;
        Ok(Some(place))
    }
}

/// Why a file cannot be read.
enum Broken {
    System(std::io::Error),
    Said(Error),
}

impl From<std::io::Error> for Broken {
    fn from(error: std::io::Error) -> Self {
        Self::System(error)
    }
}

impl Broken {
    fn at(self, path: &Path) -> Error {
        match self {
            Self::System(error) if error.kind() == ErrorKind::UnexpectedEof => {
                damaged("it was cut while it was read").at(path)
            }
            Self::System(error) => Error::io(format!("Could not read {}: {error}.", path.display())),
            Self::Said(error) => error.context(path.display()),
        }
    }
}

/// The refusal of a file that is no whole session; `what` is wrong.
fn damaged(what: impl Display) -> Broken {
    Broken::Said(Error::invalid_request(format!(
        "This is no whole session: {what}. It was damaged since it was saved, or is something else; save the session again."
    )))
}

/// The file at `path` and its length. A pipe is refused before opening it could block.
fn open_regular(path: &Path) -> Result<(File, u64)> {
    let refused = |error: std::io::Error| Error::io(format!("Could not open {}: {error}.", path.display()));
    if !std::fs::metadata(path).map_err(refused)?.is_file() {
        return Err(Error::invalid_request(format!("{} is no regular file; a saved session is needed.", path.display())));
    }
    let file = File::open(path).map_err(refused)?;
    let len = file.metadata().map_err(refused)?.len();
    Ok((file, len))
}

/// Makes `bytes` `count` long.
fn sized(bytes: &mut Vec<u8>, count: usize) -> Result<(), Broken> {
    bytes.clear();
    bytes.try_reserve_exact(count).map_err(|_| no_room(count))?;
    bytes.resize(count, 0);
    Ok(())
}

fn no_room(count: usize) -> Broken {
    Broken::Said(
        Error::out_of_memory(format!("A part of the session takes {count} bytes.")).with("neededBytes", count as u64),
    )
}

/// What stands before the blocks of a file of `len` bytes, and its check.
fn read_head(file: &mut impl Read, len: u64) -> Result<(Saved, u64), Broken> {
    let fixed = read_fixed(file, len)?;
    let head = fixed.head().filter(|&head| head <= MOST_HEAD && head + CHECK as u64 <= len);
    let head = head.ok_or_else(|| damaged("what it says to have before its blocks is more than it has"))? as usize;
    let mut bytes = Vec::new();
    sized(&mut bytes, head)?;
    let mut start = Vec::with_capacity(FIXED);
    fixed.put(&mut start);
    bytes[..FIXED].copy_from_slice(&start);
    file.read_exact(&mut bytes[FIXED..])?;
    let mut check = [0; CHECK];
    file.read_exact(&mut check)?;
    let check = u64::from_le_bytes(check);
    if check_head(&bytes) != check && CHECKED {
        return Err(damaged("its head has another checksum"));
    }
    let saved = parse(&fixed, &bytes[FIXED..])?;
    match blocks_bytes(&saved.groups).and_then(|blocks| blocks.checked_add((head + CHECK) as u64)) {
        Some(total) if total == len => Ok((saved, check)),
        _ => Err(damaged("its blocks are not as many as it says")),
    }
}

/// The first bytes of a file of `len` bytes.
fn read_fixed(file: &mut impl Read, len: u64) -> Result<Fixed, Broken> {
    let mut bytes = [0; FIXED];
    let start = usize::try_from(len).map_or(FIXED, |len| len.min(FIXED));
    file.read_exact(&mut bytes[..start])?;
    if bytes[..MAGIC.len()] != MAGIC {
        return Err(damaged("it does not begin as one"));
    }
    let version = u32::from_le_bytes(array(&bytes[MAGIC.len()..]));
    if version > VERSION {
        return Err(Broken::Said(Error::unsupported(format!(
            "The session was saved as version {version}; this wick reads {VERSION}. Use the wick that saved it, or a later one."
        ))));
    }
    let fixed = Fixed::read(&bytes);
    if fixed.total != len && CHECKED {
        return Err(damaged(format!("it has {len} bytes, and {} when it was saved", fixed.total)));
    }
    if start < FIXED || version != VERSION || fixed.groups > MOST_GROUPS || fixed.flags & !(LONG | TURN | SALT) != 0 {
        return Err(damaged("its first bytes contradict themselves"));
    }
    Ok(fixed)
}

/// The parts of the head, in the order of the file; `rest` is as long as they are together.
fn parse(fixed: &Fixed, mut rest: &[u8]) -> Result<Saved, Broken> {
    let mut take = |count: u64| {
        // No overflow: the sum of all fits the memory that `rest` is in.
        let (taken, left) = rest.split_at(count as usize);
        rest = left;
        taken
    };
    let kv = text(take(u64::from(fixed.kv)), "who kept its keys and values")?;
    let rows = take(u64::from(fixed.groups) * ROW as u64);
    let tokens = take(fixed.tokens * 4);
    let (rendered, marks) = (take(fixed.rendered), take(fixed.marks * 8));
    let (answer, own, salt) = (take(fixed.answer), take(fixed.text), take(fixed.salt));

    if fixed.kept > fixed.tokens || fixed.ids > fixed.tokens {
        return Err(damaged("it says more of its tokens than there are"));
    }
    // No overflow: as many tokens are in memory.
    let kept = fixed.kept as usize;
    let tokens: Vec<u32> = tokens.chunks_exact(4).map(|id| u32::from_le_bytes(array(id))).collect();
    let groups = rows.chunks_exact(ROW).map(|row| group(row, kept)).collect::<Result<_, _>>()?;
    let turn = match fixed.flags & TURN {
        0 if fixed.rendered | fixed.marks | fixed.answer | fixed.ids == 0 => None,
        0 => return Err(damaged("it has a turn that it says not to have")),
        _ => {
            let marks = marks.chunks_exact(8).map(|mark| u64::from_le_bytes(array(mark)) as usize).collect();
            let rendered = Rendered::restored(text(rendered, "its chat")?, marks);
            let rendered = rendered.ok_or_else(|| damaged("its chat has marks where none can be"))?;
            let ids = tokens[..fixed.ids as usize].to_vec();
            Some(Arc::new(Turn { rendered, answer: text(answer, "its answer")?, ids }))
        }
    };
    let (fingerprint, long) = (Fingerprint(fixed.fingerprint), fixed.flags & LONG != 0);
    let salt = match fixed.flags & SALT {
        0 if fixed.salt == 0 => None,
        0 => return Err(damaged("it has a salt that it says not to have")),
        _ => Some(text(salt, "its salt")?),
    };
    let (tokens, text) = (Arc::from(tokens), text(own, "its caller's text")?);
    Ok(Saved { fingerprint, kv, groups, long, tokens, kept, turn, text, salt })
}

fn group(row: &[u8], kept: usize) -> Result<SavedGroup, Broken> {
    let at = |n: usize| u64::from_le_bytes(array(&row[n * 8..]));
    let present = usize::try_from(at(2)).ok().zip(usize::try_from(at(2).saturating_add(at(3))).ok());
    let (window, present): (_, Range<usize>) = match (usize::try_from(at(0)), present) {
        (Ok(window), Some((start, end))) => ((window > 0).then_some(window), start..end),
        _ => return Err(damaged("a group of its layers is of no possible size")),
    };
    let group = SavedGroup { window, block: at(1), present };
    check_group(&group, kept).map_err(|error| damaged(error.message()))?;
    Ok(group)
}

fn text(bytes: &[u8], what: &str) -> Result<String, Broken> {
    let text = std::str::from_utf8(bytes).map_err(|error| damaged(format!("{what} is not UTF-8 ({error})")))?;
    let mut owned = String::new();
    owned.try_reserve_exact(text.len()).map_err(|_| no_room(text.len()))?;
    owned.push_str(text);
    Ok(owned)
}
