//! A scheduler on a program that looks at nothing but tokens, and says so when what it is shown is not what it computed.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel as channel_of_events};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use wick_compute::{BLOCK, Group, Input, State};
use wick_spec::{Code, Event, Overflow, Request, Sampling, Usage};
use wick_testkit::Random;
use wick_text::Tokenizer;

use super::super::*;
use crate::answer::Answer;
use crate::channel::{Reader, channel};
use crate::describe::open;
use crate::draft::Source;
use crate::options::LoadOptions;

pub(super) const VOCAB: usize = 300;

/// A token that the program cannot compute, and never chooses.
pub(super) const POISON: u32 = VOCAB as u32 - 1;

/// Full attention alone.
pub(super) const FULL: [Group; 1] = [Group { window: None, block: 10 }];

/// Full attention, and layers with a window.
pub(super) const MIXED: [Group; 2] = [Group { window: None, block: 10 }, Group { window: Some(50), block: 3 }];

/// What was computed in a call: tokens there already, new ones, and whether as a long sequence's.
pub(super) type Computed = (usize, usize, bool);

/// A slot holds what was computed into it: a token, its place, and whether as a long sequence's.
pub(super) type Slot = Option<(u32, usize, bool)>;

/// What was read of blocks, which are too small to say it: they have its number.
static SHELF: Mutex<Vec<Vec<Slot>>> = Mutex::new(Vec::new());

/// What the bytes of a block stand for.
pub(super) fn shelved(bytes: &[u8]) -> Vec<Slot> {
    let number = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]);
    SHELF.lock().unwrap()[number as usize].clone()
}

struct Slots {
    groups: Vec<Group>,
    /// By group.
    slots: Vec<Vec<Slot>>,
    computed: Arc<Mutex<Vec<Computed>>>,
}

impl State for Slots {
    fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn blocks(&self, group: usize) -> usize {
        self.slots[group].len() / BLOCK
    }

    fn grow(&mut self, group: usize, blocks: usize) -> Result<()> {
        self.slots[group].resize(blocks * BLOCK, None);
        Ok(())
    }

    fn copy(&mut self, group: usize, from: u32, to: u32) -> Result<()> {
        let from = from as usize * BLOCK;
        self.slots[group].copy_within(from..from + BLOCK, to as usize * BLOCK);
        Ok(())
    }

    fn read(&self, group: usize, block: u32, to: &mut Vec<u8>) -> Result<()> {
        let mut shelf = SHELF.lock().unwrap();
        shelf.push(self.slots[group][block as usize * BLOCK..][..BLOCK].to_vec());
        let mut bytes = (shelf.len() as u32 - 1).to_le_bytes()[..3].to_vec();
        bytes.resize(self.groups[group].block as usize, 0);
        to.extend(bytes);
        Ok(())
    }

    fn write(&mut self, group: usize, block: u32, bytes: &[u8]) -> Result<()> {
        assert_eq!(bytes.len() as u64, self.groups[group].block);
        self.slots[group][block as usize * BLOCK..][..BLOCK].copy_from_slice(&shelved(bytes));
        Ok(())
    }

    fn bytes(&self) -> u64 {
        0
    }
}

impl Program for Slots {
    fn run(&mut self, batch: &Batch, outputs: &mut Outputs, _: &Stop) -> Result<()> {
        outputs.logits = vec![0.0; VOCAB * batch.wanted.len()];
        for span in &batch.spans {
            for (group, slots) in self.slots.iter_mut().enumerate() {
                for (row, n) in batch.rows[span.rows.clone()].iter().zip(span.cached..) {
                    let Input::Token(id) = row.input else { panic!("tokens only") };
                    assert_ne!(id, POISON, "the sequence that panics");
                    assert_eq!(row.position as usize, n);
                    slots[span.blocks[group][n / BLOCK] as usize * BLOCK + n % BLOCK] = Some((id, n, span.long));
                }
            }
            for (at, wanted) in batch.wanted.iter().enumerate().filter(|(_, wanted)| span.rows.contains(&wanted.row)) {
                let last = span.cached + wanted.row - span.rows.start;
                let next = self.next(span, last);
                outputs.logits[at * VOCAB + next as usize] = 9.0;
            }
            self.computed.lock().unwrap().push((span.cached, span.rows.len(), span.long));
        }
        Ok(())
    }

    fn state(&mut self) -> &mut dyn State {
        self
    }
}

impl Slots {
    /// The token after number `last`, a sum over all that the groups see, so that nothing can be left out.
    fn next(&self, span: &wick_compute::Span, last: usize) -> u32 {
        let seen = |(group, slots): (usize, &Vec<Slot>)| {
            let first = self.groups[group].window.map_or(0, |window| (last + 1).saturating_sub(window));
            let tokens = (first..=last).map(|n| {
                let block = span.blocks[group][n / BLOCK] as usize;
                let (id, place, long) = slots[block * BLOCK + n % BLOCK].expect("it was computed");
                assert_eq!((place, long), (n, span.long), "what is cached was computed alike");
                id
            });
            sum(tokens)
        };
        (self.slots.iter().enumerate().map(seen).fold(1, |all, sum| (all * 131 + sum) % 7919) % (VOCAB - 1)) as u32
    }
}

