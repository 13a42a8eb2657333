//! A plan run with small operations, step by step.

use std::collections::HashMap;

use wick_spec::{Error, Result, Stop};
use wick_weights::{Tensor, Tensors};

use super::activation::gated;
use super::attention::{attend, visible};
use super::embed::embed;
use super::linear::linear;
use super::norm::rms_norm;
use super::rope::rotate;
use super::softcap::softcap;
use super::state::Blocks;
use crate::check::{Limits, Use, Weight, check_batch};
use crate::{Attention, Batch, Head, Linear, Mlp, Norm, NormKind, Outputs, Plan, Program, Span, State, Step, Want};

/// Rows computed between two looks at the stop flag.
const TILE: usize = 32;

/// A plan's weights by name.
#[derive(Debug, Default)]
pub(crate) struct Weights {
    /// Matrices and vectors, row-major.
    decoded: HashMap<String, Vec<f32>>,
    /// Embedding tables, in the file's layout.
    tables: HashMap<String, Tensor>,
}

impl Weights {
    /// Loads one weight; a name that is there already is not read again.
    pub(crate) fn add(&mut self, weight: &Weight<'_>, tensors: &dyn Tensors) -> Result<()> {
        let name = weight.name;
        match weight.used {
            Use::Table => {
                self.tables.insert(name.to_owned(), tensors.tensor(name)?);
            }
            Use::Matrix | Use::Vector if !self.decoded.contains_key(name) => {
                self.decoded.insert(name.to_owned(), tensors.tensor(name)?.to_f32()?);
            }
            Use::Matrix | Use::Vector => {}
        }
        Ok(())
    }

    fn get(&self, name: &str) -> Result<&[f32]> {
        self.decoded.get(name).map(Vec::as_slice).ok_or_else(|| Error::internal(format!("weight {name:?} was not prepared")))
    }

    fn table(&self, name: &str) -> Result<&Tensor> {
        self.tables.get(name).ok_or_else(|| Error::internal(format!("table {name:?} was not prepared")))
    }

    /// Norm of each row in place; `x`: (rows, n) with n the length of the norm's weight.
    fn norm(&self, norm: &Norm, x: &mut [f32]) -> Result<()> {
        match norm.kind {
            NormKind::Rms => rms_norm(x, self.get(&norm.weight)?, norm.eps, norm.offset),
        }
        Ok(())
    }
}

/// One call: what its steps read, and what they count.
struct Call<'a> {
    weights: &'a Weights,
    batch: &'a Batch,
    stop: &'a Stop,
    matmuls: usize,
}

