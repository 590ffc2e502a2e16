//! The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    ffi::OsString,
    io::{IsTerminal, stderr, stdout},
};

use serde_json::{Value, json};

use crate::model::Failure;

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
        println!("{}", plain(text));
    }

    /// A line beside what was asked for; nothing with JSON.
    pub fn note(self, text: &str) {
        if !self.is_json() {
            eprintln!("{}", plain(text));
        }
    }

    pub fn json(self, value: &impl serde::Serialize) {
        println!("{}", serde_json::to_string(value).expect("plain data"));
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
                eprintln!("error: {} [{}]", plain(&failure.message), plain(failure.code()));
                eprintln!("  fix: {}", plain(&failure.fix));
            }
        }
    }

    pub fn waiting(self, reason: &Failure) {
        match self.style {
            Style::Json => self.event("waiting", shown(reason)),
            Style::Text => {
                eprintln!("waiting: {} [{}]", plain(&reason.message), plain(reason.code()));
            }
        }
    }

    pub fn warning(self, failure: &Failure) {
        match self.style {
            Style::Json => self.event("warning", shown(failure)),
            Style::Text => {
                eprintln!("warning: {} [{}]", plain(&failure.message), plain(failure.code()));
            }
        }
    }
}

/// Without what a terminal takes for a command: some of it was said by other users and machines.
fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

fn shown(failure: &Failure) -> Value {
    json!({
        "code": failure.code(),
        "message": failure.message,
        "fix": failure.fix,
        "exit": failure.exit() as u8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_no_command_to_a_terminal() {
        assert_eq!(plain("a\tb\nc"), "a\tb\nc");
        assert_eq!(plain("\u{1b}[2J\r\u{9b}1mroot"), "\u{fffd}[2J\u{fffd}\u{fffd}1mroot");
    }
}
