//! The attention step, on tensors.

use candle_core::{DType, Tensor};

use super::Kernels;
use super::call::Call;
use super::cpu::{self, Heads};
use super::failure::Fallible;
use super::kv::{Blocks, Layer, runs};
use super::portable;
use super::rows::{Angles, Rows};
use crate::{Attention, HeadNorm, NormOver, QueryGrowth};

impl Call<'_> {
    /// `x + residual · post_norm(o(attention(norm(x))))`, x: (t, e). Keys and values of the new rows are kept first, so that rows
    /// of one span see each other. With `wanted` the result is of the wanted rows alone.
    pub(super) fn attention(&mut self, a: &Attention, blocks: &Blocks, x: Tensor, wanted: bool) -> Fallible<Tensor> {
        let (t, layer, device) = (x.dim(0)?, &blocks.layers[a.layer], &self.backend.device);
        let y = self.normed(a.norm.as_ref(), &x)?;
        let (k, v) = (self.linear(&a.k, &y)?, self.linear(&a.v, &y)?);
        let angles = a.rope.as_ref().map(|rope| self.all.angles(rope, device)).transpose()?;
        let k = self.turned(k, a.k_norm.as_ref(), a, angles)?;
        self.keep(layer, blocks.dtype(), &k, &v.reshape((t, a.kv_heads, a.head_dim))?)?;

        let rows = if wanted { &mut self.wanted } else { &mut self.all };
        let angles = a.rope.as_ref().map(|rope| rows.angles(rope, device)).transpose()?;
        let (x, y) = (rows.of(x)?, rows.of(y)?);
        let q = self.linear(&a.q, &y)?;
        let q = self.turned(q, a.q_norm.as_ref(), a, angles)?;
        let rows = if wanted { &self.wanted } else { &self.all };
        let q = a.growth.map_or_else(|| Ok(q.clone()), |growth| self.grown(&q, growth, rows))?;
        let attended = self.attend(a, layer, &q, rows)?.reshape(((), a.heads * a.head_dim))?;
        let out = self.linear(&a.o, &attended)?;
        self.add(x, &out, a.post_norm.as_ref(), a.residual)
    }

    /// Norm and rotation of the heads in x (t, heads · d), as (t, heads, d).
    fn turned(&self, x: Tensor, norm: Option<&HeadNorm>, a: &Attention, angles: Option<Angles>) -> Fallible<Tensor> {
        let (d, (t, width)) = (a.head_dim, x.dims2()?);
        let heads = (t, width / d, d);
        let x = match norm {
            Some(HeadNorm { norm, over: NormOver::Head }) => self.norm(norm, &x.reshape(heads)?)?,
            Some(HeadNorm { norm, over: NormOver::Row }) => self.norm(norm, &x)?.reshape(heads)?,
            None => x.reshape(heads)?,
        };
        let (Some(rope), Some(Angles { cos, sin })) = (&a.rope, angles) else { return Ok(x) };
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

    /// q (t, h, d), each row by its factor.
    fn grown(&self, q: &Tensor, growth: QueryGrowth, rows: &Rows<'_>) -> Fallible<Tensor> {
        let factors: Vec<f32> = rows.positions.iter().map(|&position| growth.factor(position)).collect();
        if factors.iter().all(|&factor| factor == 1.0) {
            return Ok(q.clone());
        }
        Ok(q.broadcast_mul(&Tensor::from_vec(factors, (q.dim(0)?, 1, 1), q.device())?)?)
    }

    /// Writes keys and values (t, g, d) to their places.
    fn keep(&self, layer: &Layer, dtype: DType, k: &Tensor, v: &Tensor) -> Fallible<()> {
        for (slots, new) in [(&layer.keys, k), (&layer.values, v)] {
            let new = new.to_dtype(dtype)?;
            for s in &self.all.sequences[layer.group] {
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
        let Attention { heads, kv_heads, head_dim, scale, softcap, window, .. } = *a;
        let heads = Heads { heads, kv_heads, head_dim, scale, softcap, window };
        match self.backend.kernels {
            Kernels::Slices => {
                let mut out = vec![0.0; q.elem_count()];
                cpu::with(q, |q| {
                    cpu::with(&layer.keys, |keys| {
                        cpu::with(&layer.values, |values| {
                            cpu::attend(heads, &rows.sequences[layer.group], q, (keys, values), &mut out, self.stop);
                            Ok(())
                        })
                    })
                })?;
                self.stop.check()?;
                Ok(Tensor::from_vec(out, q.dims(), q.device())?)
            }
            Kernels::Tensors => {
                let mut parts = Vec::new();
                for (sequence, gather) in rows.sequences[layer.group].iter().zip(&rows.gathers[layer.group]) {
                    self.stop.check()?;
                    let q = q.narrow(0, sequence.rows.start, sequence.rows.len())?;
                    parts.push(portable::attend(heads, sequence, gather, &q, layer)?);
                }
                Ok(Tensor::cat(&parts, 0)?)
            }
        }
    }
}
