//! File to running model.
//!
//! The model's own thread does the loading, because a backend is prepared, run and dropped on one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;

use wick_compute::{Backend, Cost, Plan};
use wick_kernels::{Cores, Isa, MOST_THREADS, Pool, default_threads};
use wick_models::{Loading, LongFrom, Mix, while_loading};
use wick_spec::{Error, Result, Stop, Warning};
use wick_weights::{Recoded, Tensors};

use crate::budget::{Asked, budget};
use crate::describe::{Source, open, weights_dtype};
use crate::draft::opened;
use crate::info::Info;
use crate::kv::Kv;
use crate::log::{Level, Log};
use crate::machine::Machine;
use crate::model::{Engine, Model, Running};
use crate::options::{BackendKind, DEFAULT_SESSIONS, DeviceKind, KvType, LoadOptions, MOST_SESSIONS};
use crate::saved::{Identity, Keeper};
use crate::scheduler::{CHUNK, Command, Parts, Scheduler};
use crate::stats::Counters;

/// Told bytes done and bytes in all.
pub type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// The backends of this build, the default first.
pub fn backends() -> &'static [&'static str] {
    match () {
        () if cfg!(not(feature = "candle")) => &["cpu", "reference"],
        () if cfg!(target_arch = "x86_64") => &["cpu", "candle", "reference"],
        () => &["candle", "cpu", "reference"],
    }
}

/// The devices of this build.
pub fn devices() -> &'static [&'static str] {
    &["cpu"]
}

/// Threads that a load computes with where its options do not say.
pub fn threads() -> usize {
    default_threads().unwrap_or_else(|_| Cores::read().threads())
}

/// Loads a model on a new thread and calls `ready` from it. `stop` ends the load with `cancelled`.
pub fn load(
    options: LoadOptions,
    progress: Progress,
    log: Log,
    stop: Stop,
    ready: impl FnOnce(Result<Model>) + Send + 'static,
) {
    // The reply is shared with the thread, so that it can be given here if there is no thread.
    let ready = Arc::new(std::sync::Mutex::new(Some(ready)));
    let answer = {
        let ready = ready.clone();
        move |result| {
            if let Some(ready) = ready.lock().ok().and_then(|mut ready| ready.take()) {
                ready(result);
            }
        }
    };
    let refused = {
        let answer = answer.clone();
        move || {
            let loaded = catch_unwind(AssertUnwindSafe(|| prepare(&options, progress, log, &stop)))
                .unwrap_or_else(|_| Err(Error::internal("Loading panicked. Please report it, with the file's name.")));
            match loaded {
                Err(error) => answer(Err(error)),
                Ok((model, None)) => answer(Ok(model)),
                Ok((model, Some((parts, commands)))) => {
                    answer(Ok(model));
                    let closed = Scheduler::new(parts).run(&commands);
                    drop(commands);
                    give_memory_back();
                    drop(closed);
                }
            }
        }
    };
    if let Err(error) = Builder::new().name("wick-model".into()).spawn(refused) {
        answer(Err(Error::io(format!("The system gives no thread to the model: {error}."))));
    }
}

/// Freed memory stays with the thread's allocator, and threads that come and go with models would each keep some.
fn give_memory_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointers, and may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

type Work = Option<(Parts, Receiver<Command>)>;

fn prepare(options: &LoadOptions, mut progress: Progress, log: Log, stop: &Stop) -> Result<(Model, Work)> {
    stop.check()?;
    let source = open(options, &log)?;
    let mut info = source.info.clone();
    let (engine, work) = match &source.plan {
        None => (None, None),
        Some(plan) => {
            let (parts, commands, engine) = start(options, &source, plan, &mut info, &mut progress, &log, stop)?;
            (Some(engine), Some((parts, commands)))
        }
    };
    let model = Model { info: Arc::new(info), tokenizer: source.tokenizer, prompter: source.prompter, engine };
    Ok((model, work))
}

