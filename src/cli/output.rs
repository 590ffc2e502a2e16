//! The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    ffi::OsString,
    io::{IsTerminal, stderr, stdout},
};

use serde_json::{Value, json};

use crate::model::{
    Failure,
    printable::{escaped, escaped_json, escaped_lines},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people, and for logs that people read.
    Text,
    /// One JSON document a line.
    Json,
}

#[derive(Debug, Clone, Copy)]
pub struct Output {
    pub style: Style,
}

impl Output {
    /// Known before the arguments are, so that their mistakes are told in the right style.
    pub fn from_arguments(arguments: &[OsString]) -> Self {
        let json = arguments.iter().skip(1).any(|argument| argument == "--json");
        Self { style: if json { Style::Json } else { Style::Text } }
    }

    pub fn is_json(self) -> bool {
        self.style == Style::Json
    }

    /// Whether a person watches. Passwords are shown to nobody else.
    pub fn is_terminal(self) -> bool {
        self.style == Style::Text && stdout().is_terminal() && stderr().is_terminal()
    }

    /// A line of what was asked for.
    pub fn line(self, text: &str) {
        println!("{}", escaped(text));
    }

    /// The same of several. Only what ends a line here does so on a terminal.
    pub fn lines<T: AsRef<str>>(self, lines: impl IntoIterator<Item = T>) {
        lines.into_iter().for_each(|line| self.line(line.as_ref()));
    }

    /// A line beside what was asked for; nothing with JSON.
    pub fn note(self, text: &str) {
        if !self.is_json() {
            eprintln!("{}", escaped(text));
        }
    }

    pub fn json(self, value: &impl serde::Serialize) {
        let text = serde_json::to_string(value).expect("plain data");
        println!("{}", escaped_json(&text));
    }

    /// One of the events that `--json` promises.
    pub fn event(self, name: &str, mut fields: Value) {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("event".into(), name.into());
        }
        self.json(&fields);
    }

    pub fn failure(self, failure: &Failure) {
        match self.style {
            Style::Json => self.event("failed", shown(failure)),
            Style::Text => {
                tell("error", failure);
                eprintln!("  fix: {}", escaped(&failure.fix));
            }
        }
    }

    pub fn waiting(self, reason: &Failure) {
        match self.style {
            Style::Json => self.event("waiting", shown(reason)),
            Style::Text => tell("waiting", reason),
        }
    }

    pub fn warning(self, failure: &Failure) {
        match self.style {
            Style::Json => self.event("warning", shown(failure)),
            Style::Text => tell("warning", failure),
        }
    }
}

/// The message of a failure has the line ends that it was made with.
fn tell(what: &str, failure: &Failure) {
    eprintln!("{what}: {} [{}]", escaped_lines(&failure.message), escaped(failure.code()));
}

fn shown(failure: &Failure) -> Value {
    json!({
        "code": failure.code(),
        "message": failure.message,
        "fix": failure.fix,
        "exit": failure.exit() as u8,
    })
}
