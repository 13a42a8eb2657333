//! How many threads to compute with.
//!
//! One a physical core that the process may use: two on one core share what computes. A control group's quota is rounded to the nearest
//! whole number: with 1.5 CPUs two threads compute for three quarters of the time, which is more than one does, and with 1.4 one that is
//! never stopped is as good. Read from Linux's files; elsewhere the standard library says what there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::thread::available_parallelism;

use wick_spec::{Error, Result};

/// The most threads that may be asked for.
pub const MOST_THREADS: usize = 1024;

/// The processors that this process may use.
#[derive(Debug, Clone, PartialEq)]
pub struct Cores {
    /// Logical processors, by affinity.
    pub allowed: usize,
    /// Physical cores among these; hyper-threads of one core count once.
    pub physical: usize,
    /// Processors' worth of time that the control group and those above it allow; `None`: all.
    pub quota: Option<f64>,
}

impl Cores {
    /// Reads the report now.
    pub fn read() -> Self {
        let root = Path::new("/");
        let allowed = allowed(root).unwrap_or_else(|| available_parallelism().map_or(1, usize::from));
        Self { allowed, physical: physical(root).unwrap_or(allowed), quota: quota(root) }
    }

    /// As at the first call.
    pub(crate) fn of_process() -> &'static Self {
        static CORES: OnceLock<Cores> = OnceLock::new();
        CORES.get_or_init(Self::read)
    }

    /// Processors that may be kept busy, 1 and up.
    pub fn usable(&self) -> usize {
        within(self.allowed, self.quota)
    }

    /// Threads to compute with, 1 and up.
    pub fn threads(&self) -> usize {
        within(self.physical, self.quota)
    }
}

fn within(count: usize, quota: Option<f64>) -> usize {
    let quota = quota.map_or(usize::MAX, |quota| quota.round() as usize);
    count.min(quota).max(1)
}

/// Threads to compute with where nobody says otherwise: what the environment variable `WICK_THREADS` says, else [`Cores::threads`].
/// `invalid-request` when the variable is no number from 1 to [`MOST_THREADS`].
pub fn default_threads() -> Result<usize> {
    asked(std::env::var("WICK_THREADS").ok().as_deref()).map(|asked| asked.unwrap_or_else(|| Cores::of_process().threads()))
}

fn asked(variable: Option<&str>) -> Result<Option<usize>> {
    let Some(text) = variable.filter(|text| !text.is_empty()) else { return Ok(None) };
    match text.parse() {
        Ok(threads) if (1..=MOST_THREADS).contains(&threads) => Ok(Some(threads)),
        _ => Err(Error::invalid_request(format!("WICK_THREADS is {text:?}; it can be a number from 1 to {MOST_THREADS}."))),
    }
}

/// The list of processors in `/proc/self/status`.
fn allowed_list(root: &Path) -> Option<Vec<usize>> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    list(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
}

fn allowed(root: &Path) -> Option<usize> {
    allowed_list(root).map(|list| list.len()).filter(|&count| count > 0)
}

/// Distinct groups of siblings among the allowed processors.
fn physical(root: &Path) -> Option<usize> {
    let siblings = |cpu: usize| {
        let path = format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        fs::read_to_string(root.join(path)).ok()
    };
    let cores: BTreeSet<String> = allowed_list(root)?.into_iter().map(siblings).collect::<Option<_>>()?;
    (!cores.is_empty()).then_some(cores.len())
}

/// `0-3,8` as numbers.
fn list(text: &str) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last.saturating_sub(first) > 1 << 20 {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

/// The least quota of the process's control group and those above it, version 2 and 1.
fn quota(root: &Path) -> Option<f64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let quotas = groups.lines().flat_map(|line| {
        // hierarchy:controllers:path
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or("/"));
        let (mount, read): (&str, fn(&Path) -> Option<f64>) = match controllers {
            "" => ("sys/fs/cgroup", quota_2),
            _ if controllers.split(',').any(|name| name == "cpu") => ("sys/fs/cgroup/cpu", quota_1),
            _ => return Vec::new(),
        };
        let mount = root.join(mount);
        // In a container the path may be the host's, and only the mount's root be there.
        let own = Path::new(path.trim_start_matches('/'));
        own.ancestors().filter_map(|above| read(&mount.join(above))).collect()
    });
    quotas.min_by(f64::total_cmp)
}

