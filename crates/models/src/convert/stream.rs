//! Tensors of one file into another, a few rows at a time.

use std::ops::Range;
use std::path::Path;

use wick_spec::{Error, Result, Stop};
use wick_weights::gguf::{Metadata, Writer};
use wick_weights::{DType, Tensor, TensorInfo, Tensors, quantize};

/// Elements decoded at once, by all threads: 4 MiB of f32.
const CHUNK: usize = 1 << 20;

/// One tensor of the new file.
#[derive(Debug)]
pub(super) struct Piece {
    /// Its name there.
    pub(super) name: String,
    /// Its type and shape there.
    pub(super) info: TensorInfo,
    /// What it is made of.
    pub(super) origin: Origin,
}

/// Where the values come from.
#[derive(Debug)]
pub(super) enum Origin {
    /// A tensor of the old files.
    Tensor(String),
    /// The same, with the rows of each of so many heads interleaved: see [`interleaved`].
    Interleaved {
        /// The tensor's name.
        name: String,
        /// Heads its rows belong to.
        heads: usize,
    },
    /// The same, every value raised: the norms of gemma.
    Raised {
        /// The tensor's name.
        name: String,
        /// By how much.
        by: f32,
    },
    /// Computed.
    Values(Vec<f32>),
}

/// Writes the file and returns its size in bytes. `progress` is told the bytes of tensors done and their sum; `stop` ends the
/// work with `cancelled`, and nothing is left behind.
pub(super) fn write(
    to: &Path,
    metadata: &Metadata,
    pieces: &[Piece],
    tensors: &dyn Tensors,
    progress: &mut dyn FnMut(u64, u64),
    stop: &Stop,
) -> Result<u64> {
    let list: Vec<_> = pieces.iter().map(|piece| (piece.name.clone(), piece.info.clone())).collect();
    let total = list.iter().filter_map(|(_, info)| info.bytes()).map(|bytes| bytes as u64).sum();
    let mut writer = Writer::create(to, metadata, &list)?;
    let mut done = 0;
    progress(done, total);
    for piece in pieces {
        let mut put = |bytes: &[u8]| {
            stop.check()?;
            writer.write(&piece.name, bytes)?;
            done += bytes.len() as u64;
            progress(done, total);
            Ok(())
        };
        let Piece { name, info, origin } = piece;
        match origin {
            Origin::Values(values) => put(&encoded(name, info, values)?)?,
            Origin::Tensor(old) => copy(name, info, &tensors.tensor(old)?, &|row| row, &mut put)?,
            Origin::Raised { name: old, by } => {
                let values: Vec<f32> = tensors.tensor(old)?.to_f32()?.into_iter().map(|x| x + by).collect();
                put(&encoded(name, info, &values)?)?;
            }
            Origin::Interleaved { name: old, heads } => {
                let d = info.shape.first().copied().unwrap_or(0) / heads;
                copy(name, info, &tensors.tensor(old)?, &|row| interleaved(row, d), &mut put)?;
            }
        }
    }
    stop.check()?;
    writer.finish()?;
    std::fs::metadata(to)
        .map(|file| file.len())
        .map_err(|error| Error::io(format!("Could not read {}: {error}.", to.display())))
}

/// The row of a Hugging Face q or k, heads of `d` rows, that is row `row` of GGUF's: there the pairs that turn together are
/// neighbours, here they are half a head apart.
fn interleaved(row: usize, d: usize) -> usize {
    let (head, within) = (row / d, row % d);
    head * d + (within % 2) * (d / 2) + within / 2
}

/// Row `order(n)` of `tensor` becomes row n. Where the type stays, bytes are copied as they are.
fn copy(
    name: &str,
    info: &TensorInfo,
    tensor: &Tensor,
    order: &(dyn Fn(usize) -> usize + Sync),
    put: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    if info.shape.len() < 2 {
        // A vector: its rows are its elements.
        let values = tensor.to_f32()?;
        let values: Vec<f32> = (0..values.len()).map(|n| values[order(n)]).collect();
        return put(&encoded(name, info, &values)?);
    }
    let columns = info.columns().max(1);
    let rows = info.elements().unwrap_or(0) / columns;
    let at_once = (CHUNK / columns).max(1);
    let same = tensor.info().dtype == info.dtype;
    for first in (0..rows).step_by(at_once) {
        let chunk = first..rows.min(first + at_once);
        if same {
            let bytes = tensor.bytes()?;
            let row = bytes.len() / rows;
            let chunk: Vec<u8> = chunk.flat_map(|n| &bytes[order(n) * row..][..row]).copied().collect();
            put(&chunk)?;
        } else {
            for bytes in recoded(name, info, tensor, chunk, order)? {
                put(&bytes)?;
            }
        }
    }
    Ok(())
}

/// Rows in their new type, in shares, on as many threads as there are processors.
fn recoded(
    name: &str,
    info: &TensorInfo,
    tensor: &Tensor,
    rows: Range<usize>,
    order: &(dyn Fn(usize) -> usize + Sync),
) -> Result<Vec<Vec<u8>>> {
    let columns = info.columns();
    let share = |rows: Range<usize>| {
        let mut values = vec![0.0; rows.len() * columns];
        for (n, values) in rows.zip(values.chunks_exact_mut(columns)) {
            tensor.rows_to_f32(order(n), values)?;
        }
        encoded(name, info, &values)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = rows.len().div_ceil(threads).max(1);
    let shares = rows.clone().step_by(each).map(|first| first..rows.end.min(first + each));
    std::thread::scope(|scope| {
        let work: Vec<_> = shares.map(|rows| scope.spawn(|| share(rows))).collect();
        // A thread that panicked panics here, where the conversion catches it.
        work.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Whole rows as the bytes of the new type.
fn encoded(name: &str, info: &TensorInfo, values: &[f32]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Vectors are F32, whose blocks are single elements; an empty one has no columns to speak of.
    let columns = if info.dtype == DType::F32 { 1 } else { info.columns() };
    quantize(info.dtype, values, columns, &mut bytes).map_err(|error| error.context(format!("tensor {name:?}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_half_a_head_apart_become_neighbours() {
        let order: Vec<usize> = (0..12).map(|row| interleaved(row, 6)).collect();
        assert_eq!(order, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
    }
}
