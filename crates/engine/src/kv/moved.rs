//! Blocks out to a file, and in from one.

use std::ops::Range;

use wick_compute::{BLOCK, State};
use wick_spec::Result;

use super::table::GONE;
use super::{Kv, Pool, Table, blocks_for};
use crate::saved::Place;

impl Kv {
    /// By group: which blocks a sequence keeps of what is computed. `None` where one of them is missing: of what it found in the cache, a
    /// window's first block may have been evicted.
    pub(crate) fn present(&self, table: &Table) -> Option<Vec<Range<usize>>> {
        let all = blocks_for(table.kv);
        let kept = |(blocks, pool): (&Vec<u32>, &Pool)| {
            let first = pool.first_kept(table.kv).min(all);
            blocks[first..all].iter().all(|&id| id != GONE).then_some(first..all)
        };
        table.blocks.iter().zip(&self.pools).map(kept).collect()
    }

    /// Appends the bytes of a sequence's block.
    pub(crate) fn read(&self, table: &Table, place: Place, state: &dyn State, to: &mut Vec<u8>) -> Result<()> {
        state.read(place.group, table.blocks[place.group][place.index], to)
    }

    /// Takes blocks for keys and values of `ids` that were computed before, `bytes` one after the other, by position. What the table has
    /// already stays. False where there is no room, or one before them is missing.
    pub(crate) fn write(
        &mut self,
        table: &mut Table,
        ids: &[u32],
        places: &[Place],
        mut bytes: &[u8],
        state: &mut dyn State,
    ) -> Result<bool> {
        for place in places {
            let (block, rest) = bytes.split_at(self.pools[place.group].group.block as usize);
            bytes = rest;
            if place.index < table.kv / BLOCK {
                continue;
            }
            if !self.put(table, *place, block, state)? {
                return Ok(false);
            }
            // All before its place are written.
            self.written(table, &ids[..place.index * BLOCK]);
        }
        Ok(true)
    }

    fn put(
        &mut self,
        table: &mut Table,
        Place { group, index }: Place,
        block: &[u8],
        state: &mut dyn State,
    ) -> Result<bool> {
        if table.root.is_none()
            || table.blocks.iter().zip(&self.pools).any(|(all, pool)| missing(all, pool.group.window, index))
        {
            return Ok(false);
        }
        table.blocks.iter_mut().for_each(|all| all.resize(all.len().max(index), GONE));
        if table.blocks[group].len() == index {
            let Some(id) = self.take(group, state)? else { return Ok(false) };
            table.blocks[group].push(id);
        }
        state.write(group, table.blocks[group][index], block)?;
        Ok(true)
    }

    /// The keys and values of `ids` are there: they are shared from now on.
    pub(crate) fn written(&mut self, table: &mut Table, ids: &[u32]) {
        let all = blocks_for(ids.len());
        if ids.len() > table.kv && table.blocks.iter().zip(&self.pools).all(|(b, pool)| !missing(b, pool.group.window, all))
        {
            table.blocks.iter_mut().for_each(|blocks| blocks.resize(blocks.len().max(all), GONE));
            table.kv = ids.len();
            self.computed(table, ids);
        }
    }
}

/// Whether a group without a window lacks one of its first `count` blocks: it was given up meanwhile.
fn missing(blocks: &[u32], window: Option<usize>, count: usize) -> bool {
    window.is_none() && blocks.len() < count
}
