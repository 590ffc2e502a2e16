//! New hosts on booted machines: by hand, by script, by unit, by cloud-init, by package.

mod by_hand;
mod closed_directories;
mod copies;
mod faults;
mod first_boot;
mod hostile;
mod leaving;
mod lost;
mod package;
mod repair;
mod restore;
mod script;
mod secrets;

use crate::support::{Lab, Machine, skip};

/// A lab, unless this machine cannot boot others.
fn lab(test: &str) -> Option<Lab> {
    Lab::build().inspect_err(|reason| skip(test, reason)).ok()
}

/// A first host, installed with these flags, and a blank machine beside it, both booted.
fn first_and_blank(lab: &Lab, flags: &str) -> (Machine, Machine) {
    let (mut first, mut second) = (lab.machine(11), lab.machine(12));
    first.boot();
    second.boot();
    first.run(&format!("ece-agent install {flags}")).expect(0);
    (first, second)
}

/// Gives the machine a token of the cluster, in a file, on its disk.
fn give_token(first: &Machine, machine: &Machine, flags: &str) {
    let keep = "umask 077; cat > /root/token && sync";
    machine.run_with_input(keep, &first.token(flags)).expect(0);
}

/// What joins a machine that has been given a token.
const JOIN: &str = "ece-agent install --coordinator-host 10.77.0.11 --roles allocator --roles-token-file /root/token";

/// A first host, and a machine that has joined its cluster with a token for allocators.
fn first_and_member(lab: &Lab) -> (Machine, Machine) {
    let (first, second) = first_and_blank(lab, "");
    give_token(&first, &second, "--persistent --roles allocator");
    second.run(JOIN).expect(0);
    (first, second)
}
