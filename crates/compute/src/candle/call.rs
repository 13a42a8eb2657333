//! One call: the steps, on tensors.

use candle_core::{Device, Tensor};
use wick_spec::Stop;

use super::cost::HEAD_ROWS;
use super::cpu::{self, Heads, Sequence};
use super::failure::Fallible;
use super::kv::{Blocks, Layer, dtype, runs};
use super::portable::{self, Gather};
use super::weights::Weights;
use super::{Candle, Kernels};
use crate::{Activation, Attention, Batch, Head, Input, Linear, Mlp, Norm, NormKind, Outputs, Rope, Step, Want};

/// The rotations of a call's rows for one set of frequencies: cosines and sines of (t, 1, pairs), in f32 whatever the model's
/// type is.
struct Angles {
    inv_freq: Vec<f32>,
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    fn new(inv_freq: &[f32], batch: &Batch, device: &Device) -> Fallible<Self> {
        let angles = batch.rows.iter().flat_map(|row| inv_freq.iter().map(move |f| row.position as f32 * f));
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.map(f32::sin_cos).unzip();
        let shape = (batch.rows.len(), 1, inv_freq.len());
        Ok(Self {
            inv_freq: inv_freq.to_vec(),
            cos: Tensor::from_vec(cos, shape, device)?,
            sin: Tensor::from_vec(sin, shape, device)?,
        })
    }
}

/// What the steps of one call share.
pub(super) struct Call<'a> {
    backend: &'a Candle,
    weights: &'a Weights,
    batch: &'a Batch,
    stop: &'a Stop,
    sequences: Vec<Sequence<'a>>,
    gathers: Vec<Gather>,
    angles: Vec<Angles>,
    /// Matrix products so far.
    pub(super) matmuls: usize,
}

