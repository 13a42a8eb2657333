//! Writing a session.

use std::path::Path;

use wick_spec::{Error, Result};
use wick_weights::NewFile;

use super::format::{
    CHECK, FIXED, Fixed, LONG, MOST_GROUPS, MOST_HEAD, SALT, TURN, blocks_bytes, check_block, check_group, check_head,
};
use super::{Place, Saved};

/// Writes one file. Dropped before [`Writer::finish`], it leaves nothing behind, and an older file of the name as it was.
pub(crate) struct Writer {
    file: NewFile,
    places: Box<dyn Iterator<Item = Place> + Send>,
    /// Bytes of a block, by group.
    sizes: Vec<u64>,
    head: u64,
    written: u64,
}

impl Writer {
    /// Begins a file at `path`; the blocks follow in the order of [`Saved::places`].
    ///
    /// # Errors
    /// `invalid-request` when what is to stand before the blocks has more than 1 GiB; `io` when the file cannot be made.
    pub(crate) fn create(path: &Path, saved: &Saved) -> Result<Self> {
        let (head, total) = head(saved)?;
        let mut file = NewFile::create(path, total)?;
        file.write(&head)?;
        let check = check_head(&head);
        file.write(&check.to_le_bytes())?;
        let sizes = saved.groups.iter().map(|group| group.block).collect();
        Ok(Self { file, places: Box::new(saved.places()), sizes, head: check, written: 0 })
    }

    /// Writes the next blocks, one or several.
    pub(crate) fn blocks(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            let size = self.places.next().and_then(|place| usize::try_from(self.sizes[place.group]).ok());
            let Some((block, rest)) = size.filter(|&size| size > 0).and_then(|size| bytes.split_at_checked(size)) else {
                return Err(Error::internal(format!(
                    "{} bytes of blocks, where one of {size:?} was to follow.",
                    bytes.len()
                )));
            };
            self.file.write(block)?;
            self.file.write(&check_block(self.head, self.written, block).to_le_bytes())?;
            self.written += 1;
            bytes = rest;
        }
        Ok(())
    }

    /// Makes the file durable and gives it its name, in place of a file that had it.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.places.next() {
            None => self.file.finish(),
            Some(place) => Err(Error::internal(format!("{place:?} of a session was not written."))),
        }
    }
}

/// All bytes before the blocks, their check apart, and how many the file has in all.
fn head(saved: &Saved) -> Result<(Vec<u8>, u64)> {
    saved.groups.iter().try_for_each(|group| check_group(group, saved.kept)).map_err(|error| internal(&error))?;
    debug_assert!(saved.groups.len() <= MOST_GROUPS as usize, "no model has so many windows");
    let mut fixed = Fixed {
        flags: [(saved.long, LONG), (saved.turn.is_some(), TURN), (saved.salt.is_some(), SALT)]
            .iter()
            .filter_map(|&(is, flag)| is.then_some(flag))
            .sum(),
        fingerprint: saved.fingerprint.0,
        tokens: saved.tokens.len() as u64,
        kept: saved.kept as u64,
        groups: saved.groups.len() as u32,
        kv: saved.kv.len() as u32,
        text: saved.text.len() as u64,
        salt: saved.salt.as_ref().map_or(0, String::len) as u64,
        ..Fixed::default()
    };
    if let Some(turn) = &saved.turn {
        fixed.rendered = turn.rendered.text().len() as u64;
        fixed.marks = turn.rendered.marks().len() as u64;
        fixed.answer = turn.answer.len() as u64;
        fixed.ids = turn.ids.len() as u64;
    }
    let bytes = fixed.head().filter(|&bytes| bytes <= MOST_HEAD).ok_or_else(|| {
        Error::invalid_request(format!("The session's text and tokens take more than {MOST_HEAD} bytes; less can be saved."))
    })?;
    let blocks = blocks_bytes(&saved.groups).and_then(|blocks| blocks.checked_add(bytes + CHECK as u64));
    fixed.total = blocks.ok_or_else(|| Error::internal("A session of more bytes than a file can have."))?;

    let mut out = Vec::with_capacity(bytes as usize);
    fixed.put(&mut out);
    debug_assert_eq!(out.len(), FIXED, "as described");
    out.extend_from_slice(saved.kv.as_bytes());
    for group in &saved.groups {
        let (first, count) = (group.present.start as u64, group.present.len() as u64);
        let row = [group.window.unwrap_or(0) as u64, group.block, first, count];
        row.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
    }
    saved.tokens.iter().for_each(|id| out.extend_from_slice(&id.to_le_bytes()));
    if let Some(turn) = &saved.turn {
        out.extend_from_slice(turn.rendered.text().as_bytes());
        turn.rendered.marks().iter().for_each(|&mark| out.extend_from_slice(&(mark as u64).to_le_bytes()));
        out.extend_from_slice(turn.answer.as_bytes());
    }
    out.extend_from_slice(saved.text.as_bytes());
    out.extend_from_slice(saved.salt.as_deref().unwrap_or_default().as_bytes());
    Ok((out, fixed.total))
}

fn internal(error: &Error) -> Error {
    Error::internal(format!("A session that cannot be saved: {}.", error.message()))
}
