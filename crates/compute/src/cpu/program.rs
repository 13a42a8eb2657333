//! A plan with its weights and its sequences' state.

use wick_kernels::attention::KvType;
use wick_kernels::{Isa, rows};
use wick_spec::{Error, Result, Stop};
use wick_weights::{Tensor, Tensors};

use super::attention::{self, Attention, Context, Place};
use super::call::Call;
use super::inputs::Inputs;
use super::kv::{Blocks, groups, layout};
use super::linear::Linear;
use super::mlp::{self, Mlp};
use super::rotation::Angles;
use super::rows::Rows;
use super::weights::{Loader, Scale};
use crate::check::{Limits, check_batch, check_shapes};
use crate::pool::Shared;
use crate::{Batch, Group, Input, Outputs, Plan, Program, Rope, State, Want};

/// A step with its weights.
#[derive(Debug)]
enum Step {
    Attention(Box<Attention>),
    Mlp(Box<Mlp>),
    Norm(Scale),
    Head(Head),
}

/// Hidden rows to logits.
#[derive(Debug)]
struct Head {
    linear: Linear,
    scale: f32,
    softcap: Option<f32>,
}

/// What steps compute in.
#[derive(Debug, Default)]
struct Buffers {
    /// (t, e)
    x: Vec<f32>,
    inputs: Inputs,
    attention: attention::Buffers,
    mlp: mlp::Buffers,
    /// Of each rope.
    angles: Vec<Angles>,
}

/// The program.
pub(super) struct Work {
    isa: Isa,
    /// e.
    hidden: usize,
    table: Tensor,
    table_scale: f32,
    steps: Vec<Step>,
    /// A tensor of each file.
    files: Vec<Tensor>,
    /// The plan's different ropes.
    ropes: Vec<Rope>,
    /// The last attention step: from its queries on only wanted rows are computed.
    last: Option<usize>,
    blocks: Blocks,
    buffers: Buffers,
}

impl Work {
    /// Loads the weights.
    pub(super) fn new(
        isa: Isa,
        kv: KvType,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Self> {
        check_shapes(plan, tensors)?;
        let mut loader = Loader::new(tensors, progress, stop);
        let (mut steps, mut ropes, groups) = (Vec::new(), Vec::<Rope>::new(), groups(kv, plan));
        // Bytes of each group's blocks that are given to a layer.
        let mut given = vec![0; groups.len()];
        let mut embed = None;
        for step in &plan.steps {
            steps.push(match step {
                crate::Step::Embed(step) => {
                    embed = Some((loader.tensor(&step.weight)?, step.scale));
                    continue;
                }
                crate::Step::Attention(a) => {
                    let rope = a.rope.as_ref().map(|rope| {
                        ropes.iter().position(|known| known == rope).unwrap_or_else(|| {
                            ropes.push(rope.clone());
                            ropes.len() - 1
                        })
                    });
                    let group = Group::place(&groups, a.window);
                    let place = Place { group, offset: given[group] };
                    given[group] += layout(kv, a).bytes();
                    let step = Attention::load(a, &mut loader, plan.hidden, kv, place, rope)?;
                    Step::Attention(Box::new(step))
                }
                crate::Step::Mlp(mlp) => Step::Mlp(Box::new(Mlp::load(mlp, &mut loader, plan.hidden)?)),
                crate::Step::Norm(norm) => Step::Norm(loader.norm(norm)?),
                crate::Step::Head(head) => Step::Head(Head::load(head, &mut loader, plan.hidden)?),
            });
        }
        let (table, table_scale) = embed.ok_or_else(|| Error::internal("a plan without an embedding was prepared"))?;
        let last = steps.iter().rposition(|step| matches!(step, Step::Attention(_)));
        let buffers = Buffers { angles: ropes.iter().map(|_| Angles::default()).collect(), ..Buffers::default() };
        let (hidden, files, blocks) = (plan.hidden, loader.files(), Blocks::new(groups));
        Ok(Self { isa, hidden, table, table_scale, steps, files, ropes, last, blocks, buffers })
    }

    /// Rows of the table, scaled, and the given rows, to x.
    fn embed(&mut self, batch: &Batch) -> Result<()> {
        let (e, x) = (self.hidden, &mut self.buffers.x);
        x.resize(batch.rows.len() * e, 0.0);
        for (row, x) in batch.rows.iter().zip(x.chunks_exact_mut(e)) {
            match row.input {
                Input::Token(id) => {
                    self.table.rows_to_f32(id as usize, x)?;
                    if self.table_scale != 1.0 {
                        x.iter_mut().for_each(|x| *x *= self.table_scale);
                    }
                }
                Input::Embedding(n) => x.copy_from_slice(&batch.embeddings[n as usize * e..][..e]),
            }
        }
        Ok(())
    }

    /// The steps, on x.
    fn steps(&mut self, call: &mut Call<'_>, batch: &Batch, outputs: &mut Outputs) -> Result<()> {
        let groups = self.blocks.groups().len();
        let (all, wanted) = (Rows::all(batch, groups), Rows::wanted(batch, groups));
        let few = wanted.of != all.of;
        let (e, b) = (self.hidden, &mut self.buffers);
        for (angles, rope) in b.angles.iter_mut().zip(&self.ropes) {
            angles.set(rope, batch);
        }
        if self.last.is_none() {
            wanted.take(&mut b.x, e);
        }
        for (i, step) in self.steps.iter().enumerate() {
            call.stop.check()?;
            match step {
                Step::Attention(attention) => {
                    let narrowed = (few && self.last == Some(i)).then_some(&wanted);
                    let context = Context { batch, blocks: &self.blocks, angles: &b.angles, all: &all, wanted: narrowed };
                    attention.run(call, &context, &mut b.inputs, &mut b.attention, &mut b.x, e)?;
                    if b.x.is_empty() {
                        // Nothing is wanted, and every key and value is kept.
                        return Ok(());
                    }
                }
                Step::Mlp(mlp) => mlp.run(call, &mut b.inputs, &mut b.mlp, &mut b.x, e)?,
                Step::Norm(norm) => call.norm(&mut b.x, norm)?,
                Step::Head(head) => head.run(call, batch, &mut b.inputs, &mut b.x, outputs)?,
            }
        }
        Ok(())
    }
}

impl Head {
    fn load(head: &crate::Head, loader: &mut Loader<'_>, e: usize) -> Result<Self> {
        Ok(Self { linear: loader.linear(&head.linear, e)?, scale: head.scale, softcap: head.softcap })
    }

