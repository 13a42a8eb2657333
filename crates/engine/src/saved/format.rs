//! Where what is in the file, for its writer and its reader.

use wick_compute::BLOCK;
use wick_spec::{Error, Result};

use super::SavedGroup;

/// How a file begins. The first byte is no text's, so that nothing takes it for one.
pub(super) const MAGIC: [u8; 8] = *b"\x89wickses";

/// The version written, and the only one read.
pub(super) const VERSION: u32 = 1;

/// Bytes of [`Fixed`] in the file.
pub(super) const FIXED: usize = 112;

/// Bytes of a group's row.
pub(super) const ROW: usize = 32;

/// Bytes of a check.
pub(super) const CHECK: usize = 8;

/// Most bytes of all before the blocks: a session's tokens, its text and its caller's.
pub(super) const MOST_HEAD: u64 = 1 << 30;

/// Most groups of layers. A model has as many as it has windows of different lengths, and one.
pub(super) const MOST_GROUPS: u32 = 64;

/// Its rows were turned as those of a long sequence.
pub(super) const LONG: u32 = 1;

/// It is a chat, with a turn to go on from.
pub(super) const TURN: u32 = 2;

/// It has a salt.
pub(super) const SALT: u32 = 4;

/// The file's first bytes: how much there is of everything.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Fixed {
    pub(super) flags: u32,
    pub(super) fingerprint: [u8; 16],
    /// Bytes of the whole file.
    pub(super) total: u64,
    pub(super) tokens: u64,
    /// Tokens with keys and values.
    pub(super) kept: u64,
    pub(super) groups: u32,
    /// Bytes of the name of who keeps keys and values.
    pub(super) kv: u32,
    /// Bytes of the rendered chat.
    pub(super) rendered: u64,
    /// Marks in it.
    pub(super) marks: u64,
    /// Bytes of the answer.
    pub(super) answer: u64,
    /// Tokens that are the rendered chat and the answer.
    pub(super) ids: u64,
    /// Bytes of the caller's text.
    pub(super) text: u64,
    /// Bytes of the salt.
    pub(super) salt: u64,
}

impl Fixed {
    /// Bytes before the blocks, without the check that ends them; `None` when no file has so many.
    pub(super) fn head(&self) -> Option<u64> {
        let parts = [
            (u64::from(self.kv), 1),
            (u64::from(self.groups), ROW as u64),
            (self.tokens, 4),
            (self.rendered, 1),
            (self.marks, 8),
            (self.answer, 1),
            (self.text, 1),
            (self.salt, 1),
        ];
        parts.iter().try_fold(FIXED as u64, |sum, &(count, each)| sum.checked_add(count.checked_mul(each)?))
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&self.flags.to_le_bytes());
        out.extend_from_slice(&self.fingerprint);
        [self.total, self.tokens, self.kept].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        [self.groups, self.kv].iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        let sizes = [self.rendered, self.marks, self.answer, self.ids, self.text, self.salt];
        sizes.iter().for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
    }

    /// Of a file that begins with [`MAGIC`] and has [`VERSION`].
    pub(super) fn read(bytes: &[u8; FIXED]) -> Self {
        let u32_at = |at: usize| u32::from_le_bytes(array(&bytes[at..]));
        let u64_at = |at: usize| u64::from_le_bytes(array(&bytes[at..]));
        Self {
            flags: u32_at(12),
            fingerprint: array(&bytes[16..]),
            total: u64_at(32),
            tokens: u64_at(40),
            kept: u64_at(48),
            groups: u32_at(56),
            kv: u32_at(60),
            rendered: u64_at(64),
            marks: u64_at(72),
            answer: u64_at(80),
            ids: u64_at(88),
            text: u64_at(96),
            salt: u64_at(104),
        }
    }
}

/// The first N bytes.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[..N]);
    array
}

/// Bytes of all blocks and their checks; `None` when no file has so many.
pub(super) fn blocks_bytes(groups: &[SavedGroup]) -> Option<u64> {
    groups.iter().try_fold(0u64, |sum, group| {
        let each = group.block.checked_add(CHECK as u64)?;
        sum.checked_add(each.checked_mul(group.present.len() as u64)?)
    })
}

/// Whether a group's blocks are the last ones up to `kept` tokens, or none.
pub(super) fn check_group(group: &SavedGroup, kept: usize) -> Result<()> {
    let (present, all) = (&group.present, kept.div_ceil(BLOCK));
    if present.start > present.end || (!present.is_empty() && present.end != all) {
        return Err(Error::invalid_request(format!(
            "blocks {present:?} of {all} are there, which do not end where it does"
        )));
    }
    Ok(())
}

/// The check of what is before the blocks. It tells a damaged file from a whole one; it is no signature.
pub(super) fn check_head(bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(bytes)
}

/// The check of block number `n` of the file whose head has the check `head`: of another place or file it is another.
pub(super) fn check_block(head: u64, n: u64, bytes: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot_with_seed(head.wrapping_add(n), bytes)
}
