//! What was removed, what was left, and what could not be done.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::{cli::output::Output, model::Exit};

/// Whether the cluster knows that the host has left it.
pub(super) enum Cluster {
    Told,
    NotTold(String),
    /// It is not to know: the host is that of another machine with the same key.
    OfAnother,
    /// The host has never been one of a cluster.
    NoneYet,
    /// It ends with its first host.
    Ended,
}

#[derive(Default)]
pub(super) struct Account {
    removed: Vec<String>,
    left: Vec<String>,
    problems: Vec<String>,
}

pub(super) fn missing_is_fine(done: io::Result<()>) -> io::Result<bool> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

impl Account {
    pub(super) fn note(&mut self, what: impl Into<String>, done: io::Result<bool>) {
        let what = what.into();
        match done {
            Ok(true) => self.removed.push(what),
            Ok(false) => {}
            Err(error) => self.problem(format!("{what} was not removed: {error}")),
        }
    }

    pub(super) fn file(&mut self, path: &Path) {
        self.note(path.display().to_string(), missing_is_fine(fs::remove_file(path)));
    }

    /// Something that is still there, and why.
    pub(super) fn left(&mut self, path: &Path, why: &str) {
        self.left.push(format!("{}: {why}", path.display()));
    }

    pub(super) fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    /// How many problems there are by now.
    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn exit(&self) -> Exit {
        if self.problems.is_empty() { Exit::Success } else { Exit::General }
    }

    pub(super) fn tell(&self, output: Output, cluster: &Cluster) {
        let not_told = match cluster {
            Cluster::NotTold(reason) => Some(format!("the cluster was not told: {reason}")),
            Cluster::Told | Cluster::NoneYet | Cluster::Ended | Cluster::OfAnother => None,
        };
        if output.is_json() {
            let problems: Vec<&String> = not_told.iter().chain(&self.problems).collect();
            let event = json!({
                "left_cluster": match cluster {
                    Cluster::Told => Some(true),
                    Cluster::NotTold(_) | Cluster::OfAnother => Some(false),
                    Cluster::NoneYet | Cluster::Ended => None,
                },
                "removed": self.removed,
                "left": self.left,
                "problems": problems,
            });
            return output.outcome("done", event);
        }
        match cluster {
            Cluster::Told => output.note("left the cluster"),
            Cluster::Ended => output.note("the cluster ended with this host, its first"),
            Cluster::OfAnother => output
                .note("the cluster was not told: another machine uses this host's key, and stays"),
            Cluster::NoneYet | Cluster::NotTold(_) => {}
        }
        for what in &self.removed {
            output.note(&format!("removed {what}"));
        }
        for what in &self.left {
            output.note(&format!("left {what}"));
        }
        for problem in not_told.iter().chain(&self.problems) {
            output.note(&format!("warning: {problem}"));
        }
    }
}

/// Paths below which something may be left.
pub(super) fn still_there(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
}
