//! The feed-forward step.

use std::cell::RefCell;

use wick_kernels::rows;
use wick_spec::Result;

use super::call::Call;
use super::inputs::Inputs;
use super::linear::Linear;
use super::weights::{Loader, Scale};
use crate::Activation;
use crate::pool::Shared;

/// A feed-forward step with its weights.
#[derive(Debug)]
pub(super) struct Mlp {
    norm: Option<Scale>,
    gate: Linear,
    up: Linear,
    down: Linear,
    activation: Activation,
    post_norm: Option<Scale>,
    residual: f32,
}

/// What feed-forward steps compute in, kept from step to step.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// (t, f)
    hidden: Vec<f32>,
    /// (t, e), where the result has a norm of its own.
    out: Vec<f32>,
}

impl Mlp {
    pub(super) fn load(mlp: &crate::Mlp, loader: &mut Loader<'_>, e: usize) -> Result<Self> {
        let (norm, gate, up) =
            (loader.norm_if(mlp.norm.as_ref())?, loader.linear(&mlp.gate, e)?, loader.linear(&mlp.up, e)?);
        let down = loader.linear(&mlp.down, gate.matrix.n)?;
        let post_norm = loader.norm_if(mlp.post_norm.as_ref())?;
        Ok(Self { norm, gate, up, down, activation: mlp.activation, post_norm, residual: mlp.residual })
    }

    /// `x += residual · post_norm(down(act(gate(y)) * up(y)))`, y = norm(x), x: (t, e).
    pub(super) fn run(
        &self,
        call: &mut Call<'_>,
        inputs: &mut Inputs,
        b: &mut Buffers,
        x: &mut [f32],
        e: usize,
    ) -> Result<()> {
        let f = self.gate.matrix.n;
        b.hidden.resize(x.len() / e * f, 0.0);
        inputs.set(call, x, e, self.norm.as_ref(), &[&self.gate, &self.up])?;
        self.hidden(call, inputs, &mut b.hidden)?;
        inputs.set(call, &b.hidden, f, None, &[&self.down])?;
        self.down.with(call, inputs)?.add_to(call, x, self.post_norm.as_ref(), self.residual, &mut b.out)
    }

    /// `act(gate(y)) * up(y)`, (t, f): a piece computes the same columns of both.
    fn hidden(&self, call: &mut Call<'_>, inputs: &Inputs, hidden: &mut [f32]) -> Result<()> {
        thread_local! {
            static UP: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        let (gate, up) = (self.gate.with(call, inputs)?, self.up.with(call, inputs)?);
        let (f, t, to) = (gate.n(), hidden.len() / gate.n(), Shared(hidden.as_mut_ptr()));
        let times = match self.activation {
            Activation::Silu => rows::silu_times,
            Activation::GeluTanh => rows::gelu_times,
        };
        call.products(&[&gate], |_, columns| {
            UP.with_borrow_mut(|up_columns| {
                up.apart(call, columns.clone(), up_columns);
                // SAFETY: hidden is (t, f), and each of its columns is in one range.
                unsafe { gate.columns(call, columns.clone(), to) };
                for (r, up) in up_columns.chunks_exact(columns.len()).enumerate().take(t) {
                    // SAFETY: these columns of row r.
                    let gate = unsafe { to.part(r * f + columns.start, columns.len()) };
                    times(call.isa, gate, up);
                }
            });
        })
    }
}
