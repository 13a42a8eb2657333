//! A plan's weights, by name.

use std::collections::HashMap;

use candle_core::{Device, Tensor as CandleTensor};
use wick_spec::{Error, Result, Stop};
use wick_weights::{Tensor, Tensors};

use super::cost::{Held, held};
use super::failure::{Failure, Fallible};
use super::matrix::Matrix;
use super::{Candle, cpu};
use crate::check::{Use, check_shapes};
use crate::{Plan, Step};

/// What the steps read.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// Embedding tables, read row by row from the file.
    tables: HashMap<String, Tensor>,
    matrices: HashMap<String, Matrix>,
    /// f32, on the device.
    vectors: HashMap<String, CandleTensor>,
}

impl Weights {
    /// Loads every weight of the plan, a few at a time on as many threads.
    pub(super) fn load(
        backend: &Candle,
        plan: &Plan,
        tensors: &dyn Tensors,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Self> {
        let mut weights = Self::default();
        for weight in check_shapes(plan, tensors)? {
            if weight.used == Use::Table {
                weights.tables.insert(weight.name.to_owned(), tensors.tensor(weight.name)?);
            }
        }
        // The head sees one row of a prompt, which needs no packed copy.
        let head =
            plan.steps.last().and_then(|step| if let Step::Head(head) = step { Some(&head.linear.weight) } else { None });
        let mut done = 0;
        for some in held(backend, plan, tensors)?.chunks(cpu::threads()) {
            stop.check()?;
            for item in some {
                weights.add(backend, item, tensors).map_err(|failure| failure.at(item.weight.name))?;
            }
            let pack = some.iter().map(|item| item.weight.name).filter(|&name| head.is_none_or(|head| head != name));
            weights.pack(pack)?;
            for item in some {
                stop.check()?;
                done += item.bytes;
                progress(done);
            }
        }
        Ok(weights)
    }

    fn add(&mut self, backend: &Candle, item: &Held<'_>, tensors: &dyn Tensors) -> Fallible<()> {
        let weight = &item.weight;
        match (weight.used, weight.shape.as_slice()) {
            (Use::Matrix, &[n, k]) => {
                let matrix = Matrix::load(backend, tensors.tensor(weight.name)?, n, k)?;
                self.matrices.insert(weight.name.to_owned(), matrix);
            }
            (Use::Vector, &[n]) => {
                let values = tensors.tensor(weight.name)?.to_f32()?;
                let vector = CandleTensor::from_vec(values, n, &Device::Cpu)?.to_device(&backend.device)?;
                self.vectors.insert(weight.name.to_owned(), vector);
            }
            (Use::Table, _) => {}
            (used, shape) => return Err(Error::internal(format!("a {used:?} of shape {shape:?}")).into()),
        }
        Ok(())
    }

    /// Packs these matrices, each on a thread of its own.
    fn pack<'a>(&self, names: impl Iterator<Item = &'a str>) -> Result<()> {
        let matrices = names.filter_map(|name| match self.matrices.get(name) {
            Some(Matrix::Mapped(matrix)) => Some((name, matrix)),
            _ => None,
        });
        std::thread::scope(|scope| {
            let threads: Vec<_> = matrices.map(|(name, matrix)| (name, scope.spawn(|| matrix.pack()))).collect();
            threads.into_iter().try_for_each(|(name, thread)| {
                let panicked = |_| Failure::from(Error::internal("packing panicked"));
                thread.join().map_err(panicked).and_then(|packed| packed).map_err(|failure| failure.at(name))
            })
        })
    }

    pub(super) fn table(&self, name: &str) -> Result<&Tensor> {
        self.tables.get(name).ok_or_else(|| missing(name))
    }

    pub(super) fn matrix(&self, name: &str) -> Result<&Matrix> {
        self.matrices.get(name).ok_or_else(|| missing(name))
    }

    pub(super) fn vector(&self, name: &str) -> Result<&CandleTensor> {
        self.vectors.get(name).ok_or_else(|| missing(name))
    }
}

fn missing(name: &str) -> Error {
    Error::internal(format!("weight {name:?} was not prepared"))
}
