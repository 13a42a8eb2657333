//! What a load's drafts will come from: a draft model's files are held to the model's vocabulary, and counted, before either is loaded.

use std::path::PathBuf;

use wick_compute::{Backend, Plan};
use wick_spec::{Error, Result, Stop};

use super::model::{DraftModel, Parts, shared_vocabulary};
use super::{Drafter, MOST_TOKENS, Source, TOKENS, drafts_change_nothing};
use crate::describe::{self, open};
use crate::kv::{Kv, bytes_for};
use crate::load::long_over;
use crate::log::{Level, Log};
use crate::options::{Draft, DraftKind, LoadOptions};
use crate::scheduler::CHUNK;

/// Tokens whose keys and values a draft model keeps, over all sequences.
const KEPT_TOKENS: usize = 16_384;

/// Drafts of a load whose weights are not loaded yet.
pub(crate) struct Opened {
    from: From,
    most: usize,
    log: Log,
}

enum From {
    None,
    Lookup,
    Model(Box<Files>),
}

/// A draft model's files.
struct Files {
    source: describe::Source,
    plan: Plan,
    /// Ids that both models know.
    vocab: usize,
    weights: u64,
    scratch: u64,
    kv: u64,
}

/// Opens what the options ask for. `unsupported` where a draft could change an answer, or another vocabulary is a draft model's;
/// `invalid-request` for a number of tokens that is out of range; what opening a model says.
pub(crate) fn opened(options: &LoadOptions, target: &describe::Source, backend: &dyn Backend, log: &Log) -> Result<Opened> {
    let exact = drafts_change_nothing(backend.name());
    let draft = options.draft.clone().unwrap_or_else(|| match exact {
        true => Draft::default(),
        false => Draft { kind: DraftKind::None, tokens: None },
    });
    let most = draft.tokens.map_or(TOKENS, |tokens| tokens as usize);
    if !(1..=MOST_TOKENS).contains(&most) {
        return Err(Error::invalid_request(format!("draft.tokens is {most}; it can be from 1 to {MOST_TOKENS}.")));
    }
    if !exact && draft.kind != DraftKind::None {
        return Err(Error::unsupported(format!(
            "draft is for the cpu and reference backends: on {} a draft could change an answer. Leave it out, or use backend: 'cpu'.",
            backend.name()
        )));
    }
    let from = match draft.kind {
        DraftKind::None => From::None,
        DraftKind::PromptLookup => From::Lookup,
        DraftKind::Model(path) => {
            let files = files(path, options, target, backend).map_err(|error| error.context("The draft model"))?;
            From::Model(Box::new(files))
        }
    };
    Ok(Opened { from, most, log: log.clone() })
}

fn files(path: PathBuf, options: &LoadOptions, target: &describe::Source, backend: &dyn Backend) -> Result<Files> {
    let options = LoadOptions { path, no_mmap: options.no_mmap, mlock: options.mlock, ..LoadOptions::default() };
    let source = open(&options, &Log::none())?;
    let vocab = shared_vocabulary(&target.tokenizer, &source.tokenizer)?;
    let plan = source.plan.clone().ok_or_else(|| Error::internal("It was opened for its vocabulary alone."))?;
    let cost = backend.cost(&plan, &*source.tensors, CHUNK)?;
    let (vocab, kv) = (vocab.min(plan.vocab), bytes_for(&cost.groups, KEPT_TOKENS, CHUNK));
    Ok(Files { source, plan, vocab, weights: cost.weights, scratch: cost.scratch, kv })
}

impl Opened {
    /// Bytes that will be taken, beside the weights.
    pub(crate) fn scratch(&self) -> u64 {
        if let From::Model(files) = &self.from { files.scratch.saturating_add(files.kv) } else { 0 }
    }

    /// Bytes of weights.
    pub(crate) fn weights(&self) -> u64 {
        if let From::Model(files) = &self.from { files.weights } else { 0 }
    }

    /// Loads the weights, beside a model with a window of `context`.
    pub(crate) fn prepare(
        self,
        backend: &dyn Backend,
        context: usize,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
    ) -> Result<Drafter> {
        let source = match self.from {
            From::None => Source::None,
            From::Lookup => Source::Lookup,
            From::Model(files) => {
                let model = files.prepare(backend, context, progress, stop, &self.log);
                Source::Model(Box::new(model.map_err(|error| error.context("The draft model"))?))
            }
        };
        Ok(Drafter::new(source, self.most, self.log))
    }
}

impl Files {
    fn prepare(
        self,
        backend: &dyn Backend,
        context: usize,
        progress: &mut dyn FnMut(u64),
        stop: &Stop,
        log: &Log,
    ) -> Result<DraftModel> {
        let Self { source, plan, vocab, weights, kv, .. } = self;
        let mut program = backend.prepare(&plan, &*source.tensors, progress, stop)?;
        let context = context.min(source.info.trained_context_tokens);
        log.write(
            Level::Info,
            format_args!(
                "drafts come from {}: {} MiB of weights, {context} tokens a sequence, keys and values up to {} MiB",
                source.info.path,
                weights >> 20,
                kv >> 20
            ),
        );
        let kv = Kv::new(program.state().groups(), kv, kv);
        let long_over = long_over(source.long_from, context);
        Ok(DraftModel::new(Parts { program, kv, context, long_over, vocab }))
    }
}
