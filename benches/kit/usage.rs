//! What processes use, and on which machine: from /proc and /sys.

use std::fs;

/// Nanoseconds of CPU that all threads of a process have used. Threads that have ended do not count.
pub fn cpu(pid: u32) -> u64 {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return 0 };
    let of = |entry: fs::DirEntry| {
        let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    threads.flatten().filter_map(of).sum()
}

/// A value of a process's status, bytes.
pub fn memory(pid: u32, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// The CPUs that this process may use, by number.
pub fn cpus() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None);
    set.map(|set| (0..1024).filter(|n| set.is_set(*n)).collect()).unwrap_or_default()
}

/// Keeps this thread, and whatever it starts from now on, on one CPU.
pub fn pin(cpu: usize) -> std::io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    set.set(cpu);
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

/// The machine in one line each: processor, kernel, governor, load.
pub fn machine() -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(path).map(|text| text.trim().to_owned()).ok();
    let info = read("/proc/cpuinfo").unwrap_or_default();
    let of = |key: &str| {
        let line = info.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = of("model name").unwrap_or_else(|| "unknown".into());
    let mhz = of("cpu MHz").map(|mhz| format!(", {mhz} MHz")).unwrap_or_default();
    let count = info.lines().filter(|line| line.starts_with("processor")).count();
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    vec![
        ("processor", format!("{count} x {model}{mhz}")),
        ("kernel", read("/proc/sys/kernel/osrelease").unwrap_or_default()),
        ("governor", governor.unwrap_or_else(|| "not readable (virtual machine)".into())),
        ("load", read("/proc/loadavg").unwrap_or_default()),
    ]
}
