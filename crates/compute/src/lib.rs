//! The step plan of a model and the backends that run it.
//!
//! The seam is the step, not the operation: a [`Plan`] is plain data, a list of a few kinds of step, each with the names of
//! its weights and every option its families have. Inside a step a backend fuses, allocates and parallelises as it likes.

mod backend;
mod batch;
#[cfg(feature = "candle")]
pub mod candle;
mod check;
pub mod cpu;
mod plan;
mod pool;
pub mod reference;

pub use backend::{Backend, Cost, Group, Program, State};
pub use batch::{BLOCK, Batch, Input, Outputs, Row, Span, Want, Wanted};
pub use plan::{
    Activation, Attention, Embed, Head, HeadNorm, Linear, LongRope, Mlp, Norm, NormKind, NormOver, Plan, QueryGrowth, Rope,
    RopeLayout, Step,
};
pub use pool::threads;
