//! The attention step.

use wick_kernels::attention::{AttentionScratch, Cache, Heads, KvLayout, KvType, attend, write};
use wick_kernels::{Isa, Pool, rows as row};
use wick_spec::Result;

use super::call::Call;
use super::inputs::Inputs;
use super::kv::{Blocks, layout};
use super::linear::Linear;
use super::rotation::Angles;
use super::rows::Rows;
use super::weights::{Loader, Scale};
use crate::pool::Shared;
use crate::{BLOCK, Batch, QueryGrowth, RopeLayout};

/// An attention step with its weights.
#[derive(Debug)]
pub(super) struct Attention {
    norm: Option<Scale>,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    q_norm: Option<Scale>,
    k_norm: Option<Scale>,
    post_norm: Option<Scale>,
    heads: Heads,
    /// How pairs lie, and which of the call's rotations it is.
    rope: Option<(RopeLayout, usize)>,
    growth: Option<QueryGrowth>,
    residual: f32,
    /// How its keys and values lie, and where.
    layout: KvLayout,
    place: Place,
}

/// Where a layer's keys and values are: of its group's blocks, and how many bytes into each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) group: usize,
    pub(super) offset: usize,
}

/// What attention steps compute in, kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// (t, h·d), (t, g·d), (t, g·d)
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// (t, h·d)
    attended: Vec<f32>,
    /// (t, e), where the result has a norm of its own.
    out: Vec<f32>,
    scratch: AttentionScratch,
}

/// What a step reads of its call beside x.
pub(super) struct Context<'a> {
    pub(super) batch: &'a Batch,
    pub(super) blocks: &'a Blocks,
    pub(super) angles: &'a [Angles],
    pub(super) all: &'a Rows<'a>,
    /// The rows that the result is of, where they are not all.
    pub(super) wanted: Option<&'a Rows<'a>>,
}

impl Attention {
    /// With its keys and values at their place, and rotation `rope` of the call's.
    pub(super) fn load(
        a: &crate::Attention,
        loader: &mut Loader<'_>,
        e: usize,
        kv: KvType,
        place: Place,
        rope: Option<usize>,
    ) -> Result<Self> {
        let crate::Attention { heads, kv_heads, head_dim, scale, softcap, window, .. } = *a;
        Ok(Self {
            norm: loader.norm_if(a.norm.as_ref())?,
            q: loader.linear(&a.q, e)?,
            k: loader.linear(&a.k, e)?,
            v: loader.linear(&a.v, e)?,
            q_norm: loader.head_norm(a.q_norm.as_ref())?,
            k_norm: loader.head_norm(a.k_norm.as_ref())?,
            o: loader.linear(&a.o, heads * head_dim)?,
            post_norm: loader.norm_if(a.post_norm.as_ref())?,
            heads: Heads { heads, kv_heads, head_dim, scale, softcap, window },
            rope: a.rope.as_ref().map(|rope| rope.layout).zip(rope),
            growth: a.growth,
            residual: a.residual,
            layout: layout(kv, a),
            place,
        })
    }

    /// `x += residual · post_norm(o(attention(norm(x))))`, x: (t, e). Keys and values of all rows are kept first, so that rows of
    /// one span see each other. Where only some rows are wanted, x is these rows afterwards.
    pub(super) fn run(
        &self,
        call: &mut Call<'_>,
        context: &Context<'_>,
        inputs: &mut Inputs,
        b: &mut Buffers,
        x: &mut Vec<f32>,
        e: usize,
    ) -> Result<()> {
        let Place { group, offset } = self.place;
        // SAFETY: slabs hold a layer's part of this layout from its offset on, and only this call touches them.
        let cache = unsafe { Cache::new(context.blocks.slabs(group), offset, self.layout) };
        let rows = context.wanted.unwrap_or(context.all);
        let t = context.all.of.len();
        b.k.resize(t * self.k.matrix.n, 0.0);
        b.v.resize(t * self.v.matrix.n, 0.0);
        b.q.resize(rows.of.len() * self.q.matrix.n, 0.0);
        if context.wanted.is_none() {
            inputs.set(call, x, e, self.norm.as_ref(), &[&self.q, &self.k, &self.v])?;
            self.project(call, inputs, &mut [(&self.q, &mut b.q), (&self.k, &mut b.k), (&self.v, &mut b.v)])?;
        } else {
            inputs.set(call, x, e, self.norm.as_ref(), &[&self.k, &self.v])?;
            self.project(call, inputs, &mut [(&self.k, &mut b.k), (&self.v, &mut b.v)])?;
        }
        self.keep(call, context, &cache, &mut b.k, &b.v)?;
        if context.wanted.is_some() {
            rows.take(x, e);
            if rows.of.is_empty() {
                return Ok(());
            }
            inputs.set(call, x, e, self.norm.as_ref(), &[&self.q])?;
            self.project(call, inputs, &mut [(&self.q, &mut b.q)])?;
        }
        self.turn_queries(call, context, rows, &mut b.q)?;
        b.attended.resize(b.q.len(), 0.0);
        attend(
            call.isa,
            &Pool::of_thread(),
            self.heads,
            None,
            &cache,
            &rows.sequences[group],
            &b.q,
            &mut b.attended,
            &mut b.scratch,
            call.stop,
        );
        call.stop.check()?;
        inputs.set(call, &b.attended, self.q.matrix.n, None, &[&self.o])?;
        self.o.with(call, inputs)?.add_to(call, x, self.post_norm.as_ref(), self.residual, &mut b.out)
    }

