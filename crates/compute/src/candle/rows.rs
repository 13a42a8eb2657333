//! Which rows a step's queries are computed for, and what it needs to know of them.

use candle_core::{Device, Tensor};

use super::cpu::Sequence;
use super::failure::Fallible;
use super::portable::Gather;
use super::{Candle, Kernels};
use crate::Batch;

/// The rotations of a call's rows for one set of frequencies: cosines and sines of (t, 1, pairs), in f32 whatever the model's
/// type is.
struct Angles {
    inv_freq: Vec<f32>,
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    fn new(inv_freq: &[f32], positions: &[u32], device: &Device) -> Fallible<Self> {
        let angles = positions.iter().flat_map(|position| inv_freq.iter().map(move |f| *position as f32 * f));
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.map(f32::sin_cos).unzip();
        let shape = (positions.len(), 1, inv_freq.len());
        Ok(Self {
            inv_freq: inv_freq.to_vec(),
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
        })
    }
}

/// Rows that queries are computed for: all of a batch, or the wanted ones.
pub(super) struct Rows<'a> {
    /// Which rows of x, when not all: in the order they were wanted.
    chosen: Option<Tensor>,
    pub(super) sequences: Vec<Sequence<'a>>,
    /// Where the sequences' keys and values are, for tensor operations only.
    pub(super) gathers: Vec<Gather>,
    positions: Vec<u32>,
    angles: Vec<Angles>,
}

impl<'a> Rows<'a> {
    /// Every row.
    pub(super) fn all(batch: &'a Batch, backend: &Candle) -> Fallible<Self> {
        let spans = batch.spans.iter();
        let sequences = spans.map(|span| Sequence { rows: span.rows.clone(), cached: span.cached, blocks: &span.blocks });
        Self::new(None, sequences.collect(), batch.rows.iter().map(|row| row.position).collect(), backend)
    }

    /// The wanted rows, each a sequence that has everything before it there already.
    pub(super) fn wanted(batch: &'a Batch, backend: &Candle) -> Fallible<Self> {
        let rows = batch.wanted.iter().map(|wanted| wanted.row);
        let sequence = |(at, row): (usize, usize)| {
            let span = batch.spans.iter().find(|span| span.rows.contains(&row))?;
            let cached = span.cached + row - span.rows.start;
            Some(Sequence { rows: at..at + 1, cached, blocks: &span.blocks })
        };
        let sequences = rows.clone().enumerate().filter_map(sequence).collect();
        let positions = rows.clone().map(|row| batch.rows[row].position).collect();
        let chosen = Tensor::new(rows.map(|row| row as u32).collect::<Vec<_>>(), &backend.device)?;
        Self::new(Some(chosen), sequences, positions, backend)
    }

    fn new(chosen: Option<Tensor>, sequences: Vec<Sequence<'a>>, positions: Vec<u32>, backend: &Candle) -> Fallible<Self> {
        let gathers = match backend.kernels {
            Kernels::Slices => Vec::new(),
            Kernels::Tensors => sequences.iter().map(|s| Gather::new(s, &backend.device)).collect::<Fallible<_>>()?,
        };
        Ok(Self { chosen, sequences, gathers, positions, angles: Vec::new() })
    }

    /// These rows of x (t, n).
    pub(super) fn of(&self, x: Tensor) -> Fallible<Tensor> {
        match &self.chosen {
            Some(rows) => Ok(x.index_select(rows, 0)?),
            None => Ok(x),
        }
    }

    /// Cosines and sines, (t, 1, pairs) each, for these frequencies; computed at their first use in the call.
    pub(super) fn angles(&mut self, inv_freq: &[f32], device: &Device) -> Fallible<(Tensor, Tensor)> {
        if let Some(found) = self.angles.iter().find(|angles| angles.inv_freq == inv_freq) {
            return Ok((found.cos.clone(), found.sin.clone()));
        }
        let angles = Angles::new(inv_freq, &self.positions, device)?;
        let both = (angles.cos.clone(), angles.sin.clone());
        self.angles.push(angles);
        Ok(both)
    }
}