fn start(
    options: &LoadOptions,
    source: &Source,
    plan: &Plan,
    info: &mut Info,
    progress: &mut Progress,
    log: &Log,
    stop: &Stop,
) -> Result<(Parts, Receiver<Command>, Engine)> {
    Isa::chosen()?;
    let pool = pool(options.threads)?;
    // This is the model's thread.
    pool.keep();
    let machine = Machine::read();
    let backend = choose(options, log)?;
    let recoded = options.quantize.map(|mix| quantising(options, mix, source, info, log, stop));
    let tensors: &dyn Tensors = recoded.as_ref().map_or(&*source.tensors, |recoded| recoded);
    let cost = backend.cost(plan, tensors, CHUNK)?;
    let most_running = most_running(options)?;
    let asked = Asked { context: options.context_tokens.map(|n| n as usize), kv_bytes: options.kv_bytes };
    check_context(asked.context, info, log)?;
    let drafts = opened(options, source, &*backend, log)?;
    let weights = cost.weights.saturating_add(drafts.weights());
    let counted = Cost { weights, scratch: cost.scratch.saturating_add(drafts.scratch()), groups: cost.groups.clone() };
    let fit = budget(&counted, asked, info.trained_context_tokens, machine.available_memory_bytes)?;
    let block: u64 = cost.groups.iter().map(|group| group.block).sum();
    log.write(
        Level::Info,
        format_args!(
            "{} on {} ({}, {} threads): {} MiB of weights, a window of {} tokens, keys and values up to {} MiB",
            backend.name(),
            "cpu",
            machine.isa,
            pool.threads(),
            cost.weights >> 20,
            fit.context,
            fit.kv_bytes >> 20
        ),
    );
    progress(0, weights);
    let program = backend.prepare(plan, tensors, &mut |done| progress(done, weights), stop)?;
    let drafter = drafts.prepare(&*backend, fit.context, &mut |done| progress(cost.weights + done, weights), stop)?;
    progress(weights, weights);
    if let Some(warning) = recoded.as_ref().and_then(Recoded::warning) {
        log.write(Level::Warn, &warning.message);
        info.warnings.push(warning.message);
    }
    let program = match options.wrap {
        Some(wrap) => wrap(program),
        None => program,
    };

    info.backend = backend.name();
    info.device = "cpu";
    info.isa = machine.isa;
    info.threads = if backend.name() == "reference" { 1 } else { pool.threads() };
    info.context_tokens = fit.context;
    info.weights_bytes = cost.weights;
    info.kv_bytes_per_token = block / wick_compute::BLOCK as u64;
    let warnings = info.warnings.iter().map(|message| Warning { message: message.clone() }).collect();

    let (send, commands) = channel();
    let (closing, running, counters) = (Stop::default(), Running::new(most_running), Counters::new());
    let identity = Identity::of(options, source, plan);
    if options.no_mmap || options.mlock {
        // The files are not to be held in memory for it afterwards.
        identity.fingerprint(stop)?;
    }
    let keeper = Arc::new(Keeper { identity, kv: kept_by(info, options), groups: cost.groups.clone(), vocab: plan.vocab });
    let engine = Engine { commands: send, closing, running, counters, keeper };
    let parts = Parts {
        program,
        prompter: source.prompter.clone(),
        kv: Kv::new(&cost.groups, fit.kv_bytes, options.prefix_cache_bytes.unwrap_or(u64::MAX)),
        drafter,
        context: fit.context,
        long_over: long_over(source.long_from, fit.context),
        vocab: plan.vocab,
        most_running,
        log: log.clone(),
        warnings,
        closing: engine.closing.clone(),
        running: engine.running.clone(),
        counters: engine.counters.clone(),
    };
    Ok((parts, commands, engine))
}

/// Who keeps keys and values, and how: other bytes mean the same to nobody else.
fn kept_by(info: &Info, options: &LoadOptions) -> String {
    match info.backend {
        "cpu" => format!("cpu {:?}", options.kv_type.unwrap_or_default()).to_lowercase(),
        backend => format!("{backend} on {}", info.device),
    }
}

fn most_running(options: &LoadOptions) -> Result<usize> {
    match options.max_sessions.unwrap_or(DEFAULT_SESSIONS) {
        sessions @ 1..=MOST_SESSIONS => Ok(sessions as usize),
        sessions => Err(Error::invalid_request(format!("maxSessions is {sessions}; it can be from 1 to {MOST_SESSIONS}."))),
    }
}

