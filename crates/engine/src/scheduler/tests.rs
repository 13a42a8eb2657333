//! Long sequences and others, alone and together, on a program that looks at nothing but tokens and refuses to mix the two.

use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::channel as channel_of_events;
use std::time::Instant;

use wick_compute::{Group, Input, State};
use wick_spec::{Code, Request, Sampling};
use wick_text::Tokenizer;

use super::*;
use crate::answer::Answer;
use crate::channel::{Reader, channel};
use crate::describe::open;
use crate::options::LoadOptions;

const VOCAB: usize = 300;

/// A token that the program cannot compute, and never chooses.
const POISON: u32 = VOCAB as u32 - 1;

/// What was computed in a call: tokens there already, new ones, and whether as a long sequence's.
type Computed = (usize, usize, bool);

/// A slot holds what was computed into it: a token, and whether as a long sequence's.
struct Slots {
    slots: Vec<Option<(u32, bool)>>,
    computed: Arc<Mutex<Vec<Computed>>>,
}

impl State for Slots {
    fn groups(&self) -> &[Group] {
        &[Group { window: None, block: 0 }]
    }

    fn blocks(&self, _: usize) -> usize {
        self.slots.len() / BLOCK
    }

    fn grow(&mut self, _: usize, blocks: usize) -> Result<()> {
        self.slots.resize(blocks * BLOCK, None);
        Ok(())
    }

    fn copy(&mut self, _: usize, from: u32, to: u32) -> Result<()> {
        let from = from as usize * BLOCK;
        self.slots.copy_within(from..from + BLOCK, to as usize * BLOCK);
        Ok(())
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

impl Program for Slots {
    /// The next token is a sum over all that came before, so that nothing can be left out.
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, _: &Stop) -> Result<()> {
        outputs.logits = vec![0.0; VOCAB * batch.wanted.len()];
        for span in &batch.spans {
            let slot = |n: usize| span.blocks[0][n / BLOCK] as usize * BLOCK + n % BLOCK;
            for (row, n) in batch.rows[span.rows.clone()].iter().zip(span.cached..) {
                let Input::Token(id) = row.input else { panic!("tokens only") };
                assert_ne!(id, POISON, "the sequence that panics");
                self.slots[slot(n)] = Some((id, span.long));
            }
            let all = (0..span.cached + span.rows.len()).map(|n| self.slots[slot(n)].expect("it was computed"));
            let sum = all.fold(7usize, |sum, (id, long)| {
                assert_eq!(long, span.long, "what is cached was computed alike");
                sum * 31 % 7919 + id as usize
            });
            if let Some(at) = batch.wanted.iter().position(|wanted| wanted.row + 1 == span.rows.end) {
                outputs.logits[at * VOCAB + sum % (VOCAB - 1)] = 9.0;
            }
            self.computed.lock().unwrap().push((span.cached, span.rows.len(), span.long));
        }
        Ok(())
    }

    fn state(&mut self) -> &mut dyn State {
        self
    }
}

struct Bench {
    scheduler: Scheduler,
    tokenizer: Arc<Tokenizer>,
    computed: Arc<Mutex<Vec<Computed>>>,
}

impl Bench {
    fn new(long_over: usize) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/checkpoints/llama");
        let source = open(&LoadOptions { path, ..LoadOptions::default() }, &Log::none()).expect("a fixture");
        let computed = Arc::default();
        let parts = Parts {
            program: Box::new(Slots { slots: Vec::new(), computed: Arc::clone(&computed) }),
            prompter: source.prompter,
            blocks: Blocks::new(64),
            context: 400,
            long_over,
            vocab: VOCAB,
            log: Log::none(),
            warnings: Vec::new(),
            closing: Stop::default(),
            running: Running::default(),
        };
        Self { scheduler: Scheduler::new(parts), tokenizer: source.tokenizer, computed }
    }

    /// Begins a generation.
    fn begin(&mut self, id: u64, prompt: &[u32], tokens: u32) -> (Reader, Stop) {
        let request = Request {
            prompt: Prompt::Tokens(prompt.to_vec()),
            sampling: Sampling { temperature: 0.0, logprobs: Some(0), ..Sampling::default() },
            max_tokens: Some(tokens),
            stop: Vec::new(),
            ignore_end: true,
            ask_tokens: false,
            overflow: Overflow::Error,
            reasoning_budget: None,
        };
        let (writer, reader, stop) = channel();
        let answer = Answer::new(&request, self.tokenizer.clone(), VOCAB, Instant::now()).expect("a plain request");
        let work = Work::Generate { answer: Box::new(answer), writer, overflow: Overflow::Error, max_tokens: Some(tokens) };
        let mut sequence = Sequence::new(stop.clone(), work, request.prompt);
        sequence.id = id;
        self.scheduler.put_back(sequence);
        (reader, stop)
    }

    /// Goes on to the end of all, and gives what was computed in each step.
    fn finish(&mut self) -> Vec<Vec<Computed>> {
        let mut steps = Vec::new();
        while !self.scheduler.sequences.is_empty() {
            self.scheduler.step();
            steps.push(std::mem::take(&mut *self.computed.lock().unwrap()));
        }
        steps.retain(|step| !step.is_empty());
        steps
    }

