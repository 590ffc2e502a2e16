//! Writes man pages and completions, made from the definition of the command line, into a
//! directory. Called by `./scripts/package`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::PathBuf;

use clap_complete::{Shell, generate_to};

fn main() {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: manual DIR");
        std::process::exit(3);
    };
    std::fs::create_dir_all(&dir).unwrap();
    let mut command = ece_agent::cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command, "ece-agent", &dir).unwrap();
    }
    clap_mangen::generate_to(command, &dir).unwrap();
}
