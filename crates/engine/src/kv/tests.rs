//! The bookkeeping alone and under random histories, on a state that remembers what was written where.

use proptest::prelude::*;
use wick_spec::Error;

use super::*;

/// A state whose blocks hold nothing but are counted.
struct Blank(Vec<Group>, Vec<usize>);

impl Blank {
    fn new(groups: &[Group]) -> Self {
        Self(groups.to_vec(), vec![0; groups.len()])
    }
}

impl State for Blank {
    fn groups(&self) -> &[Group] {
        &self.0
    }

    fn blocks(&self, group: usize) -> usize {
        self.1[group]
    }

    fn grow(&mut self, group: usize, blocks: usize) -> Result<()> {
        self.1[group] = blocks;
        Ok(())
    }

    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()> {
        let there = self.1[group] as u32;
        if from < there && to < there && from != to { Ok(()) } else { Err(Error::internal("no such block")) }
    }

    fn read(&self, _: usize, _: u32, _: &mut Vec<u8>) -> Result<()> {
        panic!("nothing is saved here")
    }

    fn write(&mut self, _: usize, _: u32, _: &[u8]) -> Result<()> {
        panic!("nothing is restored here")
    }

    fn bytes(&self) -> u64 {
        0
    }
}

const FULL: Group = Group { window: None, block: 10 };
/// The root that most sequences have.
const SHARED: Option<Root<'static>> = Some((false, None));

const WINDOW: Group = Group { window: Some(50), block: 3 };

impl Kv {
    /// Holds the books to the tables: whoever owns a block is a table or the tree, and bytes are what they own.
    fn check(&self, tables: &[&Table]) {
        let (mut used, mut cached) = (0, 0);
        for (g, pool) in self.pools.iter().enumerate() {
            for id in 0..pool.blocks.high_water() as u32 {
                let own =
                    tables.iter().map(|table| table.blocks[g].iter().filter(|&&block| block == id).count()).sum::<usize>();
                let kept = pool.nodes[id as usize].filter(|_| pool.blocks.owners(id) > 0);
                assert_eq!(pool.blocks.owners(id) as usize, own + usize::from(kept.is_some()), "block {id} of group {g}");
                used += pool.group.block * u64::from(pool.blocks.owners(id) > 0);
                cached += pool.group.block * u64::from(kept.is_some() && own == 0);
                if let Some(key) = kept {
                    assert_eq!(self.prefixes.as_ref().unwrap().block(key, g), Some(id), "the tree knows what it owns");
                }
            }
        }
        assert_eq!((self.bytes.used, self.bytes.cached), (used, cached));
        assert!(used <= self.bytes.limit, "{used} of {}", self.bytes.limit);
        for table in tables {
            for (g, blocks) in table.blocks.iter().enumerate() {
                let first = self.pools[g].first_seen(table.kv);
                let seen = &blocks[first.min(blocks.len())..];
                assert!(seen.iter().all(|&id| id != GONE), "a window sees no block that is gone");
                assert!(blocks.len() >= blocks_for(table.kv));
                // A block that is written has one owner.
                assert!(table.kv % BLOCK == 0 || self.pools[g].blocks.owners(blocks[table.kv / BLOCK]) == 1);
            }
        }
    }

    /// Computes all of `ids` for a new sequence; it, and what was not found in the cache.
    fn compute(&mut self, state: &mut Blank, ids: &[u32]) -> (Table, usize) {
        let mut table = self.table(SHARED);
        self.reuse(&mut table, &ids[..ids.len() - 1], state).unwrap();
        let left = ids.len() - table.kv;
        while table.kv < ids.len() {
            let rows = (ids.len() - table.kv).min(40);
            assert!(self.extend(&mut table, rows, state).unwrap());
            table.kv += rows;
            self.computed(&mut table, ids);
        }
        (table, left)
    }
}

fn text(name: u32, tokens: usize) -> Vec<u32> {
    (0..tokens as u32).map(|n| name * 1000 + n).collect()
}

