//! What holds whatever happens: everybody ends, with what he would have been told alone, within the budget, and nothing is left behind.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;
use wick_compute::Group;
use wick_spec::{Code, Event, Fed, Usage};

use super::super::*;
use super::bench::{Bench, FULL, Listener, MIXED, Setup, Wild, evaluated, expected, ids_of, prompt};

const WINDOWS: [Group; 2] = [Group { window: Some(20), block: 4 }, Group { window: Some(70), block: 3 }];

#[derive(Debug, Clone)]
enum Act {
    /// A generation: a prefix in common with others, then a text of its own.
    Generate {
        common: usize,
        own: u32,
        tokens: usize,
        answer: u32,
        priority: i32,
        asks: bool,
        reads: bool,
    },
    Evaluate {
        tokens: usize,
        own: u32,
    },
    Prepare {
        common: usize,
    },
    Cancel(usize),
    Read(usize),
    Steps(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let generate = (0..120usize, 0..4u32, 1..60usize, 1..70u32, 0..3i32, 0..5u8, any::<bool>());
    prop_oneof![
        4 => generate.prop_map(|(common, own, tokens, answer, priority, asks, reads)| {
            Act::Generate { common, own, tokens, answer, priority, asks: asks == 0, reads }
        }),
        1 => (1..120usize, 0..4u32).prop_map(|(tokens, own)| Act::Evaluate { tokens, own }),
        1 => (1..120usize).prop_map(|common| Act::Prepare { common }),
        1 => any::<usize>().prop_map(Act::Cancel),
        2 => any::<usize>().prop_map(Act::Read),
        6 => (1..12usize).prop_map(Act::Steps),
    ]
}

/// A text that begins as others do.
fn text(common: usize, own: u32, tokens: usize) -> Vec<u32> {
    let own = (0..tokens as u32).map(|n| (n * 13 + own * 50) % 290);
    prompt(common).into_iter().chain(own).collect()
}

/// A generation that was begun.
struct Begun {
    listener: Listener,
    stop: Stop,
    /// Whether its reader reads after every step.
    reads: bool,
    cancelled: bool,
    prompt: Vec<u32>,
    answer: u32,
    said: Vec<u32>,
    end: Option<Result<()>>,
}

type Told<T> = Arc<Mutex<Option<Result<T>>>>;

struct History<'a> {
    bench: Bench,
    setup: Setup<'a>,
    next: u64,
    begun: BTreeMap<u64, Begun>,
    evaluations: Vec<(Vec<u32>, Told<Vec<u32>>)>,
    prepared: Vec<Told<Usage>>,
    steps: usize,
}

