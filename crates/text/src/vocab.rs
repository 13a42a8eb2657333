//! What each token id stands for: its bytes and its kind.
//!
//! All bytes share one buffer, so a vocabulary of 150,000 tokens is three allocations, and a token's bytes are a slice of it.

/// What a token is for; the values of `tokenizer.ggml.token_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A piece of text.
    Normal,
    /// Stands for what the vocabulary cannot spell.
    Unknown,
    /// Steers the model (`<|im_end|>`); never shown, never made from text of a user.
    Control,
    /// A text that is one token wherever it is written (`<think>`).
    UserDefined,
    /// A row of the embedding table that nothing uses.
    Unused,
    /// One byte of a character that has no token of its own.
    Byte,
}

impl Kind {
    /// The kind of `tokenizer.ggml.token_type`'s value, or `None` when there is no such value.
    pub(crate) fn from_gguf(value: i32) -> Option<Self> {
        // 0 is "undefined", which writers use for plain pieces.
        Some(match value {
            0 | 1 => Kind::Normal,
            2 => Kind::Unknown,
            3 => Kind::Control,
            4 => Kind::UserDefined,
            5 => Kind::Unused,
            6 => Kind::Byte,
            _ => return None,
        })
    }

    /// The value in `tokenizer.ggml.token_type`.
    pub(crate) fn to_gguf(self) -> i32 {
        match self {
            Kind::Normal => 1,
            Kind::Unknown => 2,
            Kind::Control => 3,
            Kind::UserDefined => 4,
            Kind::Unused => 5,
            Kind::Byte => 6,
        }
    }

    /// Whether readers of an answer are spared it.
    pub(crate) fn is_hidden(self) -> bool {
        matches!(self, Kind::Unknown | Kind::Control | Kind::Unused)
    }
}

/// The bytes and kind of every id.
#[derive(Debug, Default)]
pub(crate) struct Vocab {
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    kinds: Vec<Kind>,
}

impl Vocab {
    /// Gives the next id its meaning. For tokens that are not text the bytes are their name.
    pub(crate) fn push(&mut self, bytes: &[u8], kind: Kind) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        self.kinds.push(kind);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self, id: u32) -> Option<&[u8]> {
        let id = id as usize;
        let end = *self.ends.get(id)?;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        Some(&self.bytes[start..end])
    }

    pub(crate) fn kind(&self, id: u32) -> Option<Kind> {
        self.kinds.get(id as usize).copied()
    }

    /// The ids of one kind.
    pub(crate) fn ids(&self, kind: Kind) -> impl Iterator<Item = u32> {
        self.kinds.iter().enumerate().filter(move |(_, k)| **k == kind).map(|(id, _)| id as u32)
    }
}