#[test]
fn what_one_computes_another_finds_at_once_and_stores_once() {
    let groups = [FULL];
    let (mut kv, mut state) = (Kv::new(&groups, 10_000, u64::MAX), Blank::new(&groups));
    let ids = text(1, 100);
    let (first, left) = kv.compute(&mut state, &ids);
    assert_eq!((left, kv.bytes().used), (100, 40));
    let (second, left) = kv.compute(&mut state, &ids);
    assert_eq!((left, kv.bytes().used), (4, 50), "three shared blocks; the rest of the first is still its own");
    kv.check(&[&first, &second]);
    for mut table in [first, second] {
        kv.leave(&mut table, &ids);
    }
    assert_eq!(kv.bytes(), KvBytes { used: 40, cached: 40, limit: 10_000 });
    let (third, left) = kv.compute(&mut state, &[&ids[..], &[7, 8, 9]].concat());
    assert_eq!(left, 3, "the end of the ended one was copied");
    kv.check(&[&third]);
}

#[test]
fn two_that_compute_the_same_in_one_step_keep_one_of_it() {
    let groups = [FULL, WINDOW];
    let (mut kv, mut state) = (Kv::new(&groups, 10_000, u64::MAX), Blank::new(&groups));
    let ids = text(1, 64);
    let mut tables = [kv.table(SHARED), kv.table(SHARED)];
    assert_eq!(kv.coming(&tables[0], &ids, 33), kv.coming(&tables[1], &ids, 64), "both begin both blocks");
    assert_ne!(
        kv.coming(&tables[0], &ids, 64)[0],
        kv.coming(&kv.table(Some((false, Some("salt")))), &ids, 64)[0],
        "of another root"
    );
    for table in &mut tables {
        assert!(kv.extend(table, 64, &mut state).unwrap());
        table.kv = 64;
    }
    assert_eq!(kv.bytes().used, 52);
    for table in &mut tables {
        kv.computed(table, &ids);
    }
    assert_eq!(kv.bytes().used, 26);
    kv.check(&[&tables[0], &tables[1]]);
}

#[test]
fn a_window_gives_back_what_it_left_and_a_prefix_without_it_is_not_used() {
    let groups = [FULL, WINDOW];
    // Six blocks of each, and little more: a copy of the last needs the window's first ones.
    let (mut kv, mut state) = (Kv::new(&groups, 85, u64::MAX), Blank::new(&groups));
    let ids = text(1, 190);
    let (mut table, _) = kv.compute(&mut state, &ids);
    assert_eq!(table.left, [0, 3]);
    kv.check(&[&table]);
    kv.leave(&mut table, &ids);
    // All that is cached is found from its end on: its window is the last to go.
    let (mut again, left) = kv.compute(&mut state, &[&ids[..], &[7]].concat());
    assert_eq!(left, 1);
    kv.check(&[&again]);
    kv.discard(&mut again);
    // From its middle on it is not: the window there had to make room.
    let (mut middle, left) = kv.compute(&mut state, &[&ids[..96], &[7]].concat());
    assert!(left > 1, "{left}");
    kv.check(&[&middle]);
    kv.discard(&mut middle);
    kv.check(&[]);
}

#[test]
fn the_prefix_used_longest_ago_goes_first_and_from_its_end() {
    let groups = [FULL];
    let (mut kv, mut state) = (Kv::new(&groups, 100, u64::MAX), Blank::new(&groups));
    for name in [1, 2] {
        let ids = text(name, 128);
        let (mut table, _) = kv.compute(&mut state, &ids);
        kv.leave(&mut table, &ids);
    }
    let (mut table, left) = kv.compute(&mut state, &text(1, 128));
    assert_eq!(left, 1);
    kv.leave(&mut table, &text(1, 128));
    let (mut third, _) = kv.compute(&mut state, &text(3, 128));
    let blocks = |name| kv.known(&kv.table(SHARED), &text(name, 128)).len();
    assert_eq!([1, 2, 3].map(blocks), [4, 2, 4], "of what was not used since, the end");
    kv.discard(&mut third);
}

#[test]
fn without_a_cache_nothing_is_kept_and_with_a_small_one_little() {
    let groups = [FULL];
    let ids = text(1, 320);
    for (keep, cached) in [(0, 0), (35, 30), (1000, 100)] {
        let (mut kv, mut state) = (Kv::new(&groups, 10_000, keep), Blank::new(&groups));
        let (mut table, _) = kv.compute(&mut state, &ids);
        kv.leave(&mut table, &ids);
        assert_eq!(kv.bytes().cached, cached);
        kv.check(&[]);
        let (table, left) = kv.compute(&mut state, &ids);
        assert_eq!(left, 320 - (cached as usize / 10 * BLOCK).min(319));
        kv.check(&[&table]);
    }
}

