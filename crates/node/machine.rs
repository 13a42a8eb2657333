//! The machine and this build, as they cross.

use napi_derive::napi;
use wick_engine::{Machine, backends, devices, threads};

/// What the machine has and what this build would choose.
#[napi(object, object_from_js = false)]
pub struct NativeMachine {
    /// The widest instruction set the CPU has: `avx512`, `avx2`, `neon` or `scalar`.
    pub isa: String,
    /// Physical cores this process may use, by affinity; hyper-threads of one core count once.
    pub physical_cores: u32,
    /// Processors this process may keep busy, by affinity and the control group's quota.
    pub usable_cores: u32,
    /// Threads a load would compute with now.
    pub threads: u32,
    pub memory_bytes: f64,
    pub available_memory_bytes: f64,
    pub devices: Vec<String>,
    pub backends: Vec<String>,
    pub version: String,
}

/// Reads the report now.
#[napi(catch_unwind)]
pub fn machine() -> NativeMachine {
    let machine = Machine::read();
    NativeMachine {
        isa: machine.isa.into(),
        physical_cores: machine.physical_cores as u32,
        usable_cores: machine.usable_cores as u32,
        threads: threads() as u32,
        memory_bytes: machine.memory_bytes as f64,
        available_memory_bytes: machine.available_memory_bytes as f64,
        devices: devices().iter().map(ToString::to_string).collect(),
        backends: backends().iter().map(ToString::to_string).collect(),
        version: env!("CARGO_PKG_VERSION").into(),
    }
}
