//! Sessions on a loaded model: scheduling, paged keys and values, prefix reuse, memory accounting.
//!
//! A model has one thread that owns its program and all state of its sequences; everyone else sends it commands and is
//! answered through callbacks. Nothing here blocks the caller.

mod answer;
mod budget;
mod channel;
mod convert;
mod describe;
mod draft;
mod fault;
mod info;
mod kv;
mod load;
mod log;
mod machine;
mod model;
mod options;
mod prompt;
mod reasoning;
mod sampling;
mod saved;
mod scheduler;
mod sequence;
mod snapshot;
mod stats;
mod support;
mod turns;

pub use channel::Ready;
pub use convert::{Conversion, Converted, convert};
pub use fault::from_environment as fault_from_environment;
pub use info::Info;
pub use load::{Progress, backends, devices, load, threads};
pub use log::{Level, Log};
pub use machine::Machine;
pub use model::{Model, Session};
pub use options::{BackendKind, DeviceKind, Draft, DraftKind, KvType, LoadOptions, Wrap, quantised_type};
pub use saved::verify_session;
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use support::{Support, support};
pub use wick_spec as spec;
pub use wick_text::{Control, Thought};