impl<'a> History<'a> {
    fn new(setup: Setup<'a>) -> Self {
        let bench = Bench::new(&setup);
        Self { bench, setup, next: 0, begun: BTreeMap::new(), evaluations: Vec::new(), prepared: Vec::new(), steps: 0 }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Generate { common, own, tokens, answer, priority, asks, reads } => {
                let prompt = text(common, own, tokens);
                let (listener, stop) = self.bench.begin_with(self.next, &prompt, answer, priority, asks);
                let begun = Begun { listener, stop, reads, cancelled: false, prompt, answer, said: Vec::new(), end: None };
                self.begun.insert(self.next, begun);
                self.next += 1;
            }
            Act::Evaluate { tokens, own } => {
                let prompt = text(0, own, tokens);
                let told = self.bench.evaluate(self.next, &prompt);
                self.evaluations.push((prompt, told));
                self.next += 1;
            }
            Act::Prepare { common } => {
                let told = self.bench.prepare(self.next, &prompt(common));
                self.prepared.push(told);
                self.next += 1;
            }
            Act::Cancel(which) if self.next > 0 => {
                if let Some(begun) = self.begun.get_mut(&(which as u64 % self.next)) {
                    begun.cancelled |= begun.end.is_none();
                    begun.stop.set();
                }
            }
            Act::Read(which) if self.next > 0 => self.read(which as u64 % self.next),
            Act::Steps(steps) => (0..steps).for_each(|_| _ = self.step()),
            _ => {}
        }
    }

    /// A reader takes what is there, and says of tokens he is asked about that they are taken.
    fn read(&mut self, id: u64) {
        let Some(begun) = self.begun.get_mut(&id).filter(|begun| begun.end.is_none()) else { return };
        match begun.listener.read() {
            None => {}
            Some(Ok(Some(events))) => {
                begun.said.extend(ids_of(&events));
                if events.iter().any(|event| matches!(event, Event::Token { .. })) {
                    self.bench.scheduler.take(Command::Feed(id, Fed::Keep));
                }
            }
            Some(Ok(None)) => begun.end = Some(Ok(())),
            Some(Err(error)) => begun.end = Some(Err(error)),
        }
    }

    /// One step; false where there was nothing to do.
    fn step(&mut self) -> bool {
        let computed = self.bench.step();
        self.steps += 1;
        let bytes = self.bench.scheduler.parts.kv.bytes();
        assert!(bytes.used <= self.setup.kv_bytes, "the budget is kept: {bytes:?}");
        let holding = self.bench.scheduler.sequences.iter().filter(|sequence| sequence.holds()).count();
        assert!(holding <= self.setup.most_running, "{holding} at once");
        let reading: Vec<u64> = self.begun.iter().filter(|(_, begun)| begun.reads).map(|(&id, _)| id).collect();
        reading.into_iter().for_each(|id| self.read(id));
        computed.is_some()
    }

    /// Lets everybody read and end, and holds what they were told to what they should have been.
    fn end(mut self) {
        let tokens: usize = self.begun.values().map(|begun| begun.prompt.len() + begun.answer as usize).sum();
        let most = self.steps + 60 * (tokens + 200 * self.next as usize + 10);
        while !self.bench.scheduler.sequences.is_empty() {
            let ids: Vec<u64> = self.begun.keys().copied().collect();
            ids.into_iter().for_each(|id| self.read(id));
            let did = self.step();
            assert!(did || self.bench.scheduler.sequences.iter().all(|s| !s.runnable()), "who can go on is let");
            assert!(self.steps < most, "everybody ends in good time");
        }
        let groups = self.setup.groups;
        for (id, mut begun) in std::mem::take(&mut self.begun) {
            if begun.end.is_none() {
                let (ids, end) = begun.listener.rest();
                begun.said.extend(ids);
                begun.end = Some(end);
            }
            let right = expected(groups, &begun.prompt, begun.answer as usize);
            match begun.end.expect("it ended") {
                Ok(()) => assert_eq!(begun.said, right, "sequence {id}"),
                Err(error) => {
                    assert!(begun.cancelled && error.code() == Code::Cancelled, "sequence {id}: {error}");
                    assert_eq!(begun.said, right[..begun.said.len()], "sequence {id}, before it was cancelled");
                }
            }
        }
        for (prompt, told) in self.evaluations {
            let found = told.lock().unwrap().take().expect("it was answered").expect("nothing failed");
            let right = |&n: &usize| expected(groups, &prompt[..=n], 1)[0];
            assert_eq!(found, evaluated(&prompt).iter().map(right).collect::<Vec<_>>());
        }
        for told in self.prepared {
            told.lock().unwrap().take().expect("it was answered").expect("nothing failed");
        }
        let bytes = self.bench.scheduler.parts.kv.bytes();
        assert_eq!(bytes.used, bytes.cached, "only the cache holds anything");
        assert!(bytes.cached <= self.setup.keep);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_ends_as_alone_within_the_budget(
        acts in proptest::collection::vec(act(), 1..24),
        groups in prop_oneof![3 => Just(&FULL[..]), 2 => Just(&MIXED[..]), 1 => Just(&WINDOWS[..])],
        room in 0..400u64,
        keep in prop_oneof![2 => Just(u64::MAX), 1 => Just(0), 1 => 0..200u64],
        most_running in 1..12usize,
        seed in proptest::option::of(any::<u64>()),
    ) {
        // Room for one sequence of the longest kind at least.
        let kv_bytes = crate::kv::bytes_for(groups, 250, CHUNK) + room;
        let drafts = seed.map(|seed| Wild { seed, wrong: 17 });
        let mut history = History::new(Setup { groups, kv_bytes, keep, most_running, drafts, ..Setup::default() });
        acts.into_iter().for_each(|act| history.act(act));
        history.end();
    }
}
