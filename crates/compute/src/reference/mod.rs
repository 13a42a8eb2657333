//! Small f32 operations: the truth that other backends are tested against.
//!
//! One file an operation, one thread, no fusion. A row's result does not depend on the rows beside it: every sum runs in the
//! same order whether a batch has one row or many, so a prefill of t tokens equals t steps bit for bit.

mod activation;
mod attention;
mod embed;
mod linear;
mod norm;
mod program;
mod rope;
mod softcap;
mod state;

use std::collections::HashSet;

use wick_spec::{Result, Stop};
use wick_weights::Tensors;

use crate::check::{check_shapes, outputs};
use crate::{Backend, Cost, Plan, Program, Step};
use program::{Weights, Work};
use state::Blocks;

/// The backend: weights as f32, keys and values as f32.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference;

const F32: u64 = size_of::<f32>() as u64;

impl Backend for Reference {
    fn name(&self) -> &'static str {
        "reference"
    }

    /// Every tensor counts once, as f32; a table that is not also the head is read row by row from the file and takes less.
    /// `scratch` leaves out [`crate::Outputs`], which is the caller's.
    fn cost(&self, plan: &Plan, tensors: &dyn Tensors, rows: usize) -> Result<Cost> {
        let weights = check_shapes(plan, tensors)?;
        let mut seen = HashSet::new();
        let elements: u64 = weights.iter().filter(|w| seen.insert(w.name)).map(|w| w.whole).sum();
        let widest = plan.steps.iter().map(|step| scratch_columns(step, tensors)).max().unwrap_or(0);
        let (e, rows) = (plan.hidden as u64, rows as u64);
        Ok(Cost {
            weights: elements * F32,
            groups: state::groups(plan.attention().map(state::kept)),
            scratch: rows.saturating_mul(2 * e + widest).saturating_mul(F32),
        })
    }

    fn prepare(
        &self,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Box<dyn Program>> {
        let mut weights = Weights::default();
        let mut seen = HashSet::new();
        let mut done = 0;
        for weight in check_shapes(plan, tensors)? {
            stop.check()?;
            weights.add(&weight, tensors)?;
            if seen.insert(weight.name) {
                done += weight.whole * F32;
                progress(done);
            }
        }
        let blocks = Blocks::new(plan.attention().map(state::kept));
        Ok(Box::new(Work { plan: plan.clone(), weights, blocks }))
    }
}

/// Values a row needs beside the residual stream while the step runs.
fn scratch_columns(step: &Step, tensors: &dyn Tensors) -> u64 {
    let columns = match step {
        Step::Attention(a) => [outputs(&a.o, tensors), outputs(&a.q, tensors), outputs(&a.k, tensors)].iter().sum(),
        Step::Mlp(m) => outputs(&m.down, tensors) + outputs(&m.gate, tensors),
        Step::Embed(_) | Step::Norm(_) | Step::Head(_) => 0,
    };
    2 * columns as u64
}
