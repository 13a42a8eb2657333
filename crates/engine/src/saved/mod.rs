//! A session in a file: what it has heard and said, with its keys and values.
//!
//! A file belongs to one model and to one way of keeping keys and values, and says so itself ([`Saved::fingerprint`], [`Saved::kv`]):
//! whatever else reads it refuses it. It is written and read as a stream, so that keys and values are never in memory twice.
//! The format is described in `docs/design/sessions.md`.

mod fingerprint;
mod format;
mod keeper;
mod piece;
mod read;
mod threads;
mod write;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use wick_compute::BLOCK;
use wick_spec::Result;

use crate::prompt::Turn;

use fingerprint::Fingerprint;
pub(crate) use fingerprint::Identity;
pub(crate) use keeper::Keeper;
#[cfg(test)]
pub(crate) use piece::{Bringer, Getter, bringing, giving};
pub(crate) use piece::{Brought, Extent, Given, Giver, Taker};
use read::Reader;
pub(crate) use threads::{restore, save};
use write::Writer;

/// A group of layers that keep their keys and values equally long, and which of a session's blocks of it are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SavedGroup {
    /// Tokens a row sees, itself included; `None`: all.
    pub window: Option<usize>,
    /// Bytes of a block, the group's layers together.
    pub block: u64,
    /// The session's blocks that are there: the last ones up to [`Saved::kept`], or none.
    pub present: Range<usize>,
}

/// A saved session, its keys and values apart.
#[derive(Debug, Clone)]
pub(crate) struct Saved {
    /// The model's.
    pub fingerprint: Fingerprint,
    /// Who keeps keys and values, and how: `cpu f16`. They can be read by nobody else.
    pub kv: String,
    pub groups: Vec<SavedGroup>,
    /// Whether its rows were turned as those of a long sequence.
    pub long: bool,
    /// What was heard and said.
    pub tokens: Arc<[u32]>,
    /// Of how many of the tokens keys and values are there.
    pub kept: usize,
    /// Of a chat: how its next turn begins.
    pub turn: Option<Arc<Turn>>,
    /// What the caller wants to have back.
    pub text: String,
    /// What its keys and values are shared under alone.
    pub salt: Option<String>,
}

/// One block of a saved session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which group's.
    pub group: usize,
    /// Its place in the session: positions from `index * BLOCK` on.
    pub index: usize,
}

impl Saved {
    /// The blocks in the order of the file.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        places(self.groups.iter().map(|group| group.present.clone()).collect(), self.kept)
    }
}

/// The blocks that are `present`, by group, of `kept` tokens: by position, and group by group within one.
fn places(present: Vec<Range<usize>>, kept: usize) -> impl Iterator<Item = Place> {
    let of = move |index| {
        let groups = present.iter().enumerate().filter(|(_, present)| present.contains(&index));
        groups.map(|(group, _)| Place { group, index }).collect::<Vec<_>>()
    };
    (0..kept.div_ceil(BLOCK)).flat_map(of)
}

/// Reads a saved session to its end: whether it is whole, whichever model it belongs to.
///
/// # Errors
/// `io` when the system refuses to read it, `unsupported` for a later version of the format, `out-of-memory` when there is no room for
/// its parts, and `invalid-request` for whatever else is no whole session.
pub fn verify_session(path: &Path) -> Result<()> {
    let mut reader = Reader::open(path)?;
    let mut bytes = Vec::new();
    while reader.next(&mut bytes)?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests;
