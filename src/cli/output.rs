//! The only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal, Write, stderr, stdout},
    process,
};

use serde_json::Value;

use super::{
    event::Event,
    layout::{fix, table, wrapped},
};
use crate::{
    model::{
        Exit, Failure,
        printable::{escaped, escaped_json, escaped_lines},
    },
    rt::terminal::width,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people, and for logs that people read.
    Text,
    /// One JSON document a line.
    Json,
}

/// What the first word of a line is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Good,
    Warning,
    Bad,
    Plain,
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

    /// Whether a person watches.
    pub fn is_terminal(self) -> bool {
        self.style == Style::Text && stdout().is_terminal() && stderr().is_terminal()
    }

    /// Whether what was asked for goes to a person, not to a file or a program.
    pub fn is_read_by_a_person(self) -> bool {
        self.style == Style::Text && stdout().is_terminal()
    }

    /// A line of what was asked for.
    pub fn line(self, text: &str) {
        for line in wrapped(&escaped(text), width(stdout())) {
            print(&line);
        }
    }

    /// The same of several. Only what ends a line here does so on a terminal.
    pub fn lines<T: AsRef<str>>(self, lines: impl IntoIterator<Item = T>) {
        lines.into_iter().for_each(|line| self.line(line.as_ref()));
    }

    /// The same of what is to be copied as it stands, however wide it is.
    pub fn verbatim(self, text: &str) {
        print(&escaped(text));
    }

    /// The same of a line of a program that this one has written, in which tabs mean something.
    pub fn program_line(self, text: &str) {
        print(text);
    }

    /// The same of a line whose first word says how good it is.
    pub fn marked(self, mark: Mark, text: &str) {
        let text = escaped(text);
        let head = text.split(' ').next().unwrap_or_default();
        for (index, line) in wrapped(&text, width(stdout())).iter().enumerate() {
            match line.strip_prefix(head).filter(|_| index == 0) {
                Some(rest) => print(&format!("{}{rest}", painted(head, mark, &stdout()))),
                None => print(line),
            }
        }
    }

    /// What to do about what was said on the line before, `indent` columns in.
    pub fn fix(self, text: &str, indent: usize) {
        fix(&escaped(text), indent, width(stdout())).iter().for_each(|line| print(line));
    }

    pub fn table<const N: usize>(
        self,
        heads: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) {
        table(heads, rows, width(stdout())).iter().for_each(|line| print(line));
    }

    /// A line beside what was asked for; nothing with JSON.
    pub fn note(self, text: &str) {
        if !self.is_json() {
            wrapped(&escaped(text), width(stderr())).iter().for_each(|line| tell(line));
        }
    }

    /// The same of what is to be copied as it stands.
    pub fn note_verbatim(self, text: &str) {
        if !self.is_json() {
            tell(&escaped(text));
        }
    }

    /// The reply to what was done, or the same in words.
    pub fn done(self, reply: &impl serde::Serialize, words: &str) {
        match self.is_json() {
            true => self.json(reply),
            false => self.line(words),
        }
    }

    pub fn json(self, value: &impl serde::Serialize) {
        print(&json_line(value));
    }

    /// An event of work that is under way. Nobody has to hear of it: the work goes on.
    pub fn tell(self, event: &Event) {
        let fields = serde_json::to_value(event).expect("plain data");
        self.print_event(&fields);
    }

    /// What the work of a verb came to, with fields that are its own.
    pub fn outcome(self, name: &str, mut fields: Value) {
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("event".into(), name.into());
        }
        self.print_event(&fields);
    }

    fn print_event(self, fields: &Value) {
        let mut out = stdout().lock();
        let _ = writeln!(out, "{}", json_line(fields)).and_then(|()| out.flush());
    }

    pub fn failure(self, failure: &Failure) {
        match self.style {
            Style::Json => self.tell(&Event::Failed(failure.into())),
            Style::Text => tell_with_fix("error", Mark::Bad, failure),
        }
    }

    /// What is being waited for, and for how many seconds still.
    pub fn waiting(self, reason: &Failure, left: Option<u64>) {
        match self.style {
            Style::Json => {
                self.tell(&Event::Waiting { reason: reason.into(), seconds_left: left });
            }
            Style::Text => {
                let left = left.map(|left| format!("; for {left} s still")).unwrap_or_default();
                tell_of("waiting", Mark::Warning, reason, &left);
            }
        }
    }

    pub fn warning(self, failure: &Failure) {
        match self.style {
            Style::Json => self.tell(&Event::Warning(failure.into())),
            Style::Text => tell_with_fix("warning", Mark::Warning, failure),
        }
    }
}

fn json_line(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(value).expect("plain data");
    escaped_json(&text).into_owned()
}

/// Prints a line of what was asked for. Whoever closed the output has enough; if it cannot be
/// written for another reason, the command has failed.
fn print(line: &str) {
    let mut out = stdout().lock();
    let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) else { return };
    if error.kind() != io::ErrorKind::BrokenPipe {
        tell(&format!("error: the output cannot be written: {error}"));
        process::exit(Exit::General as i32);
    }
    process::exit(Exit::Success as i32);
}

/// Prints a line beside it. Nothing depends on whether somebody reads it.
fn tell(line: &str) {
    let _ = writeln!(stderr().lock(), "{line}");
}

fn tell_with_fix(what: &str, mark: Mark, failure: &Failure) {
    tell_of(what, mark, failure, "");
    if failure.fix.is_empty() {
        return;
    }
    let fix = fix(&escaped(&failure.fix), 2, width(stderr()));
    fix.iter().for_each(|line| tell(line));
}

/// The message of a failure has the line ends that it was made with.
fn tell_of(what: &str, mark: Mark, failure: &Failure, more: &str) {
    let text = format!("{}{more} [{}]", escaped_lines(&failure.message), escaped(failure.code()));
    let width = width(stderr());
    let text = format!("{what}: {text}");
    let lines = text.split('\n').flat_map(|line| wrapped(line, width));
    for (index, line) in lines.enumerate() {
        match line.strip_prefix(what).filter(|_| index == 0) {
            Some(rest) => tell(&format!("{}{rest}", painted(what, mark, &stderr()))),
            None => tell(&line),
        }
    }
}

/// Whether what goes there may have colours: <https://no-color.org>.
pub fn is_coloured(stream: &impl IsTerminal) -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
    stream.is_terminal() && !dumb && !is_set("NO_COLOR")
}

fn painted(text: &str, mark: Mark, stream: &impl IsTerminal) -> String {
    let colour = match mark {
        Mark::Good => 32,
        Mark::Warning => 33,
        Mark::Bad => 31,
        Mark::Plain => 0,
    };
    match colour != 0 && is_coloured(stream) {
        true => format!("\u{1b}[{colour}m{text}\u{1b}[0m"),
        false => text.to_owned(),
    }
}