fn sum(tokens: impl Iterator<Item = u32>) -> usize {
    tokens.fold(7, |sum, id| sum * 31 % 7919 + id as usize)
}

/// What the program answers, by its definition.
pub(super) fn expected(groups: &[Group], prompt: &[u32], tokens: usize) -> Vec<u32> {
    let mut all = prompt.to_vec();
    for _ in 0..tokens {
        let seen =
            |group: &Group| sum(all[group.window.map_or(0, |window| all.len().saturating_sub(window))..].iter().copied());
        all.push((groups.iter().map(seen).fold(1, |all, sum| (all * 131 + sum) % 7919) % (VOCAB - 1)) as u32);
    }
    all.split_off(prompt.len())
}

/// How a bench is set up.
pub(super) struct Setup<'a> {
    pub groups: &'a [Group],
    pub long_over: usize,
    pub kv_bytes: u64,
    pub keep: u64,
    pub most_running: usize,
    /// Drafts of every kind of wrongness; `None`: prompt lookup, where it is worth it.
    pub drafts: Option<Wild>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        Self { groups: &FULL, long_over: usize::MAX, kv_bytes: 640, keep: u64::MAX, most_running: 64, drafts: None }
    }
}

/// A scheduler without a thread.
pub(super) struct Bench {
    pub scheduler: Scheduler,
    tokenizer: Arc<Tokenizer>,
    computed: Arc<Mutex<Vec<Computed>>>,
}

impl Bench {
    pub(super) fn new(setup: &Setup<'_>) -> Self {
        static SOURCE: OnceLock<(Arc<Tokenizer>, Arc<Prompter>)> = OnceLock::new();
        let (tokenizer, prompter) = SOURCE.get_or_init(|| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/fixtures/checkpoints/llama");
            let source = open(&LoadOptions { path, ..LoadOptions::default() }, &Log::none()).expect("a fixture");
            (source.tokenizer, source.prompter)
        });
        let computed = Arc::default();
        let groups = setup.groups.to_vec();
        let slots = vec![Vec::new(); groups.len()];
        let parts = Parts {
            program: Box::new(Slots { groups, slots, computed: Arc::clone(&computed) }),
            prompter: prompter.clone(),
            drafter: Drafter::new(setup.drafts.map_or(Source::Lookup, |wild| wild.source(setup.groups)), 9, Log::none()),
            kv: Kv::new(setup.groups, setup.kv_bytes, setup.keep),
            context: 400,
            long_over: setup.long_over,
            vocab: VOCAB,
            most_running: setup.most_running,
            log: Log::none(),
            warnings: Vec::new(),
            closing: Stop::default(),
            running: Running::new(setup.most_running),
            counters: Counters::new(),
        };
        Self { scheduler: Scheduler::new(parts), tokenizer: tokenizer.clone(), computed }
    }

    /// Of full attention, whose sequences are long over so many tokens.
    pub(super) fn long_over(long_over: usize) -> Self {
        Self::new(&Setup { long_over, ..Setup::default() })
    }

    pub(super) fn start(&mut self, id: u64, priority: i32, stop: Stop, work: Work, prompt: Prompt) {
        let mut sequence = Sequence::new(stop, work, prompt);
        (sequence.id, sequence.priority) = (id, priority);
        self.scheduler.take(Command::Start(Box::new(sequence)));
    }

    /// Begins a generation of at most so many tokens.
    pub(super) fn begin(&mut self, id: u64, prompt: &[u32], tokens: u32) -> (Listener, Stop) {
        self.begin_with(id, prompt, tokens, 0, false)
    }

    /// The same with a priority, and perhaps a reader who says what becomes of each token.
    pub(super) fn begin_with(
        &mut self,
        id: u64,
        prompt: &[u32],
        tokens: u32,
        priority: i32,
        asks: bool,
    ) -> (Listener, Stop) {
        let request = Request {
            prompt: Prompt::Tokens(prompt.to_vec()),
            sampling: Sampling { temperature: 0.0, logprobs: Some(0), ..Sampling::default() },
            max_tokens: Some(tokens),
            stop: Vec::new(),
            ignore_end: true,
            ask_tokens: asks,
            overflow: Overflow::Error,
            predict: false,
            priority,
            cache_salt: None,
            reasoning_budget: None,
        };
        let (writer, reader, stop) = channel();
        let answer = Answer::new(&request, self.tokenizer.clone(), VOCAB, Instant::now()).expect("a plain request");
        let work = Work::Generate { answer: Box::new(answer), writer, overflow: Overflow::Error, max_tokens: Some(tokens) };
        self.start(id, priority, stop.clone(), work, request.prompt);
        (Listener { reader, asked: None }, stop)
    }

    /// Begins an evaluation of the last and of every seventh position; the tokens that the logits name will be in the reply.
    pub(super) fn evaluate(&mut self, id: u64, prompt: &[u32]) -> Arc<Mutex<Option<Result<Vec<u32>>>>> {
        let reply = Arc::new(Mutex::new(None));
        let to = Arc::clone(&reply);
        let largest = |row: &[f32]| row.iter().position(|&logit| logit == 9.0).expect("one token is named") as u32;
        let told = move |logits: Result<Vec<f32>>| {
            *to.lock().unwrap() = Some(logits.map(|logits| logits.chunks(VOCAB).map(largest).collect()));
        };
        let positions = evaluated(prompt).iter().map(|&n| n as u32).collect();
        let work = Work::Evaluate { positions, logits: Vec::new(), reply: Some(Box::new(told)) };
        self.start(id, 0, Stop::default(), work, Prompt::Tokens(prompt.to_vec()));
        reply
    }

    /// Begins to compute a prompt ahead.
    pub(super) fn prepare(&mut self, id: u64, prompt: &[u32]) -> Arc<Mutex<Option<Result<Usage>>>> {
        let reply = Arc::new(Mutex::new(None));
        let to = Arc::clone(&reply);
        let work = Work::Prepare(Some(Box::new(move |usage| *to.lock().unwrap() = Some(usage))));
        self.start(id, 0, Stop::default(), work, Prompt::Tokens(prompt.to_vec()));
        reply
    }

    /// One step, and what was computed in it; `None` where there was nothing to do.
    pub(super) fn step(&mut self) -> Option<Vec<Computed>> {
        self.scheduler.step().then(|| std::mem::take(&mut *self.computed.lock().unwrap()))
    }

    /// Goes on to the end of all, and gives what was computed in each step.
    pub(super) fn finish(&mut self) -> Vec<Vec<Computed>> {
        let mut steps = Vec::new();
        while !self.scheduler.sequences.is_empty() {
            steps.push(self.step().expect("something can be done as long as somebody is there"));
        }
        steps.retain(|step| !step.is_empty());
        steps
    }

    /// Runs a generation of at most 60 tokens to its end: their ids, and what was computed for them.
    pub(super) fn generate(&mut self, prompt: &[u32], tokens: u32) -> (Vec<u32>, Vec<Computed>) {
        let (listener, _) = self.begin(0, prompt, tokens);
        let steps = self.finish();
        (listener.ids(), steps.concat())
    }

    /// Whether the sequence is still there.
    pub(super) fn has(&self, id: u64) -> bool {
        self.scheduler.sequences.iter().any(|sequence| sequence.id == id)
    }
}

