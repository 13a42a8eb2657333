//! One call: the steps, on tensors.

use candle_core::{Device, Tensor};
use wick_spec::Stop;

use super::cost::HEAD_ROWS;
use super::cpu::{self, Heads};
use super::failure::Fallible;
use super::kv::{Blocks, Layer, dtype, runs};
use super::portable;
use super::rows::Rows;
use super::weights::Weights;
use super::{Candle, Kernels};
use crate::{Attention, Batch, Head, HeadNorm, Input, Linear, Mlp, Norm, NormKind, Outputs, Step, Want};

/// Cosines and sines, (t, 1, pairs) each.
type Angles = (Tensor, Tensor);

/// What the steps of one call share.
pub(super) struct Call<'a> {
    backend: &'a Candle,
    weights: &'a Weights,
    batch: &'a Batch,
    stop: &'a Stop,
    all: Rows<'a>,
    wanted: Rows<'a>,
    /// Matrix products so far.
    pub(super) matmuls: usize,
}

impl<'a> Call<'a> {
    /// A checked batch.
    pub(super) fn new(backend: &'a Candle, weights: &'a Weights, batch: &'a Batch, stop: &'a Stop) -> Fallible<Self> {
        let (all, wanted) = (Rows::all(batch, backend)?, Rows::wanted(batch, backend)?);
        Ok(Self { backend, weights, batch, stop, all, wanted, matmuls: 0 })
    }

    /// Rows of the table, and the given rows: (t, e).
    pub(super) fn embed(&self, table: &str, e: usize) -> Fallible<Tensor> {
        let table = self.weights.table(table)?;
        let mut x = vec![0.0; self.batch.rows.len() * e];
        for (row, x) in self.batch.rows.iter().zip(x.chunks_exact_mut(e)) {
            match row.input {
                Input::Token(id) => table.rows_to_f32(id as usize, x)?,
                Input::Embedding(n) => x.copy_from_slice(&self.batch.embeddings[n as usize * e..][..e]),
            }
        }
        Ok(Tensor::from_vec(x, (self.batch.rows.len(), e), &self.backend.device)?)
    }

    /// Norm of each row; x: (rows, n).
    pub(super) fn norm(&self, norm: &Norm, x: &Tensor) -> Fallible<Tensor> {
        let w = self.weights.vector(&norm.weight)?;
        match (norm.kind, self.backend.kernels) {
            (NormKind::Rms, Kernels::Tensors) => portable::norm(x, w, norm.eps),
            (NormKind::Rms, Kernels::Slices) => {
                let y = cpu::with(x, |x| cpu::with(w, |w| Ok(cpu::rms_norm(x, w, norm.eps))))?;
                Ok(Tensor::from_vec(y, x.dims(), x.device())?)
            }
        }
    }

    /// `norm(x)`, or x itself, which is then shared.
    fn normed(&self, norm: Option<&Norm>, x: &Tensor) -> Fallible<Tensor> {
        norm.map_or_else(|| Ok(x.clone()), |norm| self.norm(norm, x))
    }

    /// `x · Wᵀ + b`.
    fn linear(&mut self, linear: &Linear, x: &Tensor) -> Fallible<Tensor> {
        self.matmuls += 1;
        let y = self.weights.matrix(&linear.weight)?.forward(x, self.stop)?;
        match &linear.bias {
            Some(bias) => Ok(y.broadcast_add(self.weights.vector(bias)?)?),
            None => Ok(y),
        }
    }

    /// `x + y`; on the CPU in place of x, which nobody else has.
    fn add(&self, x: Tensor, y: &Tensor) -> Fallible<Tensor> {
        match self.backend.kernels {
            Kernels::Tensors => Ok((x + y)?),
            Kernels::Slices => {
                cpu::change_by(&x, y, cpu::add)?;
                Ok(x)
            }
        }
    }

    /// Norm and rotation of the heads in x (t, heads · d), as (t, heads, d).
    fn turned(&self, x: Tensor, norm: Option<&HeadNorm>, a: &Attention, angles: Option<Angles>) -> Fallible<Tensor> {
        let (d, (t, width)) = (a.head_dim, x.dims2()?);
        let x = match norm {
            Some(HeadNorm { norm, .. }) => self.norm(norm, &x.reshape((t * (width / d), d))?)?,
            None => x,
        };
        let x = x.reshape((t, width / d, d))?;
        let (Some(rope), Some((cos, sin))) = (&a.rope, angles) else { return Ok(x) };
        let (layout, pairs) = (rope.layout, rope.inv_freq.len());
        match self.backend.kernels {
            Kernels::Tensors => portable::rotate(&x, layout, &cos, &sin),
            Kernels::Slices => {
                cpu::with(&cos, |cos| {
                    cpu::with(&sin, |sin| cpu::change(&x, |x| cpu::rotate(x, d, layout, cos, sin, pairs)))
                })?;
                Ok(x)
            }
        }
    }

