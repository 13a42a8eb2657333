//! A plan's weights, by name.

use std::collections::HashMap;
use std::ops::Range;

use candle_core::{Device, Tensor as CandleTensor};
use wick_spec::{Error, Result, Stop};
use wick_weights::{Tensor, Tensors};

use super::Candle;
use super::cost::{Held, held};
use super::failure::{Failure, Fallible};
use super::matrix::Matrix;
use crate::check::{Use, Weight, check_shapes};
use crate::{Linear, Norm, Plan, Step, threads};

/// What the steps read.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// Embedding tables, read row by row from the file.
    tables: HashMap<String, Tensor>,
    matrices: Named<Matrix>,
    /// f32, on the device, offsets added.
    vectors: Named<CandleTensor>,
}

/// Weights by the tensor's name.
#[derive(Debug)]
struct Named<T>(HashMap<String, Vec<Part<T>>>);

/// Some rows of a tensor; `None`: all.
type Part<T> = (Option<Range<usize>>, T);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Named<T> {
    fn insert(&mut self, weight: &Weight<'_>, value: T) {
        self.0.entry(weight.name.to_owned()).or_default().push((weight.rows.cloned(), value));
    }

    fn get(&self, name: &str, rows: Option<&Range<usize>>) -> Result<&T> {
        let parts = self.0.get(name).map_or(&[][..], Vec::as_slice);
        parts.iter().find(|(part, _)| part.as_ref() == rows).map(|(_, value)| value).ok_or_else(|| missing(name))
    }
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
        for some in held(backend, plan, tensors)?.chunks(threads()) {
            stop.check()?;
            for item in some {
                weights.add(backend, item, tensors).map_err(|failure| failure.at(item.weight.name))?;
            }
            weights
                .pack(some.iter().map(|item| &item.weight).filter(|weight| head.is_none_or(|head| head != weight.name)))?;
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
                self.matrices.insert(weight, Matrix::load(backend, weight.tensor(tensors)?, n, k)?);
            }
            (Use::Vector, &[n]) => {
                let mut values = weight.tensor(tensors)?.to_f32()?;
                values.iter_mut().for_each(|x| *x += weight.offset);
                self.vectors.insert(weight, CandleTensor::from_vec(values, n, &Device::Cpu)?.to_device(&backend.device)?);
            }
            (Use::Table, _) => {}
            (used, shape) => return Err(Error::internal(format!("a {used:?} of shape {shape:?}")).into()),
        }
        Ok(())
    }

    /// Packs these matrices, each on a thread of its own.
    fn pack<'a>(&self, weights: impl Iterator<Item = &'a Weight<'a>>) -> Result<()> {
        let matrices = weights.filter_map(|weight| match self.matrices.get(weight.name, weight.rows) {
            Ok(Matrix::Mapped(matrix)) => Some((weight.name, matrix)),
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

    /// W of a linear.
    pub(super) fn matrix(&self, linear: &Linear) -> Result<&Matrix> {
        self.matrices.get(&linear.weight, linear.rows.as_ref())
    }

    /// b of a linear.
    pub(super) fn bias(&self, linear: &Linear) -> Result<Option<&CandleTensor>> {
        linear.bias.as_deref().map(|name| self.vectors.get(name, linear.rows.as_ref())).transpose()
    }

    /// w of a norm, its offset added.
    pub(super) fn norm(&self, norm: &Norm) -> Result<&CandleTensor> {
        self.vectors.get(&norm.weight, None)
    }
}

fn missing(name: &str) -> Error {
    Error::internal(format!("weight {name:?} was not prepared"))
}
