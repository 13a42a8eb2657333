//! The rotations of a call's rows.

use crate::{Batch, Rope};

/// Cosines and sines of all rows for one rope, times its magnitude: (t, pairs) each.
#[derive(Debug, Default)]
pub(super) struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    pairs: usize,
}

impl Angles {
    /// Computes them for a batch.
    pub(super) fn set(&mut self, rope: &Rope, batch: &Batch) {
        self.pairs = rope.inv_freq.len();
        self.cos.clear();
        self.sin.clear();
        for span in &batch.spans {
            for row in &batch.rows[span.rows.clone()] {
                for frequency in rope.inv_freq_of(row.position, span.long) {
                    let (sin, cos) = (row.position as f32 * frequency).sin_cos();
                    self.cos.push(cos * rope.magnitude);
                    self.sin.push(sin * rope.magnitude);
                }
            }
        }
    }

    /// Of row r of the batch: cosines and sines.
    pub(super) fn of(&self, r: usize) -> (&[f32], &[f32]) {
        (&self.cos[r * self.pairs..][..self.pairs], &self.sin[r * self.pairs..][..self.pairs])
    }
}
