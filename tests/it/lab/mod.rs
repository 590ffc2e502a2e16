//! New hosts on booted machines: by hand, by script, by unit, by cloud-init, by package.

mod by_hand;
mod closed_directories;
mod copies;
mod faults;
mod first_boot;
mod hostile;
mod leaving;
mod package;
mod repair;
mod restore;
mod script;
mod secrets;

use crate::support::{Lab, skip};

/// A lab, unless this machine cannot boot others.
fn lab(test: &str) -> Option<Lab> {
    Lab::build().inspect_err(|reason| skip(test, reason)).ok()
}
