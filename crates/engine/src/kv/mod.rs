//! Keys and values: which blocks there are, who owns them, and what of them later sequences can use.
//!
//! Blocks are counted in bytes against one limit over all groups of layers. Whole blocks that a sequence has computed are known to all
//! others at once; when it leaves, the tree of prefixes owns its blocks alone, until they are needed. Nothing here computes.

mod blocks;
mod moved;
mod prefixes;
mod table;
#[cfg(test)]
mod tests;

use wick_compute::{BLOCK, Group, State};
use wick_spec::Result;

use blocks::{Blocks, blocks_for};
pub(crate) use prefixes::common_prefix;
use prefixes::{Key, Prefixes};
use table::GONE;
pub(crate) use table::Table;

/// The blocks of one group of layers.
#[derive(Debug)]
struct Pool {
    group: Group,
    blocks: Blocks,
    /// By block: the node of the tree that owns it too.
    nodes: Vec<Option<Key>>,
}

/// What sequences have in common that may share: whether they turn as long ones do, and their salt.
pub(crate) type Root<'a> = (bool, Option<&'a str>);

/// Bytes of keys and values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct KvBytes {
    /// Owned by anybody, the cache included.
    pub used: u64,
    /// Owned by the cache alone: given up when they are needed.
    pub cached: u64,
    /// Most that may be used.
    pub limit: u64,
}

/// Bytes that a sequence would take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// New ones.
    pub new: u64,
    /// Of the cache that nobody else uses now.
    pub idle: u64,
}

/// Who owns which keys and values.
#[derive(Debug)]
pub(crate) struct Kv {
    pools: Vec<Pool>,
    bytes: KvBytes,
    /// `None`: nothing is shared or kept.
    prefixes: Option<Prefixes>,
    /// Most bytes that the cache may own alone.
    keep: u64,
}

/// Blocks of a group that a sequence of `tokens` holds, where no more than `chunk` rows are computed at once.
fn blocks_held(group: &Group, tokens: usize, chunk: usize) -> usize {
    let held = |window: usize| blocks_for(window.saturating_add(chunk)) + 2;
    blocks_for(tokens).min(group.window.map_or(usize::MAX, held))
}

/// Bytes of keys and values of a sequence of `tokens`, where no more than `chunk` rows are computed at once.
pub(crate) fn bytes_for(groups: &[Group], tokens: usize, chunk: usize) -> u64 {
    groups
        .iter()
        .map(|group| group.block.saturating_mul(blocks_held(group, tokens, chunk) as u64))
        .fold(0, u64::saturating_add)
}

impl Kv {
    /// Of layers in `groups`, with at most `limit` bytes, of which the cache may keep `keep`; 0 is no cache.
    pub(crate) fn new(groups: &[Group], limit: u64, keep: u64) -> Self {
        let pool = |group: &Group| Pool { group: *group, blocks: Blocks::default(), nodes: Vec::new() };
        let full = groups.iter().map(|group| group.window.is_none()).collect();
        Self {
            pools: groups.iter().map(pool).collect(),
            bytes: KvBytes { limit, ..KvBytes::default() },
            prefixes: (keep > 0 && !groups.is_empty()).then(|| Prefixes::new(full)),
            keep,
        }
    }

    /// What is used.
    pub(crate) fn bytes(&self) -> KvBytes {
        self.bytes
    }

    /// Bytes of one block of each group.
    pub(crate) fn block_bytes(&self) -> u64 {
        self.pools.iter().map(|pool| pool.group.block).sum()
    }

    /// Bytes that can be taken, what the cache would give up for them included.
    pub(crate) fn room(&self) -> u64 {
        self.bytes.limit.saturating_sub(self.bytes.used) + self.bytes.cached
    }

    /// The table of a new sequence. What it computes is shared with those of the same `root`; `None`: with nobody.
    pub(crate) fn table(&self, root: Option<Root<'_>>) -> Table {
        let root = root.zip(self.prefixes.as_ref()).map(|(root, prefixes)| prefixes.root(root));
        Table::new(self.pools.len(), root)
    }