    /// `x + o(attention(norm(x)))`, x: (t, e). Keys and values of the new rows are kept first, so that rows of one span see each
    /// other. With `wanted` the result is of the wanted rows alone.
    pub(super) fn attention(&mut self, a: &Attention, blocks: &Blocks, x: Tensor, wanted: bool) -> Fallible<Tensor> {
        let (t, layer, device) = (x.dim(0)?, &blocks.layers[a.layer], &self.backend.device);
        let y = self.normed(a.norm.as_ref(), &x)?;
        let (k, v) = (self.linear(&a.k, &y)?, self.linear(&a.v, &y)?);
        let angles = a.rope.as_ref().map(|rope| self.all.angles(&rope.inv_freq, device)).transpose()?;
        let k = self.turned(k, a.k_norm.as_ref(), a, angles)?;
        self.keep(layer, &k, &v.reshape((t, a.kv_heads, a.head_dim))?)?;

        let rows = if wanted { &mut self.wanted } else { &mut self.all };
        let angles = a.rope.as_ref().map(|rope| rows.angles(&rope.inv_freq, device)).transpose()?;
        let (x, y) = (rows.of(x)?, rows.of(y)?);
        let q = self.linear(&a.q, &y)?;
        let q = self.turned(q, a.q_norm.as_ref(), a, angles)?;
        let rows = if wanted { &self.wanted } else { &self.all };
        let attended = self.attend(a, layer, &q, rows)?.reshape(((), a.heads * a.head_dim))?;
        let out = self.linear(&a.o, &attended)?;
        self.add(x, &out)
    }

    /// Writes keys and values (t, g, d) to their places.
    fn keep(&self, layer: &Layer, k: &Tensor, v: &Tensor) -> Fallible<()> {
        for (slots, new) in [(&layer.keys, k), (&layer.values, v)] {
            let new = new.to_dtype(dtype(&self.backend.device))?;
            for s in &self.all.sequences {
                for (slot, run) in runs(s.blocks, s.cached..s.cached + s.rows.len()) {
                    let rows = new.narrow(0, s.rows.start + run.start - s.cached, run.len())?;
                    slots.slice_set(&rows, 0, slot)?;
                }
            }
        }
        Ok(())
    }

    /// q (t, h, d) over each sequence's keys and values: (t, h, d).
    fn attend(&self, a: &Attention, layer: &Layer, q: &Tensor, rows: &Rows<'_>) -> Fallible<Tensor> {
        let heads = Heads { heads: a.heads, kv_heads: a.kv_heads, head_dim: a.head_dim, scale: a.scale, window: a.window };
        match self.backend.kernels {
            Kernels::Slices => {
                let mut out = vec![0.0; q.elem_count()];
                cpu::with(q, |q| {
                    cpu::with(&layer.keys, |keys| {
                        cpu::with(&layer.values, |values| {
                            cpu::attend(heads, &rows.sequences, q, (keys, values), &mut out, self.stop);
                            Ok(())
                        })
                    })
                })?;
                self.stop.check()?;
                Ok(Tensor::from_vec(out, q.dims(), q.device())?)
            }
            Kernels::Tensors => {
                let mut parts = Vec::new();
                for (sequence, gather) in rows.sequences.iter().zip(&rows.gathers) {
                    self.stop.check()?;
                    let q = q.narrow(0, sequence.rows.start, sequence.rows.len())?;
                    parts.push(portable::attend(heads, sequence, gather, &q, layer)?);
                }
                Ok(Tensor::cat(&parts, 0)?)
            }
        }
    }

    /// `x + down(act(gate(y)) * up(y))`, y = norm(x), x: (t, e).
    pub(super) fn mlp(&mut self, mlp: &Mlp, x: Tensor) -> Fallible<Tensor> {
        let y = self.normed(mlp.norm.as_ref(), &x)?;
        let (gate, up) = (self.linear(&mlp.gate, &y)?, self.linear(&mlp.up, &y)?);
        let gated = match (mlp.activation, self.backend.kernels) {
            (_, Kernels::Tensors) => portable::gate(&gate, &up)?,
            (_, Kernels::Slices) => {
                cpu::change_by(&gate, &up, cpu::gate)?;
                gate
            }
        };
        let down = self.linear(&mlp.down, &gated)?;
        self.add(x, &down)
    }

    /// The wanted rows of x (t, e), in the order they were wanted.
    pub(super) fn wanted(&self, x: Tensor) -> Fallible<Tensor> {
        self.wanted.of(x)
    }

    /// Logits and hidden states of x (wanted, e).
    pub(super) fn head(&mut self, head: &Head, x: &Tensor, outputs: &mut Outputs) -> Fallible<()> {
        let mut rows = Vec::new();
        for (at, wanted) in self.batch.wanted.iter().enumerate() {
            match wanted.want {
                Want::Logits => rows.push(at as u32),
                Want::Hidden => append(&x.narrow(0, at, 1)?, &mut outputs.hidden)?,
            }
        }
        let matmuls = self.matmuls + usize::from(!rows.is_empty());
        for rows in rows.chunks(HEAD_ROWS) {
            let x = x.index_select(&Tensor::new(rows, x.device())?, 0)?;
            append(&self.linear(&head.linear, &x)?, &mut outputs.logits)?;
        }
        // In as many pieces as there were, it is one product.
        self.matmuls = matmuls;
        Ok(())
    }
}

/// Puts the values of x at the end of `into`.
fn append(x: &Tensor, into: &mut Vec<f32>) -> Fallible<()> {
    cpu::with(&x.to_device(&Device::Cpu)?.contiguous()?, |x| {
        into.extend_from_slice(x);
        Ok(())
    })
}

/// Whether a step reads each row by itself and keeps nothing, so that it may see the wanted rows alone.
pub(super) fn by_row(step: &Step) -> bool {
    matches!(step, Step::Norm(_) | Step::Head(_))
}

/// What a step is called in messages.
pub(super) fn name(step: &Step) -> String {
    match step {
        Step::Embed(embed) => embed.weight.clone(),
        Step::Attention(a) => format!("attention of layer {}", a.layer),
        Step::Mlp(mlp) => mlp.down.weight.clone(),
        Step::Norm(norm) => norm.weight.clone(),
        Step::Head(head) => head.linear.weight.clone(),
    }
}
