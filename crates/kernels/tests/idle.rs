//! A process that computes nothing burns nothing. Alone in its process: it reads what the pool's threads have used.
#![cfg(target_os = "linux")]

use std::fs;
use std::time::Duration;

use wick_kernels::Pool;

/// Nanoseconds on a processor of the pool's workers, from the scheduler's own account.
fn used() -> Vec<u64> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux").filter_map(|task| Some(task.ok()?.path()));
    let worker =
        |task: &std::path::PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("wick-pool"));
    let time = |task: std::path::PathBuf| {
        let text = fs::read_to_string(task.join("schedstat")).expect("a scheduler that keeps account");
        text.split(' ').next().and_then(|time| time.parse().ok()).expect("nanoseconds")
    };
    tasks.filter(worker).map(time).collect()
}

#[test]
fn workers_sleep_when_there_is_nothing_to_do() {
    let pool = Pool::of_process(4);
    let work = || {
        pool.each(400, &|range| {
            std::hint::black_box(range.map(|n| (0..n).sum::<usize>()).sum::<usize>());
        })
    };
    (0..300).for_each(|_| work());
    std::thread::sleep(Duration::from_millis(50));
    let before = used();
    assert_eq!(before.len(), 3, "the workers of four threads");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(before, used());
    // And they wake again.
    (0..300).for_each(|_| work());
    std::thread::sleep(Duration::from_millis(50));
    assert!(used() > before);
}