impl Call<'_> {
    /// `x · Wᵀ + b`: (t, n) to (t, m), in tiles of rows.
    fn linear(&mut self, step: &Linear, x: &[f32], n: usize) -> Result<Vec<f32>> {
        let (mut w, mut bias) = (self.weights.get(&step.weight)?, None);
        if let Some(name) = &step.bias {
            bias = Some(self.weights.get(name)?);
        }
        if let Some(rows) = &step.rows {
            w = &w[rows.start * n..rows.end * n];
            bias = bias.map(|bias| &bias[rows.clone()]);
        }
        let m = w.len() / n;
        let mut y = vec![0.0; x.len() / n * m];
        for (x, y) in x.chunks(TILE * n).zip(y.chunks_mut(TILE * m)) {
            self.stop.check()?;
            linear(x, w, bias, n, y);
        }
        self.matmuls += 1;
        Ok(y)
    }

    /// `norm(x)`: (t, e).
    fn normed(&self, norm: Option<&Norm>, x: &[f32]) -> Result<Vec<f32>> {
        let mut y = x.to_vec();
        if let Some(norm) = norm {
            self.weights.norm(norm, &mut y)?;
        }
        Ok(y)
    }

    /// `x += residual · post_norm(y)`, x, y: (t, e).
    fn add(&self, x: &mut [f32], y: &[f32], post_norm: Option<&Norm>, residual: f32) -> Result<()> {
        for (x, y) in x.iter_mut().zip(self.normed(post_norm, y)?) {
            *x += y * residual;
        }
        Ok(())
    }

    /// `x += residual · post_norm(o(attention(norm(x))))`, x: (t, e). Keys and values of the new rows are kept first, so that rows of one span see
    /// each other.
    fn attention(&mut self, a: &Attention, blocks: &mut Blocks, x: &mut [f32], e: usize) -> Result<()> {
        let y = self.normed(a.norm.as_ref(), x)?;
        let (mut q, mut k, v) = (self.linear(&a.q, &y, e)?, self.linear(&a.k, &y, e)?, self.linear(&a.v, &y, e)?);
        // The length of the norm's weight says what a mean is taken over.
        for (norm, x) in [(&a.q_norm, &mut q), (&a.k_norm, &mut k)] {
            norm.iter().try_for_each(|norm| self.weights.norm(&norm.norm, x))?;
        }
        let (queries, width) = (a.heads * a.head_dim, a.kv_heads * a.head_dim);
        for (span, i, _) in tokens(&self.batch.spans) {
            let (q, k) = (&mut q[i * queries..][..queries], &mut k[i * width..][..width]);
            let position = self.batch.rows[i].position;
            if let Some(rope) = &a.rope {
                rotate(q, a.head_dim, rope, position, span.long);
                rotate(k, a.head_dim, rope, position, span.long);
            }
            if let Some(growth) = a.growth {
                q.iter_mut().for_each(|q| *q *= growth.factor(position));
            }
        }
        let layer = &mut blocks.layers[a.layer];
        for (span, i, n) in tokens(&self.batch.spans) {
            layer.write(&span.blocks[layer.group], n, &k[i * width..][..width], &v[i * width..][..width]);
        }
        let mut attended = vec![0.0; q.len()];
        for (span, i, n) in tokens(&self.batch.spans) {
            if i % TILE == 0 {
                self.stop.check()?;
            }
            let (q, out) = (&q[i * queries..][..queries], &mut attended[i * queries..][..queries]);
            attend(a, q, layer, &span.blocks[layer.group], visible(n, a.window), out);
        }
        let out = self.linear(&a.o, &attended, queries)?;
        self.add(x, &out, a.post_norm.as_ref(), a.residual)
    }

    /// `x += residual · post_norm(down(act(gate(y)) * up(y)))`, y = norm(x), x: (t, e).
    fn mlp(&mut self, mlp: &Mlp, x: &mut [f32], e: usize) -> Result<()> {
        let y = self.normed(mlp.norm.as_ref(), x)?;
        let mut gate = self.linear(&mlp.gate, &y, e)?;
        let up = self.linear(&mlp.up, &y, e)?;
        gated(&mut gate, &up, mlp.activation);
        let f = gate.len() / self.batch.rows.len();
        let out = self.linear(&mlp.down, &gate, f)?;
        self.add(x, &out, mlp.post_norm.as_ref(), mlp.residual)
    }

    /// Logits and hidden states of the wanted rows of x (t, e), and of no others.
    fn head(&mut self, head: &Head, x: &[f32], e: usize, outputs: &mut Outputs) -> Result<()> {
        let mut rows = Vec::new();
        for wanted in &self.batch.wanted {
            let into = match wanted.want {
                Want::Logits => &mut rows,
                Want::Hidden => &mut outputs.hidden,
            };
            into.extend_from_slice(&x[wanted.row * e..][..e]);
        }
        if !rows.is_empty() {
            outputs.logits = self.linear(&head.linear, &rows, e)?;
            outputs.logits.iter_mut().for_each(|x| *x *= head.scale);
            if let Some(cap) = head.softcap {
                softcap(&mut outputs.logits, cap);
            }
        }
        Ok(())
    }
}

/// Every token of the batch: its span, its row, and its number in its sequence.
fn tokens(spans: &[Span]) -> impl Iterator<Item = (&Span, usize, usize)> {
    spans.iter().flat_map(|span| span.rows.clone().enumerate().map(move |(i, row)| (span, row, span.cached + i)))
}

/// The program: the plan, its weights, the keys and values.
pub(crate) struct Work {
    pub(crate) plan: Plan,
    pub(crate) weights: Weights,
    pub(crate) blocks: Blocks,
}

impl Program for Work {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        outputs.logits.clear();
        outputs.hidden.clear();
        outputs.matmuls = 0;
        let Some(Step::Embed(first)) = self.plan.steps.first() else {
            return Err(Error::internal("a plan without an embedding was prepared"));
        };
        let (e, scale, table) = (self.plan.hidden, first.scale, self.weights.table(&first.weight)?);
        let ids = table.info().shape.first().copied().unwrap_or(0);
        check_batch(batch, Limits { ids, hidden: e, state: &self.blocks })?;
        if batch.rows.is_empty() {
            return Ok(());
        }
        let mut x = vec![0.0; batch.rows.len() * e];
        let mut call = Call { weights: &self.weights, batch, stop, matmuls: 0 };
        for step in &self.plan.steps {
            stop.check()?;
            match step {
                Step::Embed(_) => embed(batch, table, scale, e, &mut x)?,
                Step::Attention(attention) => call.attention(attention, &mut self.blocks, &mut x, e)?,
                Step::Mlp(mlp) => call.mlp(mlp, &mut x, e)?,
                Step::Norm(norm) => call.weights.norm(norm, &mut x)?,
                Step::Head(head) => call.head(head, &x, e, outputs)?,
            }
        }
        outputs.matmuls = call.matmuls;
        Ok(())
    }

    fn state(&mut self) -> &mut dyn State {
        &mut self.blocks
    }
}
