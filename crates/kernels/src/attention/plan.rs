//! How a call's work is cut into tasks.

use std::ops::Range;

use super::part::Part;
use super::{Heads, Sequence};

/// Positions of a part: part n begins at token 512 n, whoever computes it.
pub(super) const SPLIT: usize = 512;

/// Rows of a tile at most, a head of a token each, and elements of them: so that the tile stays in the second-level cache.
const ROWS: usize = 128;
const ELEMENTS: usize = 1 << 13;

/// Floats for parts at most: beyond, sequences are not split.
const PARTS: usize = 1 << 20;

/// Tasks that a thread's share of the work is split into, where sequences are long enough.
const PIECES: usize = 4;

/// A tile of rows with the heads of some kv-heads.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) sequence: usize,
    /// Several where few rows fill the tile: their keys and values lie side by side.
    pub(super) kv_heads: Range<usize>,
    /// Rows of the sequence, from 0.
    pub(super) rows: Range<usize>,
    /// Only this split, whose part is kept from this float on.
    pub(super) split: Option<(usize, usize)>,
}

/// The tasks of a call, in place of what was in `tasks`; a tile's splits are neighbours. With the multiply-adds of all, and the
/// floats that parts need.
pub(super) fn plan(heads: Heads, sequences: &[Sequence<'_>], threads: usize, tasks: &mut Vec<Task>) -> (usize, usize) {
    tasks.clear();
    let (group, d) = (heads.group(), heads.head_dim);
    let tile = (ROWS.min(ELEMENTS / d) / group).max(1);
    let work = |s: &Sequence<'_>, rows: &Range<usize>| 2 * rows.len() * seen(heads, s, rows).len() * group * d;
    let of = |s: &Sequence<'_>| tiles(s.rows.len(), tile).map(|rows| work(s, &rows)).sum::<usize>();
    let all = sequences.iter().map(of).sum::<usize>() * heads.kv_heads;
    let share = all / (threads * PIECES);
    let mut floats = 0;
    for (sequence, s) in sequences.iter().enumerate() {
        // A sequence of one tile: kv-heads that fill it, but no more than a share.
        let rows = 0..s.rows.len();
        let most = if threads > 1 { share / work(s, &rows).max(1) } else { usize::MAX };
        let some = (tile / rows.len().max(1)).min(most).clamp(1, heads.kv_heads);
        for first in (0..heads.kv_heads).step_by(some) {
            let kv_heads = first..heads.kv_heads.min(first + some);
            for rows in tiles(s.rows.len(), tile) {
                let splits = splits(&seen(heads, s, &rows));
                let part = Part::floats(kv_heads.len() * rows.len() * group, d.next_multiple_of(16));
                let apart = threads > 1 && splits.len() > 1 && kv_heads.len() * work(s, &rows) > share;
                let apart = apart && floats + splits.len() * part <= PARTS;
                let task = |split| Task { sequence, kv_heads: kv_heads.clone(), rows: rows.clone(), split };
                if apart {
                    tasks.extend(splits.clone().zip(0..).map(|(split, i)| task(Some((split, floats + i * part)))));
                    floats += splits.len() * part;
                } else {
                    tasks.push(task(None));
                }
            }
        }
    }
    (all, floats)
}

/// Tiles of t rows. The last, which see the most, come first, so that what is claimed last is short.
fn tiles(t: usize, tile: usize) -> impl Iterator<Item = Range<usize>> {
    (0..t).step_by(tile).rev().map(move |start| start..t.min(start + tile))
}

/// The tokens that one or another of these rows sees.
pub(super) fn seen(heads: Heads, sequence: &Sequence<'_>, rows: &Range<usize>) -> Range<usize> {
    heads.seen(sequence.cached + rows.start).start..sequence.cached + rows.end
}

/// The splits that tokens lie in.
pub(super) fn splits(tokens: &Range<usize>) -> Range<usize> {
    tokens.start / SPLIT..tokens.end.div_ceil(SPLIT)
}
