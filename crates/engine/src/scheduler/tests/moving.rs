//! Keys and values out to files and in from them, beside whatever else goes on.

use std::sync::mpsc::{Receiver, channel};

use wick_compute::{BLOCK, Group};
use wick_spec::Code;

use super::super::*;
use super::bench::{Bench, FULL, MIXED, Setup, expected, prompt, shelved};
use crate::saved::{Bringer, Brought, Extent, Getter, Given, Place, bringing, giving};
use crate::sequence::Sequence;

/// A save whose pieces are single blocks, and the writer's end of it.
fn save(bench: &mut Bench, id: u64, tokens: &[u32], stop: &Stop) -> (Getter, Receiver<Command>) {
    let (commands, woken) = channel();
    let (giver, getter) = giving(commands, 1);
    bench.start(id, 0, stop.clone(), Work::Save(Box::new(giver)), Prompt::Tokens(tokens.to_vec()));
    (getter, woken)
}

/// What came so far.
#[derive(Default)]
struct Written {
    extent: Option<Extent>,
    blocks: Vec<Vec<u8>>,
    ended: bool,
}

impl Written {
    /// Takes one thing, if there is one.
    fn take(&mut self, from: &Getter) {
        match from.try_next().filter(|_| !self.ended) {
            Some(Ok(Given::Begin(extent))) => self.extent = Some(extent),
            Some(Ok(Given::Blocks(bytes))) => {
                self.blocks.push(bytes);
                from.written();
            }
            Some(Ok(Given::End)) => self.ended = true,
            Some(Err(error)) => panic!("{error}"),
            None => {}
        }
    }

    /// Holds what was written to the tokens.
    fn check(&self, tokens: &[u32], groups: &[Group]) {
        let extent = self.extent.as_ref().expect("it began");
        assert!(self.ended);
        assert_eq!((extent.kept, extent.long), (tokens.len(), false));
        let places: Vec<_> = extent.places().collect();
        assert_eq!(places.len(), self.blocks.len(), "each block once");
        for (place, bytes) in places.iter().zip(&self.blocks) {
            assert_eq!(bytes.len() as u64, groups[place.group].block);
            let from = place.index * BLOCK;
            let of = &tokens[from..tokens.len().min(from + BLOCK)];
            let slots = shelved(bytes);
            let there: Vec<_> = slots[..of.len()].iter().map(|slot| slot.expect("it was computed")).collect();
            let right: Vec<_> = of.iter().zip(from..).map(|(&id, n)| (id, n, false)).collect();
            assert_eq!(there, right, "{place:?}");
        }
    }
}

/// A session that was computed and saved.
fn written(groups: &[Group], tokens: &[u32]) -> Written {
    let mut bench = Bench::new(&Setup { groups, ..Setup::default() });
    let (getter, _woken) = save(&mut bench, 0, tokens, &Stop::default());
    let mut written = Written::default();
    while !written.ended {
        bench.step();
        written.take(&getter);
    }
    written
}

#[test]
fn a_save_is_whole_whatever_takes_its_room_and_however_slow_its_writer_is() {
    for groups in [&FULL[..], &MIXED] {
        for slowness in [1, 3, 20] {
            let tokens = prompt(300);
            // Room for the session and little more: the answers beside it take its keys and values away.
            let room = groups.iter().map(|group| group.block * 13).sum();
            let mut bench = Bench::new(&Setup { groups, kv_bytes: room, ..Setup::default() });
            let (getter, _woken) = save(&mut bench, 1, &tokens, &Stop::default());
            let others: Vec<Vec<u32>> = (0..4).map(|n| prompt(90 + n)[n..].to_vec()).collect();
            let (mut said, mut written, mut steps) = (Vec::new(), Written::default(), 0);
            while bench.has(1) || said.len() < others.len() {
                bench.step();
                steps += 1;
                assert!(steps < 5000, "it goes on");
                if steps % slowness == 0 {
                    written.take(&getter);
                }
                if steps % 10 == 0 && said.len() < others.len() {
                    let id = 2 + said.len();
                    said.push(bench.begin_with(id as u64, &others[id - 2], 50, 1, false).0);
                }
            }
            bench.finish();
            while !written.ended {
                written.take(&getter);
            }
            written.check(&tokens, groups);
            for (reader, other) in said.into_iter().zip(&others) {
                assert_eq!(reader.ids(), expected(groups, other, 50));
            }
            assert!(bench.scheduler.parts.counters.read().preemptions > 0, "its room was taken");
        }
    }
}

#[test]
fn a_writer_that_is_gone_or_a_cancel_ends_a_save() {
    let (stop, tokens) = (Stop::default(), prompt(300));
    let mut bench = Bench::new(&Setup::default());
    let (getter, _woken) = save(&mut bench, 0, &tokens, &stop);
    while bench.step().is_some() {}
    assert!(bench.has(0), "it waits for its writer");
    drop(getter);
    bench.finish();
    let (getter, _woken) = save(&mut bench, 1, &tokens, &stop);
    (0..3).for_each(|_| drop(bench.step()));
    stop.set();
    bench.finish();
    let ended = std::iter::from_fn(|| getter.try_next()).find_map(Result::err);
    assert_eq!(ended.expect("it is told").code(), Code::Cancelled);
    let bytes = bench.scheduler.parts.kv.bytes();
    assert_eq!(bytes.used, bytes.cached, "nobody owns any of it");
}

