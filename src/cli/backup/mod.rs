//! A copy of what a cluster cannot be without, and its way back. Both are in directories in which
//! somebody else may be at work who is the service user: no path is gone twice, and no link.

mod place;
mod restore;
mod take;

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{StateDirArgument, output::Output};
use crate::{
    config::StateDir,
    host::{open_dir::OpenDir, tree::Owner},
    model::{Code, CoordinatorLayout, Exit, Failure, StorageLayout},
};
use place::{Place, failed};

/// Where the datastore and its keys are in a backup.
const COORDINATOR: &str = StateDir::COORDINATOR;
const SECRETS_FILE: &str = StorageLayout::SECRETS_FILE;

#[derive(clap::Args)]
pub struct BackupArguments {
    /// The directory to make
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    state: StateDirArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
pub struct RestoreArguments {
    /// What a backup was made in
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    #[command(flatten)]
    state: StateDirArgument,
    /// Where the secrets file goes [default: where the host keeps its data, or will]
    #[arg(long, value_name = "DIR")]
    host_storage_path: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn backup(arguments: BackupArguments, output: Output) -> Result<Exit, Failure> {
    let place = Place::to_back_up(arguments.state.answering()?)?;
    take::take(&place, &absolute(&arguments.directory), output)
}

pub fn restore(arguments: RestoreArguments, output: Output) -> Result<Exit, Failure> {
    let place = Place::to_restore(arguments.state.answering()?, arguments.host_storage_path)?;
    restore::restore(&place, &absolute(&arguments.directory), output)
}

fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // A last '/' would lead through a link.
    path.components().collect()
}

/// Keys and notes are short; whoever may write them makes no backup large.
const MOST_BYTES: u64 = 1 << 20;

/// Copies a plain file with one name that is one of these users'; whether it was there.
fn copy_file(
    from: &OpenDir,
    name: &str,
    of: &[u32],
    to: &OpenDir,
    owner: Owner,
) -> io::Result<bool> {
    let Some(file) = from.file(name)? else { return Ok(false) };
    if !of.contains(&file.owner.uid) {
        let uid = file.owner.uid;
        return Err(io::Error::other(format!("{name} belongs to the user {uid}")));
    }
    let most = if CoordinatorLayout::OF_ANY_SIZE.contains(&name) { u64::MAX } else { MOST_BYTES };
    file.copy_to(to.create_file(name, owner)?, most)?;
    Ok(true)
}

fn unusable(directory: &Path, reason: &str) -> Failure {
    Failure::new(Code::BackupUnusable, format!("{}: {reason}", directory.display()))
}

fn has_no_cluster(place: &Place) -> Failure {
    let dir = place.state.coordinator();
    let message = format!("no cluster's data is in {}", dir.display());
    Failure::new(Code::BackupNotFirstHost, message)
}

#[cfg(test)]
mod tests;
