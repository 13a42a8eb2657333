//! What one call computes: flat tokens of any number of sequences.

use std::ops::Range;

/// Positions a block of keys and values holds.
pub const BLOCK: usize = 32;

/// What a row starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A token id, less than the embedding table's rows.
    Token(u32),
    /// Row `n` of [`Batch::embeddings`].
    Embedding(u32),
}

/// One token of one sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What it starts from.
    pub input: Input,
    /// What its rotation is computed from.
    pub position: u32,
}

/// The rows of one sequence and where its keys and values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its rows in [`Batch::rows`], in order; spans follow one another without gaps. Never empty.
    pub rows: Range<usize>,
    /// Tokens of the sequence whose keys and values are there already: row `i` of the span is token `cached + i`, and sees
    /// the tokens up to itself.
    pub cached: usize,
    /// The sequence's blocks, a table for each of [`crate::State::groups`]: token n is at place `n % BLOCK` of block
    /// `blocks[group][n / BLOCK]`. Long enough for the last row. In a group with window w the entries before that of token
    /// `(cached + 1).saturating_sub(w)` are not looked at, and may be anything.
    pub blocks: Vec<Vec<u32>>,
    /// Whether all of its rows turn as those of long sequences do, where a step's rotation tells them apart
    /// ([`crate::LongRope`]). What is cached must have been computed with the same.
    pub long: bool,
}

/// What is wanted of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Its logits (v).
    Logits,
    /// Its hidden state (e) as the head would read it.
    Hidden,
}

/// A row and what is wanted of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Index in [`Batch::rows`].
    pub row: usize,
    /// What.
    pub want: Want,
}

/// One call's work.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// t rows.
    pub rows: Vec<Row>,
    /// (n, e), for rows that are not tokens.
    pub embeddings: Vec<f32>,
    /// The sequences the rows belong to.
    pub spans: Vec<Span>,
    /// Results asked for, in the order of [`Outputs`]. Rows not named here cost no head.
    pub wanted: Vec<Wanted>,
}

/// What a call found. The buffers are reused from call to call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outputs {
    /// (n, v): logits in the order they were wanted.
    pub logits: Vec<f32>,
    /// (n, e): hidden states in the order they were wanted.
    pub hidden: Vec<f32>,
    /// Matrix products with a weight in this call: one a weight, however many sequences share it.
    pub matmuls: usize,
}