    /// Runs a generation of at most 60 tokens to its end: their ids, and what was computed for them.
    fn generate(&mut self, prompt: &[u32], tokens: u32) -> (Vec<u32>, Vec<Computed>) {
        let (reader, _) = self.begin(0, prompt, tokens);
        let steps = self.finish();
        (ids(&reader), steps.concat())
    }
}

/// The ids of all that a session said.
fn ids(reader: &Reader) -> Vec<u32> {
    let (send, receive) = channel_of_events();
    reader.next(Box::new(move |events| send.send(events).expect("the test listens")));
    let events = receive.recv().expect("it is over").expect("nothing failed").expect("it said something");
    let tokens = events.into_iter().flat_map(|event| match event {
        Event::TextDelta { tokens, .. } => tokens,
        _ => Vec::new(),
    });
    tokens.map(|token| token.id).collect()
}

fn prompt(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|n| (n * 37 + 11) as u32 % POISON).collect()
}

#[test]
fn a_sequence_that_outgrows_the_original_context_is_computed_again() {
    let (long, computed) = Bench::new(40).generate(&prompt(30), 20);
    let mut expected = vec![(0, 30, false)];
    expected.extend((30..40).map(|n| (n, 1, false)));
    expected.push((0, 41, true));
    expected.extend((41..49).map(|n| (n, 1, true)));
    assert_eq!(computed, expected);
    assert_eq!(long, Bench::new(usize::MAX).generate(&prompt(30), 20).0, "and no token is sampled twice or lost");
}

#[test]
fn a_long_recomputation_takes_turns_as_a_prompt_does() {
    let (_, computed) = Bench::new(300).generate(&prompt(299), 4);
    assert_eq!(computed[..5], [(0, 256, false), (256, 43, false), (299, 1, false), (0, 256, true), (256, 45, true)]);
}

#[test]
fn what_long_sequences_computed_is_for_long_ones_alone() {
    let mut bench = Bench::new(40);
    let cached = |computed: &[Computed]| (computed[0].0, computed[0].2);
    assert_eq!(cached(&bench.generate(&prompt(50), 1).1), (0, true));
    assert_eq!(cached(&bench.generate(&prompt(30), 1).1), (0, false), "not from the long one's beginning");
    assert_eq!(cached(&bench.generate(&prompt(60), 1).1), (50, true));
    assert_eq!(cached(&bench.generate(&prompt(35), 1).1), (30, false));
    // A model whose window makes all sequences long shares among all.
    let mut bench = Bench::new(0);
    bench.generate(&prompt(50), 1);
    assert_eq!(cached(&bench.generate(&prompt(30), 1).1), (29, true));
}

#[test]
fn answers_go_on_together_and_are_what_they_are_alone() {
    let prompts: Vec<Vec<u32>> = (0..5).map(|n| prompt(20 + 30 * n)[n..].to_vec()).collect();
    let alone: Vec<Vec<u32>> = prompts.iter().map(|prompt| Bench::new(usize::MAX).generate(prompt, 40).0).collect();
    let mut bench = Bench::new(usize::MAX);
    let readers: Vec<_> = prompts.iter().zip(0..).map(|(prompt, id)| bench.begin(id, prompt, 40).0).collect();
    let steps = bench.finish();
    assert_eq!(readers.iter().map(ids).collect::<Vec<_>>(), alone);
    assert!(steps.iter().any(|step| step.len() == 5), "all five in one batch: {steps:?}");
    for step in &steps {
        let prompts: Vec<usize> = step.iter().map(|computed| computed.1).filter(|&rows| rows > 1).collect();
        assert!(prompts.len() <= 1, "one prompt a step");
        assert!(step.len() == 1 || prompts.iter().all(|&rows| rows <= 32), "a short chunk beside answers: {step:?}");
    }
}

#[test]
fn one_that_panics_or_is_cancelled_ends_alone() {
    let (good, other) = (prompt(25), prompt(40)[3..].to_vec());
    let mut bench = Bench::new(usize::MAX);
    let readers = [bench.begin(0, &good, 12).0, bench.begin(1, &other, 12).0];
    (0..8).for_each(|_| bench.scheduler.step());
    let poisoned = bench.begin(2, &[5, POISON, 7], 12).0;
    let (cancelled, stop) = bench.begin(3, &prompt(200), 12);
    (0..3).for_each(|_| bench.scheduler.step());
    stop.set();
    bench.finish();
    for (reader, prompt) in readers.iter().zip([good, other]) {
        assert_eq!(ids(reader), Bench::new(usize::MAX).generate(&prompt, 12).0);
    }
    assert_eq!([code(&poisoned), code(&cancelled)], [Code::Internal, Code::Cancelled]);
}

/// How a session that failed did.
fn code(reader: &Reader) -> Code {
    loop {
        let (send, receive) = channel_of_events();
        reader.next(Box::new(move |events| send.send(events).expect("the test listens")));
        if let Err(error) = receive.recv().expect("it is over") {
            return error.code();
        }
    }
}