fn quota_2(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota.parse().ok()?, period.parse().ok()?)
}

fn quota_1(group: &Path) -> Option<f64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<f64>().ok();
    share(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

fn share(quota: f64, period: f64) -> Option<f64> {
    // Version 1 says -1 for none.
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files.
    fn root(name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("wick-cores-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn affinity_counts_and_hyper_threads_do_not() {
        let siblings = |cpu: usize| format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        let files: Vec<(String, String)> =
            (0..8).map(|cpu| (siblings(cpu), format!("{}-{}\n", cpu / 2 * 2, cpu / 2 * 2 + 1))).collect();
        for (name, allowed_list, expected) in [("all", "0-7", (8, 4)), ("some", "0,2-4", (4, 3)), ("one", "5", (1, 1))] {
            let status = format!("Name:\tnode\nCpus_allowed_list:\t{allowed_list}\n");
            let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
            files.push(("proc/self/status", &status));
            let root = root(name, &files);
            assert_eq!((allowed(&root), physical(&root)), (Some(expected.0), Some(expected.1)), "{name}");
            fs::remove_dir_all(root).expect("removed");
        }
        assert_eq!(
            (allowed(Path::new("/nowhere")), physical(Path::new("/nowhere")), quota(Path::new("/nowhere"))),
            (None, None, None)
        );
        assert_eq!((list("0-"), list("x"), list("")), (None, None, Some(vec![])));
    }

    #[test]
    fn the_least_quota_on_the_way_up_counts() {
        let one = "9:name=systemd:/\n2:cpu,cpuacct:/docker/a\n";
        for (name, files, expected) in [
            (
                "v2",
                vec![
                    ("proc/self/cgroup", "0::/a/b\n"),
                    ("sys/fs/cgroup/a/b/cpu.max", "max 100000\n"),
                    ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
                ],
                Some(1.5),
            ),
            (
                "v2-root",
                vec![("proc/self/cgroup", "0::/host/path\n"), ("sys/fs/cgroup/cpu.max", "50000 100000\n")],
                Some(0.5),
            ),
            ("v2-none", vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "max 100000\n")], None),
            (
                "v1",
                vec![
                    ("proc/self/cgroup", one),
                    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "350000"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
                ],
                Some(3.5),
            ),
            (
                "v1-none",
                vec![
                    ("proc/self/cgroup", one),
                    ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1"),
                    ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
                ],
                None,
            ),
        ] {
            let root = root(name, &files);
            assert_eq!(quota(&root), expected, "{name}");
            fs::remove_dir_all(root).expect("removed");
        }
    }

    #[test]
    fn a_quota_is_rounded_and_one_thread_is_left() {
        for (quota, expected) in [(None, 4), (Some(0.2), 1), (Some(1.4), 1), (Some(1.5), 2), (Some(3.2), 3), (Some(64.0), 4)]
        {
            let cores = Cores { allowed: 8, physical: 4, quota };
            assert_eq!(cores.threads(), expected, "{quota:?}");
        }
        let cores = Cores::read();
        assert!(cores.threads() >= 1 && cores.threads() <= cores.usable() && cores.usable() <= cores.allowed, "{cores:?}");
    }

    #[test]
    fn what_the_environment_asks_for_is_checked() {
        for (text, expected) in [(None, None), (Some(""), None), (Some("3"), Some(3))] {
            assert!(asked(text).is_ok_and(|asked| asked == expected), "{text:?}");
        }
        for wrong in ["0", "-1", "two", "1025", "1.5"] {
            assert!(asked(Some(wrong)).is_err_and(|error| error.message().contains("WICK_THREADS")), "{wrong}");
        }
    }
}
