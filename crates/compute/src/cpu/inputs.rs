//! Rows as the weights of a step read them.

use std::cell::RefCell;

use wick_kernels::{Activations, Grid, rows};
use wick_spec::Result;

use super::call::Call;
use super::linear::Linear;
use super::weights::Scale;

/// Rows (t, k) in each form that is asked for.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    long: Activations,
    short: Activations,
    exact: Activations,
}

const GRIDS: [Grid; 3] = [Grid::Long, Grid::Short, Grid::Exact];

impl Inputs {
    /// Rows of x (t, k), through `norm`, in the forms that these weights read. A row is rounded while the norm of it is in the
    /// cache.
    pub(super) fn set(
        &mut self,
        call: &Call<'_>,
        x: &[f32],
        k: usize,
        norm: Option<&Scale>,
        readers: &[&Linear],
    ) -> Result<()> {
        thread_local! {
            static ROW: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        let t = x.len() / k;
        for grid in GRIDS.into_iter().filter(|grid| readers.iter().any(|reader| reader.matrix.grid == *grid)) {
            let to = self.get_mut(grid).reset(grid, t, k);
            call.job(t, x.len() * 4, |r| {
                let x = &x[r * k..][..k];
                // SAFETY: a job's item is one thread's.
                let set = |x: &[f32]| unsafe { to.set(call.isa, r, x) };
                match norm {
                    None => set(x),
                    Some(norm) => ROW.with_borrow_mut(|y| {
                        y.resize(k, 0.0);
                        rows::rms_norm(call.isa, x, &norm.w, norm.eps, y);
                        set(y);
                    }),
                }
            })?;
        }
        Ok(())
    }

    /// Rows in this form, as they were set last.
    pub(super) fn get(&self, grid: Grid) -> &Activations {
        match grid {
            Grid::Long => &self.long,
            Grid::Short => &self.short,
            Grid::Exact => &self.exact,
        }
    }

    fn get_mut(&mut self, grid: Grid) -> &mut Activations {
        match grid {
            Grid::Long => &mut self.long,
            Grid::Short => &mut self.short,
            Grid::Exact => &mut self.exact,
        }
    }
}
