//! Writes man pages and completions, made from the definition of the command line, into a
//! directory. Called by `./scripts/package`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use clap_complete::Shell;
use clap_mangen::Man;

/// What belongs to the program as a whole, on its own page.
const WHOLE: &str = r#".SH ENVIRONMENT
.TP
\fBECE_AGENT_\fR\fIFLAG\fR
Each flag of \fBece\-agent install\fR, and those of other verbs where their page says so, by its name in
capitals with underscores. Secrets are given as the path of a file alone.
.TP
\fBECE_AGENT_LOG\fR
What is logged: \fBinfo\fR, \fBdebug\fR, or a list like \fBece_agent::agent=trace\fR.
.TP
\fBHOME\fR, \fBXDG_STATE_HOME\fR
Where profile and state directory of users other than root are.
.TP
\fBNO_COLOR\fR
Turns colours off if it is not empty.
.SH FILES
.TP
\fI/etc/ece\-agent/config.toml\fR
Settings of the host; keys are the names of the flags of \fBece\-agent install\fR.
.TP
\fI/etc/ece\-agent/cluster.json\fR
Coordinators and pins that root's verbs go by.
.TP
\fI/var/lib/ece\-agent\fR, \fI~/.local/state/ece\-agent\fR
The state directory of root's host and of other users' hosts.
.TP
\fI/mnt/data/elastic\fR
The host storage path, with the passwords and tokens of a first host in
\fIbootstrap\-state/bootstrap\-secrets.json\fR.
.TP
\fI~/.config/ece\-agent/profile.toml\fR
How a person reaches a cluster; written by \fBece\-agent login\fR.
.SH "EXIT STATUS"
0 success; 1 general; 2 a command of the system failed; 3 bad argument; 4 wrong user; 10 token refused
before anything was sent; 11 this machine does not fit; 12 coordinator unreachable; 13 coordinator not
trusted; 14 refused by the coordinator; 15 joined, but not connected in time. \fBece\-agent explain\fR
lists all codes of errors with theirs.
"#;

const OF_A_VERB: &str = r#".SH "SEE ALSO"
\fBece\-agent\fR(1), which has ENVIRONMENT, FILES and EXIT STATUS.
"#;

fn main() {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: manual DIR");
        std::process::exit(3);
    };
    std::fs::create_dir_all(&dir).unwrap();
    let scripts = [
        (Shell::Bash, "ece-agent.bash"),
        (Shell::Zsh, "_ece-agent"),
        (Shell::Fish, "ece-agent.fish"),
    ];
    for (shell, file) in scripts {
        std::fs::write(dir.join(file), ece_agent::cli::completion_script(shell)).unwrap();
    }
    let mut command = ece_agent::cli::command().disable_help_subcommand(true);
    command.build();
    write_pages(&command, WHOLE, &dir);
}

/// The page of a verb, and of those below it.
fn write_pages(command: &clap::Command, more: &str, dir: &Path) {
    command.get_subcommands().for_each(|verb| write_pages(verb, OF_A_VERB, dir));
    let page = Man::new(command.clone())
        .source(concat!("ece-agent ", env!("CARGO_PKG_VERSION")))
        .manual("ece-agent Manual");
    let mut text = Vec::new();
    page.render(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| !matches!(*line, "Example:" | "Examples:"));
    let lines = lines.map(|line| if line == ".SH EXTRA" { ".SH EXAMPLES" } else { line });
    let lines: Vec<&str> = lines.collect();
    std::fs::write(dir.join(page.get_filename()), lines.join("\n") + "\n" + more).unwrap();
}
