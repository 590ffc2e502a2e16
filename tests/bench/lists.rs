//! What the joins of a fleet cost, and lists and searches of it.

use std::path::Path;

use super::{
    api,
    coordinator::Coordinator,
    fleet::Fleet,
    process::{cpu_seconds, memory_kib},
};

/// Shows it of `hosts` hosts.
pub fn show(agent: &Path, hosts: usize) {
    let coordinator = Coordinator::start(agent);
    coordinator.token_file();
    let pid = coordinator.pid();
    let (empty_kib, cpu_before) = (memory_kib(pid), cpu_seconds(pid));
    let mut fleet = Fleet::new(coordinator.dir.path());
    let joins = fleet.grow_to(hosts);
    let each_us = (cpu_seconds(pid) - cpu_before) * 1e6 / hosts as f64;
    fleet.wait_connected();
    let each_kib = memory_kib(pid).saturating_sub(empty_kib) as f64 / hosts as f64;
    println!(
        "{hosts} hosts joined, {joins:.0} a second; coordinator's CPU {each_us:.0} µs a host, with the polls of the others; {each_kib:.1} KiB a host"
    );
    for figure in api::measure(&coordinator.admin(), pid) {
        println!(
            "{}: {:.0} a second, p99 {:.1} ms; coordinator's CPU {:.0} µs each",
            figure.name, figure.per_second, figure.p99_ms, figure.cpu_us
        );
    }
}