/// Drafts that are right, or wrong from anywhere on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wild {
    pub seed: u64,
    /// What stands where they are wrong.
    pub wrong: u32,
}

impl Wild {
    fn source(self, groups: &[Group]) -> Source {
        let (mut random, groups) = (Random::new(self.seed), groups.to_vec());
        Source::Wild(Box::new(move |tokens, most| {
            let mut drafts = expected(&groups, tokens, most.min(1 + random.below(9)));
            if random.below(3) > 0 && !drafts.is_empty() {
                let at = random.below(drafts.len());
                drafts[at] = self.wrong;
            }
            drafts
        }))
    }
}

/// The positions that [`Bench::evaluate`] asks for.
pub(super) fn evaluated(prompt: &[u32]) -> Vec<usize> {
    (0..prompt.len()).filter(|n| n % 7 == 3 || n + 1 == prompt.len()).collect()
}

type Said = Result<Option<Vec<Event>>>;

/// Somebody who reads an answer.
pub(super) struct Listener {
    reader: Reader,
    /// Where the answer to an open question will be.
    asked: Option<Receiver<Said>>,
}

impl Listener {
    /// What is ready; `None` when nothing is.
    pub(super) fn read(&mut self) -> Option<Said> {
        let asked = self.asked.take().unwrap_or_else(|| {
            let (send, receive) = channel_of_events();
            self.reader.next(Box::new(move |events| drop(send.send(events))));
            receive
        });
        let said = asked.try_recv().ok();
        if said.is_none() {
            self.asked = Some(asked);
        }
        said
    }

    /// The ids of all that was said, and how it ended.
    pub(super) fn rest(&mut self) -> (Vec<u32>, Result<()>) {
        let mut ids = Vec::new();
        loop {
            match self.read().expect("it is over") {
                Ok(Some(events)) => ids.extend(ids_of(&events)),
                Ok(None) => return (ids, Ok(())),
                Err(error) => return (ids, Err(error)),
            }
        }
    }

    /// The ids of all that was said, of an answer that did not fail.
    pub(super) fn ids(mut self) -> Vec<u32> {
        let (ids, end) = self.rest();
        end.expect("nothing failed");
        ids
    }

    /// How an answer that failed did.
    pub(super) fn code(mut self) -> Code {
        self.rest().1.expect_err("it failed").code()
    }
}

pub(super) fn ids_of(events: &[Event]) -> Vec<u32> {
    let tokens = events.iter().flat_map(|event| match event {
        Event::TextDelta { tokens, .. } => tokens.clone(),
        _ => Vec::new(),
    });
    tokens.map(|token| token.id).collect()
}

/// Of all tokens that there are but the one that cannot be computed.
pub(super) fn prompt(tokens: usize) -> Vec<u32> {
    (0..tokens).map(|n| (n * 37 + 11) as u32 % POISON).collect()
}
