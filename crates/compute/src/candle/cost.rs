//! Memory, counted before it is taken.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use wick_spec::Result;
use wick_weights::{DType, Tensors};

use super::matrix::{ggml, unnamed};
use super::{Candle, Kernels, cpu, kv};
use crate::check::{Use, Weight, check_shapes, outputs};
use crate::{Cost, Plan, Step};

/// Rows whose logits are computed at once.
pub(super) const HEAD_ROWS: usize = 32;

const F32: u64 = size_of::<f32>() as u64;

/// A weight and the bytes it is held in.
pub(super) struct Held<'a> {
    pub(super) weight: Weight<'a>,
    pub(super) bytes: u64,
}

/// The plan's weights, each once, rows of one tensor apart; a table that is also multiplied with counts as a matrix.
pub(super) fn held<'a>(backend: &Candle, plan: &'a Plan, tensors: &dyn Tensors) -> Result<Vec<Held<'a>>> {
    let mut list: Vec<Held<'a>> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for weight in check_shapes(plan, tensors)? {
        let Some(info) = tensors.info(weight.name) else { continue };
        let held = Held { bytes: bytes(backend, &weight, info.dtype), weight };
        match places.entry((held.weight.name, held.weight.rows)) {
            Entry::Occupied(at) if list[*at.get()].weight.used == Use::Table => list[*at.get()] = held,
            Entry::Occupied(_) => {}
            Entry::Vacant(place) => {
                place.insert(list.len());
                list.push(held);
            }
        }
    }
    Ok(list)
}

fn bytes(backend: &Candle, weight: &Weight<'_>, dtype: DType) -> u64 {
    let elements = weight.elements();
    let file = dtype.bytes(elements).unwrap_or(usize::MAX) as u64;
    match (weight.used, backend.kernels, weight.shape.as_slice()) {
        (Use::Vector, _, _) => elements as u64 * F32,
        (Use::Matrix, Kernels::Slices, &[n, k]) => file + cpu::copied_bytes(dtype, n, k),
        (Use::Matrix, Kernels::Tensors, _) => match dtype {
            DType::F16 | DType::BF16 if backend.device.is_cpu() => elements as u64 * F32,
            _ if ggml(dtype).is_none() => (elements * unnamed(&backend.device).size_in_bytes()) as u64,
            _ => file,
        },
        _ => file,
    }
}

/// What the plan takes on this backend.
pub(super) fn cost(backend: &Candle, plan: &Plan, tensors: &dyn Tensors, rows: usize) -> Result<Cost> {
    let weights = held(backend, plan, tensors)?;
    // Of a row: what a step holds at its widest beside the stream x, which is there twice while it is added to.
    let columns = plan.steps.iter().map(|step| match step {
        Step::Attention(a) => 4 * a.head_dim * (a.heads + a.kv_heads),
        Step::Mlp(m) => 3 * outputs(&m.gate, tensors),
        Step::Embed(_) | Step::Norm(_) | Step::Head(_) => 0,
    });
    let row = (4 * plan.hidden + columns.max().unwrap_or(0)) as u64;
    let logits = (rows.min(HEAD_ROWS) * plan.vocab) as u64;
    Ok(Cost {
        weights: weights.iter().map(|held| held.bytes).sum(),
        groups: kv::groups(plan.attention().map(kv::kept), &backend.device),
        scratch: (rows as u64).saturating_mul(row).saturating_add(logits).saturating_mul(F32),
    })
}
