//! What the machine has: cores, memory, instruction set. Read from the operating system, limits of the control group kept.

use std::fs;

use wick_kernels::{Cores, Isa};

/// A report on the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The instruction set wick computes with, the widest there is or what `WICK_CPU` forces: `avx512`, `avx2`, `neon` or `scalar`.
    pub isa: &'static str,
    /// Physical cores that this process may use by affinity; hyper-threads of one core count once.
    pub physical_cores: usize,
    /// Processors this process may keep busy, by affinity and the control group's quota.
    pub usable_cores: usize,
    /// Bytes of memory, the control group's limit where that is lower.
    pub memory_bytes: u64,
    /// Bytes that can be taken now without swapping.
    pub available_memory_bytes: u64,
}

impl Machine {
    /// Reads the report now.
    pub fn read() -> Self {
        let cores = Cores::read();
        let (memory_bytes, available_memory_bytes) = memory();
        Self {
            isa: isa(),
            physical_cores: cores.physical,
            usable_cores: cores.usable(),
            memory_bytes,
            available_memory_bytes,
        }
    }
}

fn isa() -> &'static str {
    match Isa::chosen() {
        Ok(isa) if isa == Isa::SCALAR && cfg!(target_arch = "aarch64") => "neon",
        Ok(isa) => isa.name(),
        // The load says what is wrong with WICK_CPU.
        Err(_) => Isa::SCALAR.name(),
    }
}

/// Total and available bytes; `u64::MAX` twice where the system does not say.
fn memory() -> (u64, u64) {
    let field = |text: &str, name: &str| -> Option<u64> {
        let kib = text.lines().find_map(|line| line.strip_prefix(name))?.trim().trim_end_matches(" kB").trim();
        Some(kib.parse::<u64>().ok()? * 1024)
    };
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = field(&text, "MemTotal:").unwrap_or(u64::MAX);
    let available = field(&text, "MemAvailable:").unwrap_or(total);
    match cgroup() {
        Some((limit, used)) if limit < total => (limit, available.min(limit.saturating_sub(used))),
        _ => (total, available),
    }
}

/// Limit and use of the control group, version 2 or 1. Page cache that can be dropped does not count as used.
fn cgroup() -> Option<(u64, u64)> {
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let stat = |path: &str, name: &str| -> u64 {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0)
    };
    let v2 = || {
        let cache = stat("/sys/fs/cgroup/memory.stat", "inactive_file ");
        Some((number("/sys/fs/cgroup/memory.max")?, number("/sys/fs/cgroup/memory.current")?.saturating_sub(cache)))
    };
    let v1 = || {
        let cache = stat("/sys/fs/cgroup/memory/memory.stat", "total_inactive_file ");
        let used = number("/sys/fs/cgroup/memory/memory.usage_in_bytes")?.saturating_sub(cache);
        Some((number("/sys/fs/cgroup/memory/memory.limit_in_bytes")?, used))
    };
    v2().or_else(v1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_possible() {
        let machine = Machine::read();
        assert!(machine.physical_cores >= 1 && machine.usable_cores >= 1);
        assert!(machine.available_memory_bytes <= machine.memory_bytes);
        assert!(machine.available_memory_bytes > 0);
    }
}
