//! Plans on our own kernels: the processor's backend.
//!
//! Weights are multiplied where they lie, in the map of their file. A step is a few jobs for the pool, and what lies between
//! them is done in their pieces where it can be: q, k and v are one job, gate and up another with the activation in it, a
//! result is added to the stream by the piece that computed it, and a norm's row is rounded while it is in the cache. Buffers
//! are kept from call to call. A row's order of operations depends on neither the rows beside it nor the threads, so results
//! are equal to the bit alone, in a batch, and in chunks of any size.

mod attention;
mod call;
mod inputs;
mod job;
mod kv;
mod linear;
mod mlp;
mod program;
mod rotation;
mod rows;
mod weights;

use wick_kernels::Isa;
pub use wick_kernels::attention::KvType;
use wick_spec::{Result, Stop};
use wick_weights::Tensors;

use crate::check::{check_shapes, outputs};
use crate::{Backend, Cost, Plan, Program, Step};
use program::Work;

/// The backend.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    isa: Isa,
    kv: KvType,
}

impl Cpu {
    /// With the most able instructions there are, or those that `WICK_CPU` forces; its value's error is given back.
    pub fn new(kv: KvType) -> Result<Self> {
        Ok(Self::with(Isa::chosen()?, kv))
    }

    /// With these instructions.
    pub fn with(isa: Isa, kv: KvType) -> Self {
        Self { isa, kv }
    }
}

impl Backend for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    /// Weights count the file's bytes. `scratch` leaves out [`crate::Outputs`], which is the caller's.
    fn cost(&self, plan: &Plan, tensors: &dyn Tensors, rows: usize) -> Result<Cost> {
        let weights = weights::bytes(&check_shapes(plan, tensors)?, tensors)?;
        // Of a row, in f32: the stream, and what a step holds at its widest, with a copy of its inputs in eight bits.
        let columns = plan.steps.iter().map(|step| match step {
            Step::Attention(a) => 3 * a.head_dim * a.heads + 2 * a.head_dim * a.kv_heads,
            Step::Mlp(m) => 2 * outputs(&m.gate, tensors),
            Step::Embed(_) | Step::Norm(_) | Step::Head(_) => 0,
        });
        let row = (3 * plan.hidden + columns.max().unwrap_or(0)) as u64;
        let scratch = (rows as u64).saturating_mul(row).saturating_mul(size_of::<f32>() as u64);
        Ok(Cost { weights, groups: kv::groups(self.kv, plan), scratch })
    }

    fn prepare(
        &self,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Box<dyn Program>> {
        Ok(Box::new(Work::new(self.isa, self.kv, plan, tensors, progress, stop)?))
    }
}