/// The process's pool, as one of so many threads.
fn pool(threads: Option<usize>) -> Result<Pool> {
    match threads {
        None => default_threads().map(Pool::of_process),
        Some(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(Pool::of_process(threads)),
        Some(threads) => Err(Error::invalid_request(format!("threads is {threads}; it can be from 1 to {MOST_THREADS}."))),
    }
}

/// Tokens beyond which a sequence is a long one, in a window of `context`.
pub(crate) fn long_over(from: Option<LongFrom>, context: usize) -> usize {
    match from {
        Some(LongFrom::Tokens(original)) => original,
        Some(LongFrom::Window(original)) if context > original => 0,
        Some(LongFrom::Window(_)) | None => usize::MAX,
    }
}

/// The files' tensors with their matrices in another type; what that comes to is noted.
fn quantising<'a>(
    options: &LoadOptions,
    mix: &'static Mix,
    source: &'a Source,
    info: &mut Info,
    log: &Log,
    stop: &Stop,
) -> Recoded<'a> {
    let Loading { types, warnings } = while_loading(&*source.tensors, mix);
    for Warning { message } in warnings {
        log.write(Level::Warn, &message);
        info.warnings.push(message);
    }
    let recoded = Recoded::new(&*source.tensors, types, options.mlock, stop);
    info.weights_dtype = weights_dtype(&recoded);
    recoded
}

fn check_context(asked: Option<usize>, info: &mut Info, log: &Log) -> Result<()> {
    let trained = info.trained_context_tokens;
    match asked {
        Some(0) => Err(Error::invalid_request("contextTokens is 0; it must be 1 or more.")),
        Some(asked) if asked > trained => {
            let warning = format!(
                "contextTokens is {asked}, but the model was trained on {trained}; beyond that its answers get worse."
            );
            log.write(Level::Warn, &warning);
            info.warnings.push(warning);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The backend that `auto` is on the processor: ours where it has kernels for the instruction set, candle's elsewhere.
const ON_CPU: BackendKind = match () {
    () if cfg!(any(target_arch = "x86_64", not(feature = "candle"))) => BackendKind::Cpu,
    () => BackendKind::Candle,
};

/// The backend for a device, and why.
fn choose(options: &LoadOptions, log: &Log) -> Result<Box<dyn Backend>> {
    let on_cpu = matches!(options.device, DeviceKind::Auto | DeviceKind::Cpu);
    let kind = match options.backend {
        BackendKind::Auto if on_cpu => ON_CPU,
        BackendKind::Auto => BackendKind::Candle,
        asked => asked,
    };
    if options.kv_type.is_some() && kind != BackendKind::Cpu {
        return Err(Error::unsupported("kvType is for the cpu backend; leave it out, or use backend: 'cpu'."));
    }
    let backend: Box<dyn Backend> = match kind {
        #[cfg(feature = "candle")]
        BackendKind::Candle => Box::new(wick_compute::candle::Candle::new(options.device.into())?),
        #[cfg(not(feature = "candle"))]
        BackendKind::Candle => {
            return Err(Error::unsupported(format!("This build has no candle backend; it has: {}.", backends().join(", "))));
        }
        _ if !on_cpu => {
            let name = if kind == BackendKind::Reference { "reference" } else { "cpu" };
            return Err(Error::unsupported(format!(
                "The {name} backend computes on the processor alone; use device: 'cpu', or leave backend out."
            )));
        }
        BackendKind::Reference => Box::new(wick_compute::reference::Reference),
        BackendKind::Cpu | BackendKind::Auto => {
            Box::new(wick_compute::cpu::Cpu::new(options.kv_type.unwrap_or_default().into())?)
        }
    };
    let why = if options.backend == BackendKind::Auto { "the default of this build" } else { "asked for" };
    log.write(Level::Debug, format_args!("backend {}: {why}", backend.name()));
    Ok(backend)
}

impl From<KvType> for wick_compute::cpu::KvType {
    fn from(kind: KvType) -> Self {
        match kind {
            KvType::F32 => Self::F32,
            KvType::F16 => Self::F16,
            KvType::Q8_0 => Self::Q8_0,
        }
    }
}

#[cfg(feature = "candle")]
impl From<DeviceKind> for wick_compute::candle::Device {
    fn from(kind: DeviceKind) -> Self {
        match kind {
            DeviceKind::Auto | DeviceKind::Cpu => Self::Cpu,
            DeviceKind::Cuda => Self::Cuda,
            DeviceKind::Metal => Self::Metal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_depends_on_the_tokens_or_on_the_window() {
        assert_eq!(long_over(None, 8192), usize::MAX);
        assert_eq!(long_over(Some(LongFrom::Tokens(4096)), 8192), 4096);
        assert_eq!(long_over(Some(LongFrom::Window(4096)), 4096), usize::MAX, "no sequence of this model is");
        assert_eq!(long_over(Some(LongFrom::Window(4096)), 4097), 0, "every one is");
    }
}