    /// What a sequence of `ids` and one more would take beyond what `table` holds.
    pub(crate) fn need(&self, table: &Table, ids: &[u32], chunk: usize) -> Need {
        let known = self.known(table, ids);
        let mut need = Need::default();
        for (at, pool) in self.pools.iter().enumerate() {
            let held = blocks_held(&pool.group, ids.len() + 1, chunk);
            let shared = if pool.group.window.is_none() { known.len() } else { 0 };
            need.new += pool.group.block * held.saturating_sub(table.blocks[at].len() - table.left[at] + shared) as u64;
            let blocks = known[..shared].iter().filter_map(|&key| self.prefixes.as_ref()?.block(key, at));
            need.idle += pool.group.block * blocks.filter(|&id| pool.blocks.owners(id) == 1).count() as u64;
        }
        need
    }

    /// The nodes of the tree that hold what comes in `ids` after what is computed, block by block.
    fn known(&self, table: &Table, ids: &[u32]) -> Vec<Key> {
        let Some((prefixes, mut at)) = self.prefixes.as_ref().zip(table.at_node()) else { return Vec::new() };
        let held = |key| {
            self.pools.iter().enumerate().all(|(g, pool)| pool.group.window.is_some() || prefixes.block(key, g).is_some())
        };
        let mut known = Vec::new();
        for tokens in ids.get(table.kv..).unwrap_or_default().chunks_exact(BLOCK) {
            match prefixes.find(at, tokens).filter(|&key| held(key)) {
                Some(key) => at = key,
                None => break,
            }
            known.push(at);
        }
        known
    }

    /// The names of the whole blocks that computing `rows` more of `ids` begins, goes on with or ends: two sequences that compute the
    /// same block of the same prefix have one in common.
    pub(crate) fn coming(&self, table: &Table, ids: &[u32], rows: usize) -> Vec<Key> {
        let Some((prefixes, mut at)) = self.prefixes.as_ref().zip(table.at) else { return Vec::new() };
        let blocks = ids.chunks_exact(BLOCK).take((table.kv + rows).div_ceil(BLOCK)).skip(table.published);
        let keys = blocks.map(|tokens| {
            at = prefixes.key(at, tokens);
            at
        });
        keys.collect()
    }

    /// Takes over what is known of `ids` beyond what is computed: whole blocks are shared, the beginning of one more is copied.
    /// Returns how many tokens that were.
    pub(crate) fn reuse(&mut self, table: &mut Table, ids: &[u32], state: &mut dyn State) -> Result<usize> {
        let before = table.kv;
        let known = self.known(table, ids);
        let seen = self.seen(table, &known);
        for &key in &known[..seen] {
            self.adopt(table, key, before + seen * BLOCK);
        }
        if seen == known.len() {
            self.copy_nearest(table, ids, state)?;
        }
        self.trim();
        Ok(table.kv - before)
    }

    /// How many of the nodes can be taken over: behind the last, no window may look at a block that was evicted.
    fn seen(&self, table: &Table, known: &[Key]) -> usize {
        let Some(prefixes) = &self.prefixes else { return 0 };
        let base = table.kv / BLOCK;
        let seen = |&n: &usize| {
            self.pools.iter().enumerate().all(|(g, pool)| {
                let first = pool.first_seen(table.kv + n * BLOCK).max(base) - base;
                known[..n].iter().skip(first).all(|&key| prefixes.block(key, g).is_some())
            })
        };
        (1..=known.len()).rev().find(seen).unwrap_or(0)
    }

    /// One node more, for a sequence that will hold `kv` tokens.
    fn adopt(&mut self, table: &mut Table, key: Key, kv: usize) {
        for g in 0..self.pools.len() {
            let seen = table.published >= self.pools[g].first_kept(kv);
            let block = self.prefixes.as_ref().and_then(|prefixes| prefixes.block(key, g)).filter(|_| seen);
            block.iter().for_each(|&id| self.share(g, id));
            let block = block.unwrap_or(GONE);
            match table.blocks[g].get_mut(table.published) {
                None => table.blocks[g].push(block),
                // It was taken for what would have been computed here.
                Some(taken) => {
                    let taken = std::mem::replace(taken, block);
                    self.release(g, taken);
                }
            }
        }
        table.kv += BLOCK;
        table.published += 1;
        table.at = Some(key);
        self.slide(table);
    }

