//! A fleet that comes back after its coordinator has crashed.

use std::path::Path;

use super::{
    coordinator::Coordinator,
    figures::back,
    fleet::Fleet,
    process::{cpu_seconds, idle_seconds},
};

const CRASHES: usize = 3;

/// Shows how long `hosts` hosts take to come back, several times.
pub fn show(agent: &Path, hosts: usize) {
    let mut coordinator = Coordinator::start(agent);
    coordinator.token_file();
    let mut fleet = Fleet::new(coordinator.dir.path());
    fleet.grow_to(hosts);
    fleet.wait_connected();
    for _ in 0..CRASHES {
        coordinator.crash_and_restart();
        let (cpu_before, idle_before) = (cpu_seconds(coordinator.pid()), idle_seconds());
        let ([half, most, all], api_p99_ms) = back(&coordinator, &mut fleet);
        let cpu = cpu_seconds(coordinator.pid()) - cpu_before;
        let idle = idle_seconds() - idle_before;
        let each_us = cpu * 1e6 / hosts as f64;
        println!(
            "{hosts} hosts back in {all:.1} s, 99 of 100 in {most:.1} s, half in {half:.1} s; API p99 {api_p99_ms:.0} ms; coordinator's CPU {cpu:.1} s, {each_us:.0} µs a host; cores idle {idle:.1} s"
        );
    }
}
