//! One call: the steps, on tensors; attention has a file of its own.

use candle_core::{Device, Tensor};
use wick_spec::Stop;

use super::cost::HEAD_ROWS;
use super::cpu;
use super::failure::Fallible;
use super::portable;
use super::rows::Rows;
use super::weights::Weights;
use super::{Candle, Kernels};
use crate::{Batch, Embed, Group, Head, Input, Linear, Mlp, Norm, NormKind, Outputs, Step, Want};

/// What the steps of one call share.
pub(super) struct Call<'a> {
    pub(super) backend: &'a Candle,
    weights: &'a Weights,
    batch: &'a Batch,
    pub(super) stop: &'a Stop,
    pub(super) all: Rows<'a>,
    pub(super) wanted: Rows<'a>,
    /// Matrix products so far.
    pub(super) matmuls: usize,
}

impl<'a> Call<'a> {
    /// A checked batch.
    pub(super) fn new(
        backend: &'a Candle,
        weights: &'a Weights,
        groups: &[Group],
        batch: &'a Batch,
        stop: &'a Stop,
    ) -> Fallible<Self> {
        let (all, wanted) = (Rows::all(batch, groups, backend)?, Rows::wanted(batch, groups, backend)?);
        Ok(Self { backend, weights, batch, stop, all, wanted, matmuls: 0 })
    }

    /// Rows of the table, scaled, and the given rows: (t, e).
    pub(super) fn embed(&self, embed: &Embed, e: usize) -> Fallible<Tensor> {
        let table = self.weights.table(&embed.weight)?;
        let mut x = vec![0.0; self.batch.rows.len() * e];
        for (row, x) in self.batch.rows.iter().zip(x.chunks_exact_mut(e)) {
            match row.input {
                Input::Token(id) => {
                    table.rows_to_f32(id as usize, x)?;
                    if embed.scale != 1.0 {
                        x.iter_mut().for_each(|x| *x *= embed.scale);
                    }
                }
                Input::Embedding(n) => x.copy_from_slice(&self.batch.embeddings[n as usize * e..][..e]),
            }
        }
        Ok(Tensor::from_vec(x, (self.batch.rows.len(), e), &self.backend.device)?)
    }

    /// Norm of each row; x: (…, n).
    pub(super) fn norm(&self, norm: &Norm, x: &Tensor) -> Fallible<Tensor> {
        let w = self.weights.norm(norm)?;
        match (norm.kind, self.backend.kernels) {
            (NormKind::Rms, Kernels::Tensors) => portable::norm(x, w, norm.eps),
            (NormKind::Rms, Kernels::Slices) => {
                let y = cpu::with(x, |x| cpu::with(w, |w| Ok(cpu::rms_norm(x, w, norm.eps))))?;
                Ok(Tensor::from_vec(y, x.dims(), x.device())?)
            }
        }
    }

    /// `norm(x)`, or x itself, which is then shared.
    pub(super) fn normed(&self, norm: Option<&Norm>, x: &Tensor) -> Fallible<Tensor> {
        norm.map_or_else(|| Ok(x.clone()), |norm| self.norm(norm, x))
    }

    /// `x · Wᵀ + b`.
    pub(super) fn linear(&mut self, linear: &Linear, x: &Tensor) -> Fallible<Tensor> {
        self.matmuls += 1;
        let y = self.weights.matrix(linear)?.forward(x, self.stop)?;
        match self.weights.bias(linear)? {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }

    /// `x + residual · post_norm(y)`; on the CPU in place of x, which nobody else reads any more.
    pub(super) fn add(&self, x: Tensor, y: &Tensor, post_norm: Option<&Norm>, residual: f32) -> Fallible<Tensor> {
        let y = self.normed(post_norm, y)?;
        match self.backend.kernels {
            Kernels::Tensors if residual == 1.0 => Ok((x + y)?),
            Kernels::Tensors => Ok((x + (y * f64::from(residual))?)?),
            Kernels::Slices => {
                cpu::change_by(&x, &y, |x, y| cpu::add(x, y, residual))?;
                Ok(x)
            }
        }
    }

    /// `x + residual · post_norm(down(act(gate(y)) * up(y)))`, y = norm(x), x: (t, e).
    pub(super) fn mlp(&mut self, mlp: &Mlp, x: Tensor) -> Fallible<Tensor> {
        let y = self.normed(mlp.norm.as_ref(), &x)?;
        let (gate, up) = (self.linear(&mlp.gate, &y)?, self.linear(&mlp.up, &y)?);
        let gated = match self.backend.kernels {
            Kernels::Tensors => portable::gate(&gate, &up, mlp.activation)?,
            Kernels::Slices => {
                cpu::change_by(&gate, &up, |gate, up| cpu::gate(gate, up, mlp.activation))?;
                gate
            }
        };
        let down = self.linear(&mlp.down, &gated)?;
        self.add(x, &down, mlp.post_norm.as_ref(), mlp.residual)
    }

    /// The wanted rows of x (t, e), in the order they were wanted.
    pub(super) fn wanted(&self, x: Tensor) -> Fallible<Tensor> {
        self.wanted.of(x)
    }

    /// Logits and hidden states of x (wanted, e). Logits are scaled and capped where they end up, which is no device's memory.
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
        cpu::scale(&mut outputs.logits, head.scale);
        head.softcap.iter().for_each(|&cap| cpu::softcap(&mut outputs.logits, cap));
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
