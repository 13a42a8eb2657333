//! Rows of the embedding table.

use wick_spec::Result;
use wick_weights::Tensor;

use crate::{Batch, Input};

/// `x[i]` = `scale` times the table's row of a token, or the given row of an embedding.
///
/// `table`: (v, e), decoded a row at a time; `x`: (t, e). Ids and embeddings are checked before.
pub(crate) fn embed(batch: &Batch, table: &Tensor, scale: f32, e: usize, x: &mut [f32]) -> Result<()> {
    for (row, x) in batch.rows.iter().zip(x.chunks_exact_mut(e)) {
        match row.input {
            Input::Token(id) => {
                table.rows_to_f32(id as usize, x)?;
                x.iter_mut().for_each(|x| *x *= scale);
            }
            Input::Embedding(n) => x.copy_from_slice(&batch.embeddings[n as usize * e..][..e]),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wick_weights::{DType, TensorInfo};

    use super::*;
    use crate::Row;

    #[test]
    fn ids_and_given_rows_side_by_side() {
        let bytes: Vec<u8> = (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let table =
            Tensor::from_bytes("table", TensorInfo { dtype: DType::F32, shape: vec![3, 2] }, &bytes).expect("6 values");
        let rows = [Input::Token(2), Input::Embedding(1), Input::Token(0)];
        let batch = Batch {
            rows: rows.map(|input| Row { input, position: 0 }).to_vec(),
            embeddings: vec![7.0, 7.5, 8.0, 8.5],
            ..Batch::default()
        };
        let mut x = [0.0; 6];
        embed(&batch, &table, 1.0, 2, &mut x).expect("in range");
        assert_eq!(x, [4.0, 5.0, 8.0, 8.5, 0.0, 1.0]);
        embed(&batch, &table, 3.0, 2, &mut x).expect("in range");
        assert_eq!(x, [12.0, 15.0, 8.0, 8.5, 0.0, 3.0], "what is given is not scaled");
    }
}
