//! Which rows a step's queries are computed for, and what it needs to know of them.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::cpu::Sequence;
use super::failure::Fallible;
use super::portable::Gather;
use super::{Candle, Kernels};
use crate::{Batch, Group, Rope, Span};

/// The rotations of a call's rows for one rope: (t, 1, pairs), in f32 whatever the model's type is.
#[derive(Debug, Clone)]
pub(super) struct Angles {
    /// Cosines, times the rope's magnitude.
    pub(super) cos: Tensor,
    /// Sines, likewise.
    pub(super) sin: Tensor,
}

impl Angles {
    fn new(rope: &Rope, rows: impl ExactSizeIterator<Item = (u32, bool)>, device: &Device) -> Fallible<Self> {
        let (shape, magnitude) = ((rows.len(), 1, rope.inv_freq.len()), rope.magnitude);
        let turn = |(position, long)| rope.inv_freq_of(position, long).iter().map(move |f| (position as f32 * f).sin_cos());
        let (sin, cos): (Vec<f32>, Vec<f32>) =
            rows.flat_map(turn).map(|(sin, cos)| (sin * magnitude, cos * magnitude)).unzip();
        Ok(Self { cos: Tensor::from_vec(cos, shape, device)?, sin: Tensor::from_vec(sin, shape, device)? })
    }
}

/// Rows that queries are computed for: all of a batch, or the wanted ones.
pub(super) struct Rows<'a> {
    /// Which rows of x, when not all: in the order they were wanted.
    chosen: Option<Tensor>,
    /// Of each group of layers.
    pub(super) sequences: Vec<Vec<Sequence<'a>>>,
    /// Where the sequences' keys and values are, group by group, for tensor operations only.
    pub(super) gathers: Vec<Vec<Gather>>,
    /// Of each row.
    pub(super) positions: Vec<u32>,
    /// Of each row: its span's.
    long: Vec<bool>,
    angles: Vec<(Rope, Angles)>,
}

impl<'a> Rows<'a> {
    /// Every row.
    pub(super) fn all(batch: &'a Batch, groups: &[Group], backend: &Candle) -> Fallible<Self> {
        let places = batch.spans.iter().map(|span| (span.rows.clone(), span.cached, span));
        let long = batch.spans.iter().flat_map(|span| span.rows.clone().map(|_| span.long)).collect();
        let positions = batch.rows.iter().map(|row| row.position).collect();
        Self::new(None, places.collect(), positions, long, groups, backend)
    }

    /// The wanted rows, each a sequence that has everything before it there already.
    pub(super) fn wanted(batch: &'a Batch, groups: &[Group], backend: &Candle) -> Fallible<Self> {
        let rows = batch.wanted.iter().map(|wanted| wanted.row);
        let sequence = |(at, row): (usize, usize)| {
            let span = batch.spans.iter().find(|span| span.rows.contains(&row))?;
            let cached = span.cached + row - span.rows.start;
            Some(((at..at + 1, cached, span), span.long))
        };
        let (places, long) = rows.clone().enumerate().filter_map(sequence).unzip();
        let positions = rows.clone().map(|row| batch.rows[row].position).collect();
        let chosen = Tensor::new(rows.map(|row| row as u32).collect::<Vec<_>>(), &backend.device)?;
        Self::new(Some(chosen), places, positions, long, groups, backend)
    }

    /// `places`: rows, tokens before them, and whose they are.
    fn new(
        chosen: Option<Tensor>,
        places: Vec<(Range<usize>, usize, &'a Span)>,
        positions: Vec<u32>,
        long: Vec<bool>,
        groups: &[Group],
        backend: &Candle,
    ) -> Fallible<Self> {
        let (mut sequences, mut gathers) = (Vec::new(), Vec::new());
        for (which, group) in groups.iter().enumerate() {
            let sequence = |(rows, cached, span): &(Range<usize>, usize, &'a Span)| Sequence {
                rows: rows.clone(),
                cached: *cached,
                blocks: &span.blocks[which],
            };
            let own: Vec<Sequence<'a>> = places.iter().map(sequence).collect();
            if backend.kernels == Kernels::Tensors {
                let gather = |s: &Sequence<'_>| Gather::new(s, group.first_seen(s.cached), &backend.device);
                gathers.push(own.iter().map(gather).collect::<Fallible<_>>()?);
            }
            sequences.push(own);
        }
        Ok(Self { chosen, sequences, gathers, positions, long, angles: Vec::new() })
    }

    /// These rows of x (t, n).
    pub(super) fn of(&self, x: Tensor) -> Fallible<Tensor> {
        match &self.chosen {
            Some(rows) => Ok(x.index_select(rows, 0)?),
            None => Ok(x),
        }
    }

    /// The rows' rotations, computed at their first use in the call.
    pub(super) fn angles(&mut self, rope: &Rope, device: &Device) -> Fallible<Angles> {
        if let Some((_, found)) = self.angles.iter().find(|(known, _)| known == rope) {
            return Ok(found.clone());
        }
        let rows = self.positions.iter().copied().zip(self.long.iter().copied());
        let angles = Angles::new(rope, rows, device)?;
        self.angles.push((rope.clone(), angles.clone()));
        Ok(angles)
    }
}
