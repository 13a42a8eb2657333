//! Reading the head of a GGUF file: little-endian values in sequence, each checked against what is left.

use wick_spec::{Error, Result};

/// A place in the bytes. Every refusal names the offset and what was being read.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or_else(|| {
            let (at, have) = (self.at, rest.len());
            Error::model_invalid(format!("{what} at offset {at} needs {count} bytes, {have} are left."))
                .with("offset", at as u64)
                .with("neededBytes", count as u64)
                .with("haveBytes", have as u64)
        })?;
        self.at += count;
        Ok(taken)
    }

    /// The next N bytes as they are.
    pub(super) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// A number of things that take at least `each` bytes in the file: refused, before anything is allocated for them, when
    /// the bytes left cannot hold them.
    pub(super) fn count(&mut self, each: usize, what: &str) -> Result<usize> {
        let at = self.at;
        let count = self.u64(what)?;
        let most = self.left() / each;
        match usize::try_from(count) {
            Ok(count) if count <= most => Ok(count),
            _ => Err(Error::model_invalid(format!(
                "{what} at offset {at} is {count}; the {} bytes left hold {most} at most.",
                self.left()
            ))
            .with("offset", at as u64)),
        }
    }

    /// A string: its length in bytes, then UTF-8.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a str> {
        let at = self.at;
        let len = self.count(1, what)?;
        let bytes = self.take(len, what)?;
        std::str::from_utf8(bytes).map_err(|error| not_utf8(what, at, &error))
    }
}

/// The error for text at offset `at` that is not UTF-8.
pub(super) fn not_utf8(what: &str, at: usize, error: &std::str::Utf8Error) -> Error {
    Error::model_invalid(format!("{what} at offset {at} is not UTF-8: {error}.")).with("offset", at as u64)
}