/// A restore of what was written, and the reader's end of it.
fn restore(bench: &mut Bench, id: u64, tokens: &[u32], of: &Written) -> (Bringer, Receiver<Command>, Receiver<Result<()>>) {
    let ((commands, woken), (tell, told)) = (channel(), channel());
    let extent = of.extent.clone().expect("it was saved");
    let (bringer, taker) = bringing(extent, Box::new(move |result| drop(tell.send(result))), commands);
    let mut sequence = Sequence::restored(Stop::default(), taker, tokens.to_vec());
    sequence.id = id;
    bench.scheduler.take(Command::Start(Box::new(sequence)));
    (bringer, woken, told)
}

/// Brings the blocks one by one, and does `between` after each.
fn bring(bench: &mut Bench, bringer: &Bringer, of: &Written, mut between: impl FnMut(&mut Bench, usize)) {
    let places: Vec<Place> = of.extent.as_ref().expect("it was saved").places().collect();
    for (n, (place, bytes)) in places.into_iter().zip(&of.blocks).enumerate() {
        if bringer.bring(Ok(Brought::Blocks(vec![place], bytes.clone()))) {
            // It may have others to tend to first.
            (0..4).for_each(|_| drop(bench.step()));
            between(bench, n);
        }
    }
    bringer.bring(Ok(Brought::End));
}

#[test]
fn a_restored_session_is_found_and_gives_the_same_answers() {
    for groups in [&FULL[..], &MIXED, &MIXED[1..]] {
        for tokens in [1, 31, 32, 33, 96, 130, 300] {
            let tokens = prompt(tokens);
            let of = written(groups, &tokens);
            of.check(&tokens, groups);
            let mut bench = Bench::new(&Setup { groups, ..Setup::default() });
            // Its beginning is there already.
            bench.generate(&tokens[..tokens.len() / 2 + 1], 3);
            let (bringer, _woken, told) = restore(&mut bench, 7, &tokens, &of);
            bring(&mut bench, &bringer, &of, |_, _| ());
            bench.finish();
            told.recv().expect("it is told").expect("all was right");
            let on = [&tokens[..], &[5, 6]].concat();
            let (ids, computed) = bench.generate(&on, 20);
            assert_eq!(ids, expected(groups, &on, 20));
            assert_eq!(computed[0], (tokens.len(), 2, false), "nothing is computed again");
            let (ids, computed) = bench.generate(&tokens, 20);
            assert_eq!(ids, expected(groups, &tokens, 20));
            assert_eq!(computed[0].1, 1, "all but the last of its own tokens are found, too");
            let bytes = bench.scheduler.parts.kv.bytes();
            assert_eq!(bytes.used, bytes.cached);
        }
    }
}

#[test]
fn a_restore_takes_nothing_from_those_that_run_and_gives_way_to_them() {
    for groups in [&FULL[..], &MIXED] {
        let tokens = prompt(300);
        let of = written(groups, &tokens);
        // Room for it, but for what comes beside it from the fifth block on.
        let room = groups.iter().map(|group| group.block * 12).sum();
        let mut bench = Bench::new(&Setup { groups, kv_bytes: room, ..Setup::default() });
        let (bringer, _woken, told) = restore(&mut bench, 1, &tokens, &of);
        let others: Vec<Vec<u32>> = (0..3).map(|n| prompt(120 + n)[n..].to_vec()).collect();
        let mut said = Vec::new();
        bring(&mut bench, &bringer, &of, |bench, n| {
            if n >= 5 && said.len() < others.len() {
                said.push(bench.begin(2 + said.len() as u64, &others[said.len()], 60).0);
            }
            assert!(bench.scheduler.parts.kv.bytes().used <= room);
        });
        bench.finish();
        told.recv().expect("it is told").expect("what has no room is not there, and that is all");
        for (reader, other) in said.into_iter().zip(&others) {
            assert_eq!(reader.ids(), expected(groups, other, 60));
        }
        let on = [&tokens[..], &[5, 6]].concat();
        assert_eq!(bench.generate(&on, 20).0, expected(groups, &on, 20));
    }
}

#[test]
fn a_restore_whose_file_is_damaged_leaves_what_was_right() {
    let tokens = prompt(300);
    let of = written(&FULL, &tokens);
    let mut bench = Bench::new(&Setup::default());
    let (bringer, _woken, told) = restore(&mut bench, 1, &tokens, &of);
    let places: Vec<Place> = of.extent.as_ref().expect("it was saved").places().collect();
    bringer.bring(Ok(Brought::Blocks(places[..4].to_vec(), of.blocks[..4].concat())));
    bringer.bring(Err(Error::invalid_request("It is damaged.")));
    bench.finish();
    assert_eq!(told.recv().expect("it is told").expect_err("damaged").code(), Code::InvalidRequest);
    let (ids, computed) = bench.generate(&tokens, 5);
    assert_eq!(ids, expected(&FULL, &tokens, 5));
    assert!(computed[0].0 >= 3 * BLOCK, "{computed:?}");
}
