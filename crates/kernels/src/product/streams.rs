//! The order in which few rows of x read columns of w: as streams.
//!
//! Memory gives a core its full rate only where the processor sees what will be read next. So the columns that are computed side
//! by side lie far apart, each at the front of a stretch of columns that is read from its first byte to its last.

use std::ops::Range;

/// How many bytes ahead of what is read each stream asks for: the nearest distance that hides memory's delay at one row of x.
pub(super) const AHEAD: usize = 384;

/// Bytes of a page: places that are as far into their pages share the few places of the nearest cache that there are for them.
const PAGE: usize = 4096;
/// Far enough apart in their pages, in bytes, for N streams.
const fn enough<const N: usize>() -> usize {
    PAGE / 2 / N
}

/// N columns at a time of a range, each the next of its stream; all of the range once, or the last more than once where they do
/// not come out even.
///
/// Stream i has the `length` columns from `first + i · length` on. Where streams begin alike in their pages, each begins `turn`
/// columns further into its stretch than the one before, and comes round to what it left out.
pub(super) struct Streams<const N: usize> {
    columns: Range<usize>,
    length: usize,
    turn: usize,
    /// Steps done.
    step: usize,
}

impl<const N: usize> Streams<N> {
    /// Streams over columns of so many bytes.
    pub(super) fn new(columns: Range<usize>, bytes: usize) -> Self {
        let length = columns.len().div_ceil(N);
        let apart = |turn: &usize| nearest::<N>((length + turn) * bytes);
        let turns = 0..length.min(N);
        let turn = turns.clone().find(|turn| apart(turn) >= enough::<N>()).or(turns.max_by_key(apart)).unwrap_or(0);
        Self { columns, length, turn, step: 0 }
    }
}

/// How near in their pages two of N places so many bytes apart come.
fn nearest<const N: usize>(bytes: usize) -> usize {
    (1..N).map(|i| i * bytes % PAGE).map(|into| into.min(PAGE - into)).min().unwrap_or(0)
}

impl<const N: usize> Iterator for Streams<N> {
    type Item = [usize; N];

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step;
        self.step += 1;
        let place = |i: usize| self.columns.start + i * self.length + (step + i * self.turn) % self.length;
        (step < self.length).then(|| std::array::from_fn(|i| place(i).min(self.columns.end - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_met_and_none_beside() {
        met::<8>();
        met::<16>();
    }

    fn met<const N: usize>() {
        for (start, count) in [(0, 0), (3, 1), (5, 7), (0, 8), (1, 9), (7, 64), (0, 100), (2, 1003)] {
            for bytes in [34, 1152, 4096, 12_288] {
                let mut met = vec![0; start + count + N];
                let steps = Streams::<N>::new(start..start + count, bytes)
                    .map(|places| places.map(|column| met[column] += 1))
                    .count();
                assert_eq!(steps, count.div_ceil(N));
                for (column, times) in met.into_iter().enumerate() {
                    let is_one = (start..start + count).contains(&column);
                    assert_eq!(times > 0, is_one, "{column} of {count} from {start}, {bytes} bytes each");
                    assert!(times < 2 || column == start + count - 1, "only the last fills what is left over");
                }
            }
        }
    }

    #[test]
    fn streams_do_not_lie_alike_in_their_pages() {
        // 704 columns of 1,152 bytes are 198 pages.
        apart::<8>();
        apart::<16>();
    }

    fn apart<const N: usize>() {
        let places = Streams::<N>::new(0..5632, 1152).next().expect("columns");
        for (i, a) in places.into_iter().enumerate() {
            for b in &places[..i] {
                let into = (a - b) * 1152 % PAGE;
                assert!(into.min(PAGE - into) >= enough::<N>(), "columns {a} and {b}");
            }
        }
    }
}