impl<'a> Call<'a> {
    /// A checked batch.
    pub(super) fn new(backend: &'a Candle, weights: &'a Weights, batch: &'a Batch, stop: &'a Stop) -> Fallible<Self> {
        let spans = batch.spans.iter();
        let sequences: Vec<_> =
            spans.map(|span| Sequence { rows: span.rows.clone(), cached: span.cached, blocks: &span.blocks }).collect();
        let gathers = match backend.kernels {
            Kernels::Slices => Vec::new(),
            Kernels::Tensors => sequences.iter().map(|s| Gather::new(s, &backend.device)).collect::<Fallible<_>>()?,
        };
        Ok(Self { backend, weights, batch, stop, sequences, gathers, angles: Vec::new(), matmuls: 0 })
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
    fn turned(&mut self, x: Tensor, norm: Option<&Norm>, rope: &Rope, d: usize) -> Fallible<Tensor> {
        let (t, width) = x.dims2()?;
        let (each, heads) = ((t * (width / d), d), (t, width / d, d));
        let x = match norm {
            Some(norm) => self.norm(norm, &x.reshape(each)?)?,
            None => x,
        };
        let x = x.reshape(heads)?;
        let kernels = self.backend.kernels;
        let angles = self.angles(&rope.inv_freq)?;
        match kernels {
            Kernels::Tensors => portable::rotate(&x, rope.layout, &angles.cos, &angles.sin),
            Kernels::Slices => {
                cpu::with(&angles.cos, |cos| {
                    cpu::with(&angles.sin, |sin| {
                        cpu::change(&x, |x| cpu::rotate(x, d, rope.layout, cos, sin, rope.inv_freq.len()))
                    })
                })?;
                Ok(x)
            }
        }
    }

    /// The angles for these frequencies, computed at their first use in the call.
    fn angles(&mut self, inv_freq: &[f32]) -> Fallible<&Angles> {
        let at = match self.angles.iter().position(|angles| angles.inv_freq == inv_freq) {
            Some(at) => at,
            None => {
                self.angles.push(Angles::new(inv_freq, self.batch, &self.backend.device)?);
                self.angles.len() - 1
            }
        };
        Ok(&self.angles[at])
    }

    /// `x + o(attention(norm(x)))`, x: (t, e). Keys and values of the new rows are kept first, so that rows of one span see each
    /// other.
    pub(super) fn attention(&mut self, a: &Attention, blocks: &Blocks, x: Tensor) -> Fallible<Tensor> {
        let (t, d, layer) = (x.dim(0)?, a.head_dim, &blocks.layers[a.layer]);
        let y = self.norm(&a.norm, &x)?;
        let (q, k, v) = (self.linear(&a.q, &y)?, self.linear(&a.k, &y)?, self.linear(&a.v, &y)?);
        let q = self.turned(q, a.q_norm.as_ref(), &a.rope, d)?;
        let k = self.turned(k, a.k_norm.as_ref(), &a.rope, d)?;
        self.keep(layer, &k, &v.reshape((t, a.kv_heads, d))?)?;
        let attended = self.attend(a, layer, &q)?.reshape((t, a.heads * d))?;
        let out = self.linear(&a.o, &attended)?;
        self.add(x, &out)
    }

    /// Writes keys and values (t, g, d) to their places.
    fn keep(&self, layer: &Layer, k: &Tensor, v: &Tensor) -> Fallible<()> {
        for (slots, new) in [(&layer.keys, k), (&layer.values, v)] {
            let new = new.to_dtype(dtype(&self.backend.device))?;
            for s in &self.sequences {
                for (slot, run) in runs(s.blocks, s.cached..s.cached + s.rows.len()) {
                    let rows = new.narrow(0, s.rows.start + run.start - s.cached, run.len())?;
                    slots.slice_set(&rows, 0, slot)?;
                }
            }
        }
        Ok(())
    }

    /// q (t, h, d) over each sequence's keys and values: (t, h, d).
    fn attend(&self, a: &Attention, layer: &Layer, q: &Tensor) -> Fallible<Tensor> {
        let heads =
            Heads { heads: a.heads, kv_heads: a.kv_heads, head_dim: a.head_dim, scale: a.scale, window: a.window };
        match self.backend.kernels {
            Kernels::Slices => {
                let mut out = vec![0.0; q.elem_count()];
                cpu::with(q, |q| {
                    cpu::with(&layer.keys, |keys| {
                        cpu::with(&layer.values, |values| {
                            cpu::attend(heads, &self.sequences, q, (keys, values), &mut out, self.stop);
                            Ok(())
                        })
                    })
                })?;
                self.stop.check()?;
                Ok(Tensor::from_vec(out, q.dims(), q.device())?)
            }
            Kernels::Tensors => {
                let mut parts = Vec::new();
                for (sequence, gather) in self.sequences.iter().zip(&self.gathers) {
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
        let y = self.norm(&mlp.norm, &x)?;
        let (gate, up) = (self.linear(&mlp.gate, &y)?, self.linear(&mlp.up, &y)?);
        let gated = match (mlp.activation, self.backend.kernels) {
            (Activation::Silu, Kernels::Tensors) => portable::gate(&gate, &up)?,
            (Activation::Silu, Kernels::Slices) => {
                cpu::change_by(&gate, &up, cpu::gate)?;
                gate
            }
        };
        let down = self.linear(&mlp.down, &gated)?;
        self.add(x, &down)
    }

    /// The wanted rows of x (t, e), in the order they were wanted.
    pub(super) fn wanted(&self, x: &Tensor) -> Fallible<Tensor> {
        let rows: Vec<u32> = self.batch.wanted.iter().map(|wanted| wanted.row as u32).collect();
        Ok(x.index_select(&Tensor::new(rows, x.device())?, 0)?)
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
        Step::Mlp(mlp) => mlp.norm.weight.clone(),
        Step::Norm(norm) => norm.weight.clone(),
        Step::Head(head) => head.linear.weight.clone(),
    }
}
