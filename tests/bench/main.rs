//! Measures what `docs/performance.md` shows. Started by `./scripts/bench`.
//!
//! Hosts are simulated with the real client code, in processes of their own (`fleet`).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod api;
mod client;
mod coordinator;
mod figures;
mod fleet;
mod flood_kinds;
mod floods;
mod lists;
mod process;
mod report;
mod returns;
mod simulated;

fn main() {
    ece_agent::tls::install_provider();
    ece_agent::host::process::raise_open_files();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fleet", address, first, count, dir] => {
            simulated::run(address, first.parse().unwrap(), count.parse().unwrap(), dir.as_ref())
        }
        ["api", coordinator] => api::run(coordinator.parse().unwrap()),
        ["flood", kind, dir] => flood_kinds::run(kind, dir.as_ref()),
        ["returns", agent, hosts] => returns::show(agent.as_ref(), hosts.parse().unwrap()),
        ["lists", agent, hosts] => lists::show(agent.as_ref(), hosts.parse().unwrap()),
        ["floods", agent] => println!("{}", report::floods(&floods::measure(agent.as_ref()))),
        [agent, sizes] => {
            let sizes = sizes.split(',').map(|size| size.parse().unwrap()).collect();
            report::write(&figures::measure(agent.as_ref(), sizes))
        }
        _ => {
            eprintln!("usage: ./scripts/bench [SIZE,SIZE,… | floods | returns HOSTS | lists HOSTS]")
        }
    }
}
