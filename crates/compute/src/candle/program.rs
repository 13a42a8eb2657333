//! A plan with its weights and its sequences' state.

use wick_spec::{Error, Result, Stop};

use super::Candle;
use super::call::{Call, by_row, name};
use super::kv::{Blocks, kept};
use super::weights::Weights;
use crate::check::{Limits, check_batch};
use crate::{Batch, Outputs, Plan, Program, State, Step};

/// The program.
pub(super) struct Work {
    backend: Candle,
    plan: Plan,
    weights: Weights,
    blocks: Blocks,
    /// The last attention step: from its queries on only wanted rows are computed, if there are any.
    narrow: Option<usize>,
    /// The first of the last steps that read row by row: from there on nothing is computed for rows not wanted.
    tail: usize,
}

impl Work {
    /// With no blocks yet.
    pub(super) fn new(backend: &Candle, plan: &Plan, weights: Weights) -> Result<Self> {
        let blocks =
            Blocks::new(plan.attention().map(kept), &backend.device).map_err(|failure| failure.at("keys and values"))?;
        let tail = plan.steps.len() - plan.steps.iter().rev().take_while(|step| by_row(step)).count();
        let narrow = plan.steps.iter().rposition(|step| matches!(step, Step::Attention(_)));
        Ok(Self { backend: backend.clone(), plan: plan.clone(), weights, blocks, narrow, tail })
    }
}

impl Program for Work {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, stop: &Stop) -> Result<()> {
        outputs.logits.clear();
        outputs.hidden.clear();
        outputs.matmuls = 0;
        let Some(Step::Embed(first)) = self.plan.steps.first() else {
            return Err(Error::internal("a plan without an embedding was prepared"));
        };
        let (e, table) = (self.plan.hidden, self.weights.table(&first.weight)?);
        let ids = table.info().shape.first().copied().unwrap_or(0);
        check_batch(batch, Limits { ids, hidden: e, state: &self.blocks })?;
        if batch.rows.is_empty() {
            return Ok(());
        }
        let mut call = Call::new(&self.backend, &self.weights, self.blocks.groups(), batch, stop)
            .map_err(|failure| failure.at("the batch"))?;
        let mut x = call.embed(first, e).map_err(|failure| failure.at(&first.weight))?;
        let few = !batch.wanted.is_empty() && batch.wanted.len() < batch.rows.len();
        let narrow = self.narrow.filter(|_| few);
        for (i, step) in self.plan.steps.iter().enumerate() {
            stop.check()?;
            if i == self.tail {
                if batch.wanted.is_empty() {
                    break;
                }
                if narrow.is_none() {
                    x = call.wanted(x).map_err(|failure| failure.at("the wanted rows"))?;
                }
            }
            let stepped = match step {
                Step::Embed(_) => Ok(x),
                Step::Attention(attention) => call.attention(attention, &self.blocks, x, narrow == Some(i)),
                Step::Mlp(mlp) => call.mlp(mlp, x),
                Step::Norm(norm) => call.norm(norm, &x),
                Step::Head(head) => call.head(head, &x, outputs).map(|()| x),
            };
            x = stepped.map_err(|failure| failure.at(&name(step)))?;
        }
        outputs.matmuls = call.matmuls;
        Ok(())
    }

    fn state(&mut self) -> &mut dyn State {
        &mut self.blocks
    }
}
