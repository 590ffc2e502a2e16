//! What the product does, tried with real processes on real sockets.
#![allow(clippy::unwrap_used)]

mod auth;
mod check;
mod command_line;
mod connection;
mod contract;
mod contract_walk;
mod crowds;
mod docs;
mod documents;
mod door;
mod early_answers;
mod facts;
mod first_host;
mod full_disk;
mod growth;
mod hostile_server;
mod installer_script;
mod join;
mod kills;
mod lab;
mod life;
mod machine;
mod monitoring;
mod people;
mod repetition;
mod roles;
mod root;
mod search;
mod secrets;
mod structure;
mod support;
mod terminal;
mod token_inspect;
mod tokens;
