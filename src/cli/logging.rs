use std::{env, fmt, fs, os::linux::fs::MetadataExt, str::FromStr, sync::Mutex};

use tracing::field::Field;
use tracing_subscriber::{
    field::MakeExt,
    filter::Targets,
    fmt::{
        format::{Writer, debug_fn},
        writer::BoxMakeWriter,
    },
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use super::output::is_coloured;
use crate::{config::StateDir, model::printable::escaped, rt::BoundedLog};

/// The variable that says what is logged, as `level` or `target=level,…`.
const VARIABLE: &str = "ECE_AGENT_LOG";

/// How long the log of a daemon in the background gets, in bytes; one like it is kept beside it.
const LONGEST: u64 = 8 << 20;

/// Logs what `ECE_AGENT_LOG` says, else from `default` on: to the journal, with priority and
/// fields, if that is where standard error goes, else to standard error.
pub fn start(default: &str) {
    start_with(default, None);
}

/// The same of a daemon: what goes into the log in its state directory is bounded.
pub fn start_daemon(default: &str, state: &StateDir) {
    start_with(default, BoundedLog::on_stderr(&state.log(), &state.earlier_log(), LONGEST));
}

fn start_with(default: &str, log: Option<BoundedLog>) {
    let wanted = env::var(VARIABLE).ok().and_then(|text| Targets::from_str(&text).ok());
    let filter = wanted.or_else(|| Targets::from_str(default).ok()).unwrap_or_default();
    let registry = tracing_subscriber::registry().with(filter);
    // A second start keeps the first.
    if is_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        let _ = registry.with(journal.with_field_prefix(None)).try_init();
        return;
    }
    let writer = match log {
        Some(log) => BoxMakeWriter::new(Mutex::new(log)),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(is_coloured(&std::io::stderr()))
        .with_target(false)
        .fmt_fields(debug_fn(plain_field).delimited(" "));
    let _ = registry.with(to_stderr).try_init();
}

/// A field of a log line. What other machines have said of themselves may be in it.
fn plain_field(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let text = format!("{value:?}");
    match field.name() {
        "message" => write!(writer, "{}", escaped(&text)),
        name => write!(writer, "{name}={}", escaped(&text)),
    }
}

/// systemd says which file it has connected to standard error; it may have been replaced since.
fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(found) = fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", found.st_dev(), found.st_ino())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_event_is_one_line_of_plain_text_whatever_its_fields_hold() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(Arc::new(file.reopen().expect("opened")))
            .with_ansi(false)
            .fmt_fields(debug_fn(plain_field).delimited(" "));
        let hostile = "\u{1b}[2J\n\u{9b}\u{202e}";
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(shown = %hostile, debugged = hostile, "a host said {hostile}");
        });
        let log = fs::read_to_string(file.path()).expect("read");
        assert_eq!(log.lines().count(), 1, "{log}");
        let plain = r"\u{1b}[2J\u{a}\u{9b}\u{202e}";
        assert!(log.contains(&format!("a host said {plain} shown={plain} debugged=")), "{log}");
        assert!(!log.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{log:?}");
    }
}