    /// Logits and hidden states of x, the wanted rows (n, e).
    fn run(
        &self,
        call: &mut Call<'_>,
        batch: &Batch,
        inputs: &mut Inputs,
        x: &mut Vec<f32>,
        outputs: &mut Outputs,
    ) -> Result<()> {
        let e = x.len() / batch.wanted.len();
        let rows =
            |want: Want| batch.wanted.iter().enumerate().filter(move |(_, wanted)| wanted.want == want).map(|(at, _)| at);
        outputs.hidden.extend(rows(Want::Hidden).flat_map(|at| &x[at * e..][..e]));
        let of: Vec<usize> = rows(Want::Logits).collect();
        if of.is_empty() {
            return Ok(());
        }
        let rows = Rows { sequences: Vec::new(), of };
        rows.take(x, e);
        inputs.set(call, x, e, None, &[&self.linear])?;
        let ready = self.linear.with(call, inputs)?;
        let (v, t) = (ready.n(), rows.of.len());
        outputs.logits.resize(t * v, 0.0);
        let to = Shared(outputs.logits.as_mut_ptr());
        call.products(&[&ready], |_, columns| {
            // SAFETY: there is room for (t, v), and each column is in one range.
            unsafe { ready.columns(call, columns.clone(), to) };
            for r in 0..t {
                // SAFETY: these columns of row r.
                let logits = unsafe { to.part(r * v + columns.start, columns.len()) };
                if self.scale != 1.0 {
                    rows::scale(call.isa, logits, self.scale);
                }
                self.softcap.iter().for_each(|&cap| rows::softcap(call.isa, logits, cap));
            }
        })
    }
}

impl Program for Work {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        outputs.logits.clear();
        outputs.hidden.clear();
        outputs.matmuls = 0;
        let ids = self.table.info().shape.first().copied().unwrap_or(0);
        check_batch(batch, Limits { ids, hidden: self.hidden, state: &self.blocks })?;
        if batch.rows.is_empty() {
            return Ok(());
        }
        self.embed(batch)?;
        let mut call = Call { isa: self.isa, stop, matmuls: 0 };
        self.steps(&mut call, batch, outputs)?;
        // What the last products read of a file that was cut meanwhile was no weight.
        self.files.iter().try_for_each(|tensor| tensor.bytes().map(drop))?;
        outputs.matmuls = call.matmuls;
        Ok(())
    }

    fn state(&mut self) -> &mut dyn State {
        &mut self.blocks
    }
}
