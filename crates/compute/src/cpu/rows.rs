//! Which rows a step is computed for.

use wick_kernels::attention::Sequence;

use crate::{Batch, Span};

/// All rows of a batch, or the wanted ones.
pub(super) struct Rows<'a> {
    /// Of each group of layers.
    pub(super) sequences: Vec<Vec<Sequence<'a>>>,
    /// Of each row, which row of the batch it is.
    pub(super) of: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Every row, for so many groups of layers.
    pub(super) fn all(batch: &'a Batch, groups: usize) -> Self {
        let sequence = |span: &'a Span, group: usize| Sequence {
            rows: span.rows.clone(),
            cached: span.cached,
            blocks: &span.blocks[group],
        };
        let of_group = |group| batch.spans.iter().map(|span| sequence(span, group)).collect();
        Self { sequences: (0..groups).map(of_group).collect(), of: (0..batch.rows.len()).collect() }
    }

    /// The wanted rows in their order, each a sequence that has everything before it there already.
    pub(super) fn wanted(batch: &'a Batch, groups: usize) -> Self {
        let of: Vec<usize> = batch.wanted.iter().map(|wanted| wanted.row).collect();
        let sequence = |at: usize, row: usize, group: usize| {
            // Spans follow one another, and every row is in one.
            let span = &batch.spans[batch.spans.partition_point(|span| span.rows.end <= row)];
            Sequence { rows: at..at + 1, cached: span.cached + row - span.rows.start, blocks: &span.blocks[group] }
        };
        let of_group = |group| of.iter().enumerate().map(|(at, &row)| sequence(at, row, group)).collect();
        Self { sequences: (0..groups).map(of_group).collect(), of }
    }

    /// These rows of x (t, e), in place of all.
    pub(super) fn take(&self, x: &mut Vec<f32>, e: usize) {
        if !self.of.iter().copied().eq(0..x.len() / e) {
            *x = self.of.iter().flat_map(|&row| &x[row * e..][..e]).copied().collect();
        }
    }
}