    /// Copies the beginning of the block that goes on longest as `ids` do, where there is room for one.
    fn copy_nearest(&mut self, table: &mut Table, ids: &[u32], state: &mut dyn State) -> Result<()> {
        let Some((prefixes, at)) = self.prefixes.as_ref().zip(table.at_node()) else { return Ok(()) };
        let Some((key, common)) = prefixes.nearest(at, ids.get(table.kv..).unwrap_or_default()) else { return Ok(()) };
        let sources: Vec<u32> = (0..self.pools.len()).filter_map(|g| prefixes.block(key, g)).collect();
        // Held while room is made: they may be what would be evicted.
        sources.iter().enumerate().for_each(|(g, &id)| self.share(g, id));
        let copied = self.extend(table, common, state).and_then(|there_is_room| {
            if there_is_room {
                for (g, &from) in sources.iter().enumerate() {
                    state.copy(g, from, table.blocks[g][table.published])?;
                }
                table.kv += common.min(BLOCK - 1);
            }
            Ok(())
        });
        sources.iter().enumerate().for_each(|(g, &id)| self.release(g, id));
        copied
    }

    /// Takes the blocks for `rows` more tokens. False where there is no room for all of them; those that were taken stay.
    pub(crate) fn extend(&mut self, table: &mut Table, rows: usize, state: &mut dyn State) -> Result<bool> {
        for g in 0..self.pools.len() {
            while table.blocks[g].len() < blocks_for(table.kv + rows) {
                match self.take(g, state)? {
                    Some(id) => table.blocks[g].push(id),
                    None => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// Tells of what was computed: the tokens of `table.kv` are `ids`. Their whole blocks are shared from now on, and what no window sees any
    /// more is given back.
    pub(crate) fn computed(&mut self, table: &mut Table, ids: &[u32]) {
        while (table.published + 1) * BLOCK <= table.kv {
            let Some(at) = table.at else { break };
            let tokens = &ids[table.published * BLOCK..][..BLOCK];
            table.at = self.publish(table, at, tokens);
            table.published += 1;
        }
        self.slide(table);
        self.trim();
    }

    /// Puts the next block of a sequence into the tree, as the tokens after `at`; where they are there already, it shares that one instead.
    fn publish(&mut self, table: &mut Table, at: Key, tokens: &[u32]) -> Option<Key> {
        let place = table.published;
        self.drop_covered(at, tokens);
        let prefixes = self.prefixes.as_mut()?;
        let key = prefixes.find(at, tokens).or_else(|| prefixes.grow(at, place == 0, tokens))?;
        for g in 0..self.pools.len() {
            let own = table.blocks[g][place];
            if own == GONE {
                continue;
            }
            match self.prefixes.as_ref()?.block(key, g) {
                None => self.hold(g, own, key),
                Some(id) if id == own => {}
                Some(id) => {
                    self.share(g, id);
                    self.release(g, own);
                    table.blocks[g][place] = id;
                }
            }
        }
        Some(key)
    }

    /// Gives up all that a sequence holds; what it computed of `ids` stays in the cache, for whoever continues it.
    pub(crate) fn leave(&mut self, table: &mut Table, ids: &[u32]) {
        self.computed(table, ids);
        let rest = &ids[(table.published * BLOCK).min(table.kv)..table.kv];
        if let Some(at) = table.at.filter(|_| !rest.is_empty()) {
            let covered = |prefixes: &Prefixes| prefixes.nearest(at, rest).is_some_and(|(_, common)| common == rest.len());
            if !self.prefixes.as_ref().is_some_and(covered) {
                self.publish(table, at, rest);
            }
        }
        self.discard(table);
    }

    /// Gives up all that a sequence holds; what of it is not in the tree is lost.
    pub(crate) fn discard(&mut self, table: &mut Table) {
        self.prefixes.iter_mut().for_each(Prefixes::tick);
        let empty = Table::new(self.pools.len(), table.root);
        for (g, blocks) in std::mem::replace(table, empty).blocks.into_iter().enumerate() {
            blocks.into_iter().filter(|&id| id != GONE).for_each(|id| self.release(g, id));
        }
        self.trim();
    }

    /// Holds the cache to what it may keep.
    fn trim(&mut self) {
        while self.bytes.cached > self.keep && self.evict() {}
    }

    /// Gives back what no window sees any more.
    fn slide(&mut self, table: &mut Table) {
        for g in 0..self.pools.len() {
            let first = self.pools[g].first_kept(table.kv).min(table.blocks[g].len());
            for place in table.left[g]..first {
                let id = std::mem::replace(&mut table.blocks[g][place], GONE);
                if id != GONE {
                    self.release(g, id);
                }
            }
            table.left[g] = table.left[g].max(first);
        }
    }

    /// A block with storage behind it; what was used longest ago makes room. `None` when all is in use.
    fn take(&mut self, g: usize, state: &mut dyn State) -> Result<Option<u32>> {
        let bytes = self.pools[g].group.block;
        while self.bytes.used + bytes > self.bytes.limit {
            if !self.evict() {
                return Ok(None);
            }
        }
        let pool = &mut self.pools[g];
        let id = pool.blocks.take();
        let high_water = pool.blocks.high_water();
        pool.nodes.resize(high_water, None);
        if state.blocks(g) < high_water
            && let Err(error) = state.grow(g, high_water)
        {
            pool.blocks.release(id);
            return Err(error);
        }
        self.bytes.used += bytes;
        Ok(Some(id))
    }

    fn share(&mut self, g: usize, id: u32) {
        let pool = &mut self.pools[g];
        if let (1, Some(key)) = (pool.blocks.owners(id), pool.nodes[id as usize]) {
            self.bytes.cached -= pool.group.block;
            self.prefixes.iter_mut().for_each(|prefixes| prefixes.owned(key, g, false));
        }
        self.pools[g].blocks.share(id);
    }

    fn release(&mut self, g: usize, id: u32) {
        let pool = &mut self.pools[g];
        match (pool.blocks.release(id), pool.nodes[id as usize]) {
            (0, _) => self.bytes.used -= pool.group.block,
            (1, Some(key)) => {
                self.bytes.cached += pool.group.block;
                self.prefixes.iter_mut().for_each(|prefixes| prefixes.owned(key, g, true));
            }
            _ => {}
        }
    }

    /// The tree owns a sequence's block, too.
    fn hold(&mut self, g: usize, id: u32, key: Key) {
        self.pools[g].blocks.share(id);
        self.pools[g].nodes[id as usize] = Some(key);
        self.prefixes.iter_mut().for_each(|prefixes| prefixes.hold(key, g, id));
    }

    /// Gives up what the cache used longest ago; false when nothing can be.
    fn evict(&mut self) -> bool {
        let Self { pools, bytes, prefixes, .. } = self;
        prefixes.as_mut().is_some_and(|prefixes| prefixes.evict(|g, id| given_up(pools, bytes, g, id)))
    }

    /// Gives up what was kept of sequences that ended where this one goes on.
    fn drop_covered(&mut self, at: Key, tokens: &[u32]) {
        let Self { pools, bytes, prefixes, .. } = self;
        prefixes.iter_mut().for_each(|prefixes| prefixes.drop_covered(at, tokens, |g, id| given_up(pools, bytes, g, id)));
    }
}

/// A block that the tree owned alone is free.
fn given_up(pools: &mut [Pool], bytes: &mut KvBytes, g: usize, id: u32) {
    let pool = &mut pools[g];
    pool.nodes[id as usize] = None;
    pool.blocks.release(id);
    bytes.used -= pool.group.block;
    bytes.cached -= pool.group.block;
}

impl Pool {
    /// The first block that a row behind `kv` tokens sees.
    fn first_seen(&self, kv: usize) -> usize {
        self.group.window.map_or(0, |window| (kv + 1).saturating_sub(window) / BLOCK)
    }

    /// The first block that a sequence of `kv` tokens keeps: one more than its rows see, so that whoever goes on from a few tokens
    /// before its end finds what they see.
    fn first_kept(&self, kv: usize) -> usize {
        self.first_seen(kv.saturating_sub(BLOCK))
    }
}