    /// Products of the same inputs, as one job.
    fn project(&self, call: &mut Call<'_>, inputs: &Inputs, of: &mut [(&Linear, &mut Vec<f32>)]) -> Result<()> {
        let mut ready = Vec::with_capacity(of.len());
        for (linear, y) in of {
            ready.push((linear.with(call, inputs)?, Shared(y.as_mut_ptr())));
        }
        let products: Vec<_> = ready.iter().map(|(ready, _)| ready).collect();
        call.products(&products, |i, columns| {
            // SAFETY: y was made for all rows, and each of its columns is in one range.
            unsafe { ready[i].0.columns(call, columns, ready[i].1) };
        })
    }

    /// Norm and rotation of the keys, which are kept with the values.
    fn keep(&self, call: &Call<'_>, context: &Context<'_>, cache: &Cache<'_>, k: &mut [f32], v: &[f32]) -> Result<()> {
        let (n, work, keys) = (self.k.matrix.n, k.len() * 8, Shared(k.as_mut_ptr()));
        for sequence in &context.all.sequences[self.place.group] {
            let first = sequence.rows.start;
            let work = work / context.all.of.len() * sequence.rows.len();
            call.job(sequence.rows.len(), work, |i| {
                let (r, token) = (first + i, sequence.cached + i);
                // SAFETY: row r is this item's alone.
                let key = unsafe { keys.row(r, n) };
                self.turn(call.isa, key, self.k_norm.as_ref(), context.angles, r);
                let block = sequence.blocks[token / BLOCK];
                // SAFETY: the batch was checked: the block is there. The token's place in it is this item's alone.
                unsafe { write(call.isa, cache, block, token % BLOCK, key, &v[r * n..][..n]) };
            })?;
        }
        Ok(())
    }

    /// Norm, rotation and growth of the queries.
    fn turn_queries(&self, call: &Call<'_>, context: &Context<'_>, rows: &Rows<'_>, q: &mut [f32]) -> Result<()> {
        let (n, work, to) = (self.q.matrix.n, q.len() * 4, Shared(q.as_mut_ptr()));
        call.job(rows.of.len(), work, |i| {
            let r = rows.of[i];
            // SAFETY: row i is this item's alone.
            let q = unsafe { to.row(i, n) };
            self.turn(call.isa, q, self.q_norm.as_ref(), context.angles, r);
            let factor = self.growth.map_or(1.0, |growth| growth.factor(context.batch.rows[r].position));
            if factor != 1.0 {
                row::scale(call.isa, q, factor);
            }
        })
    }

    /// Norm and rotation of the heads of row r of the batch.
    fn turn(&self, isa: Isa, x: &mut [f32], norm: Option<&Scale>, angles: &[Angles], r: usize) {
        if let Some(norm) = norm {
            for x in x.chunks_exact_mut(norm.w.len()) {
                row::rms_norm_in_place(isa, x, &norm.w, norm.eps);
            }
        }
        if let Some((layout, which)) = self.rope {
            let (cos, sin) = angles[which].of(r);
            match layout {
                RopeLayout::Neox => row::rotate_neox(isa, x, self.heads.head_dim, cos, sin),
                RopeLayout::Interleaved => row::rotate_interleaved(isa, x, self.heads.head_dim, cos, sin),
            }
        }
    }
}
