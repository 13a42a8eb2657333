//! What a step costs by the rows in it, on the cpu backend: `steps FILE.gguf [CONTEXT [STEPS [ROWS …]]]`; defaults 100, 20 and
//! 1 2 4 8 16 32.
//!
//! Every row is a sequence of its own with CONTEXT tokens before it, as many answers at once are. Rows take turns, step by step, so
//! that what else the machine does falls on all alike. Printed are medians of STEPS: the time that passed, and the processors' time,
//! which says more on a busy machine (Linux only). Set `WICK_THREADS` and `WICK_CPU`. `speed make` writes a file.

use std::path::Path;
use std::time::Instant;

use wick_compute::cpu::{Cpu, KvType};
use wick_compute::{BLOCK, Backend, Batch, Input, Outputs, Program, Row, Span, Want, Wanted, threads};
use wick_spec::{Error, Result, Stop};
use wick_weights::gguf::File;
use wick_weights::{OpenOptions, Tensors};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(path) = arguments.first() else {
        return Err(Error::invalid_request("steps FILE.gguf [CONTEXT [STEPS [ROWS ...]]]"));
    };
    let numbers: Vec<usize> = arguments[1..].iter().filter_map(|n| n.parse().ok()).collect();
    let number = |i: usize, or: usize| numbers.get(i).copied().unwrap_or(or);
    let rows = numbers.get(2..).filter(|rows| !rows.is_empty()).unwrap_or(&[1, 2, 4, 8, 16, 32]);
    run(Path::new(path), number(0, 100), number(1, 20), rows)
}

fn run(path: &Path, context: usize, steps: usize, rows: &[usize]) -> Result<()> {
    let file = File::open(path, &OpenOptions::default())?;
    let model = wick_models::from_gguf(file.metadata(), &file as &dyn Tensors)?;
    let mut program = Cpu::new(KvType::F16)?.prepare(&model.plan, &file, &mut |_| {}, &Stop::default())?;
    let most = rows.iter().copied().max().unwrap_or(1);
    let tables = fill(&mut *program, context, most)?;
    let mut times = vec![Vec::new(); rows.len()];
    let mut outputs = Outputs::default();
    for step in 0..=steps {
        for (&n, times) in rows.iter().zip(&mut times) {
            let batch = batch(context, &tables[..n]);
            let (started, before) = (Instant::now(), processor());
            program.run(&batch, &mut outputs, &Stop::default())?;
            // The first of each is not counted.
            (step > 0).then(|| times.push((started.elapsed().as_secs_f64(), processor() - before)));
        }
    }
    println!("{} threads, {context} tokens before each row", threads());
    for (n, times) in rows.iter().zip(times) {
        let (passed, processor): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
        let (passed, processor, rate) = (median(passed), median(processor), *n as f64);
        println!(
            "{n:>3} rows  {:7.2} ms  {:6.1} tok/s   processors {:7.2} ms  {:6.1} tok/s a second of one",
            passed * 1e3,
            rate / passed,
            processor * 1e3,
            rate / processor
        );
    }
    Ok(())
}

/// Seconds of processors that this process's threads have taken.
fn processor() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let time = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
    tasks.filter_map(time).filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() * 1e-9
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Blocks for so many sequences of `context` tokens and one more. The first is computed, the others are copies of it: each reads
/// memory of its own. Tables by sequence and group.
fn fill(program: &mut dyn Program, context: usize, sequences: usize) -> Result<Vec<Vec<Vec<u32>>>> {
    let (groups, blocks) = (program.state().groups().len(), (context + 1).div_ceil(BLOCK) as u32);
    let table = |sequence: usize| (sequence as u32 * blocks..(sequence as u32 + 1) * blocks).collect::<Vec<u32>>();
    for group in 0..groups {
        program.state().grow(group, sequences * blocks as usize)?;
    }
    let row = |n: usize| Row { input: Input::Token(3 + n as u32 * 37 % 1000), position: n as u32 };
    let first = Batch {
        rows: (0..context).map(row).collect(),
        spans: vec![Span { rows: 0..context, cached: 0, blocks: vec![table(0); groups], long: false }],
        ..Batch::default()
    };
    program.run(&first, &mut Outputs::default(), &Stop::default())?;
    for (sequence, group) in (1..sequences).flat_map(|sequence| (0..groups).map(move |group| (sequence, group))) {
        table(0).into_iter().zip(table(sequence)).try_for_each(|(from, to)| program.state().copy(group, from, to))?;
    }
    Ok((0..sequences).map(|sequence| vec![table(sequence); groups]).collect())
}

/// The next token of each sequence.
fn batch(context: usize, tables: &[Vec<Vec<u32>>]) -> Batch {
    let row = |n: usize| Row { input: Input::Token(5 + n as u32 * 41), position: context as u32 };
    let span =
        |(n, blocks): (usize, &Vec<Vec<u32>>)| Span { rows: n..n + 1, cached: context, blocks: blocks.clone(), long: false };
    Batch {
        rows: (0..tables.len()).map(row).collect(),
        spans: tables.iter().enumerate().map(span).collect(),
        wanted: (0..tables.len()).map(|row| Wanted { row, want: Want::Logits }).collect(),
        embeddings: Vec::new(),
    }
}
