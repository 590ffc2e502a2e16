use std::{env, fs, io::IsTerminal, os::linux::fs::MetadataExt, str::FromStr};

use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The variable that says what is logged, as `level` or `target=level,…`.
const VARIABLE: &str = "ECE_AGENT_LOG";

/// Logs what `ECE_AGENT_LOG` says, else from `default` on: to the journal, with priority and
/// fields, if that is where standard error goes, else to standard error.
pub fn start(default: &str) {
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
    let to_stderr = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let _ = registry.with(to_stderr).try_init();
}

/// systemd says which file it has connected to standard error; it may have been replaced since.
fn is_journal() -> bool {
    let Ok(stream) = env::var("JOURNAL_STREAM") else { return false };
    let Ok(found) = fs::metadata("/proc/self/fd/2") else { return false };
    stream == format!("{}:{}", found.st_dev(), found.st_ino())
}
