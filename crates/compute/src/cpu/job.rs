//! Work in pieces, on all threads.

use std::ops::Range;

use wick_spec::Result;

use super::call::Call;
use super::linear::Ready;
use crate::pool::each;

/// Columns that threads claim at once, at least: several eights, so that what a kernel does for each of its calls is not all there
/// is to do.
const COLUMNS: usize = 32;

/// Results that are computed at once, at most, so that they are in the cache when they are used.
const RESULTS: usize = 1 << 16;

impl Call<'_> {
    /// Calls `f` for each of `items` once, on all threads if there are more than a few multiply-adds, `work`, in all of them.
    /// `cancelled` when the call was stopped on the way, and not all were met.
    pub(super) fn job(&self, items: usize, work: usize, f: impl Fn(usize) + Sync) -> Result<()> {
        each(items, work, |range| range.take_while(|_| !self.stop.is_set()).for_each(&f));
        self.stop.check()
    }

    /// Calls `f(i, columns)` for all columns of the i-th of these products, which have the same rows.
    pub(super) fn products(&self, of: &[&Ready<'_>], f: impl Fn(usize, Range<usize>) + Sync) -> Result<()> {
        let items = |ready: &Ready<'_>| ready.n().div_ceil(COLUMNS);
        let most = of.iter().map(|ready| RESULTS / ready.rows().max(1)).min().map_or(COLUMNS, |most| most.max(COLUMNS));
        let (all, work) = of.iter().fold((0, 0), |(all, work), ready| (all + items(ready), work + ready.work()));
        each(all, work, |range| {
            let mut before = 0;
            for (i, ready) in of.iter().enumerate() {
                let own = range.start.clamp(before, before + items(ready))..range.end.clamp(before, before + items(ready));
                let mut columns = (own.start - before) * COLUMNS..((own.end - before) * COLUMNS).min(ready.n());
                before += items(ready);
                while !columns.is_empty() && !self.stop.is_set() {
                    let end = columns.end.min(columns.start + most);
                    f(i, columns.start..end);
                    columns.start = end;
                }
            }
        });
        self.stop.check()
    }
}
