//! Groups of layers: what is behind a window is not looked at, each group has blocks of its own, and a block's bytes are the block.

use std::slice::from_ref;

use wick_compute::{BLOCK, Outputs, Program, State};
use wick_spec::{Code, Stop};
use wick_testkit::{Random, Shape, assert_close};

use crate::{Case, Sequence, backends, batch, prepare, run};

/// Tokens of the sequences here: four blocks, the last not full.
const TOKENS: usize = 3 * BLOCK + 5;

/// Each backend with each window: within a block, of a block and across its border, and of two. Every second layer has it; of a
/// single one all do.
fn each_window(check: impl Fn(&Case, &Shape, usize)) {
    for case in backends() {
        for (window, layers) in [(1, 2), (9, 3), (BLOCK, 3), (BLOCK + 1, 1), (2 * BLOCK + 3, 3)] {
            check(&case, &Shape { layers, window: Some(window), ..Shape::with_extras(window as u64) }, window);
        }
    }
}

fn sequence(shape: &Shape) -> Sequence {
    Sequence::random(&mut Random::new(11), shape, TOKENS, vec![2, 0, 3, 1])
}

/// The window's table is the last, since full attention comes first.
fn windowed(sequence: &mut Sequence) -> &mut Vec<u32> {
    sequence.blocks.last_mut().expect("every shape here has a window")
}

/// Logits of all rows, computed in chunks of so many; `prepare` sees each chunk before it is computed.
fn in_chunks(program: &mut dyn Program, sequence: &Sequence, chunk: usize, prepare: impl Fn(&mut Sequence)) -> Vec<f32> {
    let mut logits = Vec::new();
    for start in (0..TOKENS).step_by(chunk) {
        let mut part = sequence.until(TOKENS.min(start + chunk)).from(start);
        prepare(&mut part);
        logits.extend(run(program, &batch(&[part])).logits);
    }
    logits
}

#[test]
fn what_is_behind_a_window_may_be_anything() {
    each_window(|case, shape, window| {
        let sequence = sequence(shape);
        let expected = run(&mut *prepare(&*case.backend, shape, 4), &batch(from_ref(&sequence))).logits;
        for chunk in [1, 7, BLOCK, 45, TOKENS] {
            let forget = |part: &mut Sequence| {
                let first = (part.cached + 1).saturating_sub(window);
                windowed(part)[..first / BLOCK].fill(u32::MAX);
            };
            let logits = in_chunks(&mut *prepare(&*case.backend, shape, 4), &sequence, chunk, forget);
            assert_close(&logits, &expected, case.itself, &format!("{} by {chunk} on {shape:?}", case.backend.name()));
        }
    });
}

#[test]
fn only_wanted_rows_need_no_more_of_a_window() {
    each_window(|case, shape, window| {
        let mut sequence = sequence(shape);
        let expected = run(&mut *prepare(&*case.backend, shape, 4), &batch(from_ref(&sequence))).logits;
        let mut program = prepare(&*case.backend, shape, 4);
        let cached = TOKENS - 4;
        run(&mut *program, &batch(&[sequence.until(cached)]));
        windowed(&mut sequence)[..(cached + 1).saturating_sub(window) / BLOCK].fill(u32::MAX);
        let mut last = batch(&[sequence.from(cached)]);
        last.wanted.drain(..3);
        let logits = run(&mut *program, &last).logits;
        assert_close(&logits, &expected[expected.len() - shape.vocab..], case.itself, case.backend.name());
    });
}

#[test]
fn a_window_needs_no_more_blocks_than_it_sees() {
    each_window(|case, shape, window| {
        let sequence = sequence(shape);
        let expected = run(&mut *prepare(&*case.backend, shape, 4), &batch(from_ref(&sequence))).logits;
        let chunk = 6;
        // What a chunk sees begins anywhere in a block. Those that fell behind are used again, for what comes.
        let ring = (window + chunk - 1 + BLOCK - 1).div_ceil(BLOCK) as u32;
        let again = |part: &mut Sequence| (0..).zip(windowed(part)).for_each(|(n, block)| *block = n % ring);
        let mut program =
            case.backend.prepare(&shape.plan(), &shape.checkpoint(7), &mut |_| {}, &Stop::default()).expect("fits");
        let last = program.state().groups().len() - 1;
        (0..last).for_each(|group| program.state().grow(group, 4).expect("small"));
        program.state().grow(last, ring as usize).expect("small");
        let logits = in_chunks(&mut *program, &sequence, chunk, again);
        assert_close(&logits, &expected, case.itself, &format!("{} on {shape:?}", case.backend.name()));
    });
}

