//! Which rows a step is computed for.

use wick_kernels::attention::Sequence;

use crate::Batch;

/// All rows of a batch, or the wanted ones.
pub(super) struct Rows<'a> {
    pub(super) sequences: Vec<Sequence<'a>>,
    /// Of each row, which row of the batch it is.
    pub(super) of: Vec<usize>,
}

impl<'a> Rows<'a> {
    /// Every row.
    pub(super) fn all(batch: &'a Batch) -> Self {
        let spans = batch.spans.iter();
        let sequences = spans.map(|span| Sequence { rows: span.rows.clone(), cached: span.cached, blocks: &span.blocks });
        Self { sequences: sequences.collect(), of: (0..batch.rows.len()).collect() }
    }

    /// The wanted rows in their order, each a sequence that has everything before it there already.
    pub(super) fn wanted(batch: &'a Batch) -> Self {
        let of: Vec<usize> = batch.wanted.iter().map(|wanted| wanted.row).collect();
        let sequence = |(at, &row): (usize, &usize)| {
            // Spans follow one another, and every row is in one.
            let span = &batch.spans[batch.spans.partition_point(|span| span.rows.end <= row)];
            Sequence { rows: at..at + 1, cached: span.cached + row - span.rows.start, blocks: &span.blocks }
        };
        Self { sequences: of.iter().enumerate().map(sequence).collect(), of }
    }

    /// These rows of x (t, e), in place of all.
    pub(super) fn take(&self, x: &mut Vec<f32>, e: usize) {
        if !self.of.iter().copied().eq(0..x.len() / e) {
            *x = self.of.iter().flat_map(|&row| &x[row * e..][..e]).copied().collect();
        }
    }
}
