use std::{env, io::IsTerminal, str::FromStr};

use tracing_subscriber::{filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// The variable that says what is logged, as `level` or `target=level,…`.
const VARIABLE: &str = "ECE_AGENT_LOG";

/// Logs to standard error what `ECE_AGENT_LOG` says, else from `default` on.
pub fn start(default: &str) {
    let wanted = env::var(VARIABLE).ok().and_then(|text| Targets::from_str(&text).ok());
    let filter = wanted.or_else(|| Targets::from_str(default).ok()).unwrap_or_default();
    let to_stderr = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second start keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(to_stderr).try_init();
}
