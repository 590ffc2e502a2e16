//! What the kernel knows of a process.

use std::{fs, time::Duration};

/// Clock ticks a second, as Linux shows times of processes.
const TICKS: f64 = 100.0;

/// Resident memory, in KiB.
pub fn memory_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

/// The part of it that is not the program's file, in KiB.
pub fn own_memory_kib(pid: u32) -> u64 {
    status_kib(pid, "RssAnon:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Seconds of one core used since the process began.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

/// Seconds that the machine's cores had nothing to do since it was started, added up.
pub fn idle_seconds() -> f64 {
    let uptime = fs::read_to_string("/proc/uptime").unwrap();
    uptime.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The share of one core that a process uses over a while, in percent.
pub fn cpu_percent(pid: u32, over: Duration) -> f64 {
    let before = cpu_seconds(pid);
    std::thread::sleep(over);
    (cpu_seconds(pid) - before) / over.as_secs_f64() * 100.0
}

/// The value below which this share of the sorted values lies.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