#[test]
fn each_group_has_ids_of_its_own() {
    each_window(|case, shape, _| {
        let sequence = sequence(shape);
        let expected = run(&mut *prepare(&*case.backend, shape, 4), &batch(from_ref(&sequence))).logits;
        let mut program = prepare(&*case.backend, shape, 6);
        let mut other = sequence.clone();
        *windowed(&mut other) = vec![5, 3, 4, 0];
        let logits = in_chunks(&mut *program, &other, 40, |_| {});
        assert_close(&logits, &expected, case.itself, case.backend.name());
        if other.blocks.len() > 1 {
            // In one group a block is copied over, in the other the one with its id is as it was.
            program.state().copy(0, 0, 3).expect("both are there");
            let ids = [sequence.ids.clone(), vec![1]].concat();
            let spoiled =
                run(&mut *program, &batch(&[Sequence { ids: ids.clone(), cached: TOKENS, ..other.clone() }])).logits;
            let whole = run(&mut *prepare(&*case.backend, shape, 4), &batch(&[Sequence { ids, ..sequence }])).logits;
            assert_ne!(spoiled, whole[whole.len() - shape.vocab..], "a block of full attention was overwritten");
        }
    });
}

/// A block's bytes.
fn read(state: &dyn State, group: usize, block: u32) -> Vec<u8> {
    let mut bytes = vec![7];
    state.read(group, block, &mut bytes).expect("it is there");
    assert_eq!((bytes.remove(0), bytes.len() as u64), (7, state.groups()[group].block), "appended, and whole");
    bytes
}

#[test]
fn what_is_read_from_one_program_goes_on_in_another() {
    each_window(|case, shape, _| {
        let sequence = sequence(shape);
        let before = 2 * BLOCK + 7;
        let mut first = prepare(&*case.backend, shape, 4);
        run(&mut *first, &batch(&[sequence.until(before)]));
        let rest = batch(&[sequence.from(before)]);
        let expected = run(&mut *first, &rest).logits;
        // Read after the fact: what came later is overwritten by the same.
        let mut same = prepare(&*case.backend, shape, 4);
        let mut other = prepare(&*case.backend, shape, 9);
        let mut moved = sequence.from(before);
        for group in 0..sequence.blocks.len() {
            let places = if group == 0 { [8, 1, 6, 3] } else { [0, 7, 2, 5] };
            for (&from, to) in sequence.blocks[group].iter().zip(places) {
                let bytes = read(first.state(), group, from);
                same.state().write(group, from, &bytes).expect("as many bytes");
                other.state().write(group, to, &bytes).expect("as many bytes");
                assert_eq!(read(other.state(), group, to), bytes, "{}", case.backend.name());
            }
            moved.blocks[group] = places.to_vec();
        }
        assert_eq!(run(&mut *same, &rest).logits, expected, "{}", case.backend.name());
        let logits = run(&mut *other, &batch(&[moved])).logits;
        assert_close(&logits, &expected, case.itself, case.backend.name());
    });
}

#[test]
fn bytes_of_another_number_or_for_no_block_are_an_error() {
    each_window(|case, shape, _| {
        let mut program = prepare(&*case.backend, shape, 2);
        let sequence = Sequence::random(&mut Random::new(3), shape, BLOCK + 4, vec![0, 1]);
        let expected = run(&mut *program, &batch(from_ref(&sequence))).logits;
        let groups = sequence.blocks.len();
        let (state, mut bytes) = (program.state(), Vec::new());
        for group in 0..groups {
            let size = state.groups()[group].block as usize;
            for wrong in [0, 1, size - 1, size + 1, 2 * size] {
                let error = state.write(group, 0, &vec![1; wrong]).expect_err("not a block");
                assert_eq!((error.code(), error.detail()[1]), (Code::InvalidRequest, ("givenBytes", wrong as u64)));
            }
        }
        for (group, block) in [(0, 2), (0, u32::MAX), (groups, 0)] {
            let size = state.groups()[0].block as usize;
            assert_eq!(state.read(group, block, &mut bytes).expect_err("not there").code(), Code::Internal);
            assert_eq!(state.write(group, block, &vec![1; size]).expect_err("not there").code(), Code::Internal);
            assert_eq!(state.copy(group, 0, block).expect_err("not there").code(), Code::Internal);
        }
        assert_eq!(state.grow(groups, 3).expect_err("not there").code(), Code::Internal);
        assert_eq!((bytes.len(), state.blocks(groups)), (0, 0));
        // None of it has touched a block.
        let mut again = Outputs::default();
        program.run(&batch(&[sequence.from(BLOCK)]), &mut again, &Stop::default()).expect("in order");
        let tail = &expected[BLOCK * shape.vocab..];
        assert_close(&again.logits, tail, case.itself, case.backend.name());
    });
}