#[test]
fn what_a_sequence_would_need_is_what_it_then_takes() {
    let groups = [FULL];
    let (mut kv, mut state) = (Kv::new(&groups, 10_000, u64::MAX), Blank::new(&groups));
    let (ids, longer) = (text(1, 100), [text(1, 100), text(2, 30)].concat());
    let (mut running, _) = kv.compute(&mut state, &ids);
    let fresh = kv.table(SHARED);
    assert_eq!(kv.need(&fresh, &longer, 256), Need { new: 20, idle: 0 });
    kv.leave(&mut running, &ids);
    assert_eq!(kv.need(&fresh, &longer, 256), Need { new: 20, idle: 30 });
    assert_eq!(kv.need(&kv.table(None), &longer, 256), Need { new: 50, idle: 0 });
    assert_eq!(bytes_for(&[FULL, WINDOW], 3200, 256), 1000 + 3 * 12, "a window holds itself and a chunk");
}

#[derive(Debug, Clone)]
enum Act {
    Begin { text: u32, cut: usize, tokens: usize },
    Compute { which: usize, rows: usize },
    Append { which: usize, token: u32 },
    Leave { which: usize },
    Discard { which: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..3u32, 0..200usize, 1..200usize).prop_map(|(text, cut, tokens)| Act::Begin { text, cut, tokens }),
        6 => (any::<usize>(), 1..80usize).prop_map(|(which, rows)| Act::Compute { which, rows }),
        2 => (any::<usize>(), 0..3u32).prop_map(|(which, token)| Act::Append { which, token }),
        1 => any::<usize>().prop_map(|which| Act::Leave { which }),
        1 => any::<usize>().prop_map(|which| Act::Discard { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_are_right_whatever_happens(
        acts in proptest::collection::vec(act(), 1..120),
        limit in 20..400u64,
        keep in prop_oneof![Just(0), 0..100u64, Just(u64::MAX)],
        groups in prop_oneof![Just(vec![FULL]), Just(vec![FULL, WINDOW]), Just(vec![WINDOW]),
            Just(vec![FULL, Group { window: Some(4), block: 7 }, WINDOW])],
    ) {
        let (mut kv, mut state) = (Kv::new(&groups, limit, keep), Blank::new(&groups));
        let mut running: Vec<(Table, Vec<u32>)> = Vec::new();
        for act in acts {
            match act {
                Act::Begin { text: name, cut, tokens } => {
                    // Prefixes in common with others, cut anywhere.
                    let ids = [&text(0, 200)[..cut], &text(name, tokens)].concat();
                    running.push((kv.table(SHARED), ids));
                }
                Act::Compute { which, rows } if !running.is_empty() => {
                    let at = which % running.len();
                    let (table, ids) = &mut running[at];
                    kv.reuse(table, &ids[..ids.len() - 1], &mut state).unwrap();
                    let rows = rows.min(ids.len() - table.kv);
                    kv.extend(table, rows, &mut state).unwrap();
                    let rows = rows.min(table.room() - table.kv);
                    table.kv += rows;
                    kv.computed(table, ids);
                }
                Act::Append { which, token } if !running.is_empty() => {
                    let at = which % running.len();
                    running[at].1.push(token);
                }
                Act::Leave { which } if !running.is_empty() => {
                    let (mut table, ids) = running.swap_remove(which % running.len());
                    kv.leave(&mut table, &ids);
                }
                Act::Discard { which } if !running.is_empty() => {
                    let at = which % running.len();
                    kv.discard(&mut running[at].0);
                }
                _ => {}
            }
            kv.check(&running.iter().map(|(table, _)| table).collect::<Vec<_>>());
            prop_assert!(kv.bytes().cached <= keep.max(limit * u64::from(keep > 0)));
        }
        for (mut table, ids) in running {
            kv.leave(&mut table, &ids);
        }
        kv.check(&[]);
        prop_assert!(kv.bytes().used == kv.bytes().cached && kv.bytes().cached <= keep);
    }
}
