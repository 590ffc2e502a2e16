use std::{fs::File, io, path::Path};

use serde_json::json;

use super::{COORDINATOR, Place, SECRETS_FILE, copy_file, failed, has_no_cluster};
use crate::{
    cli::{output::Output, secrets_file::SecretsFile},
    host::{
        open_dir::OpenDir,
        tree::{Owner, remove_tree},
    },
    model::{Code, CoordinatorLayout, Exit, Failure},
};

/// What a backup has got.
pub(super) struct Taken {
    files: Vec<&'static str>,
    has_secrets: bool,
}

pub(super) fn take(place: &Place, directory: &Path, output: Output) -> Result<Exit, Failure> {
    if directory.symlink_metadata().is_ok() {
        let message = format!("{} is there already", directory.display());
        return Err(Failure::new(Code::BackupExists, message));
    }
    must_be_outside(place, directory)?;
    must_have_cluster(place)?;
    place.must_be_stoppable()?;
    let ran = place.stop()?;
    let taken = place.hold().and_then(|_held| copy(place, directory));
    let started = if ran { place.start() } else { Ok(()) };
    let taken = match (taken, started) {
        (Ok(taken), started) => started.map(|()| taken)?,
        (Err(failure), Ok(())) => return Err(failure),
        (Err(failure), Err(other)) => return Err(failure.adding(&other.to_string())),
    };
    tell(place, directory, &taken, output);
    Ok(Exit::Success)
}

/// What is made in them belongs to the service's user sooner or later, or goes with a restore.
pub(super) fn must_be_outside(place: &Place, directory: &Path) -> Result<(), Failure> {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let parent = directory.parent().map(resolved);
    let own = [place.state.path(), &place.storage].map(resolved);
    match own.iter().find(|own| parent.as_ref().is_some_and(|it| it.starts_with(own))) {
        Some(own) => {
            let message =
                format!("{} is in {}, which is the host's own", directory.display(), own.display());
            Err(Failure::new(Code::ConfigInvalid, message)
                .with_fix("Name a directory that is neither there nor below it."))
        }
        None => Ok(()),
    }
}

fn must_have_cluster(place: &Place) -> Result<(), Failure> {
    let state = place.state.path();
    let dir = OpenDir::open(state).and_then(|dir| match dir {
        Some(dir) => dir.dir(COORDINATOR),
        None => Ok(None),
    });
    match dir.map_err(failed(&place.state.coordinator()))? {
        Some(_) => Ok(()),
        None => Err(has_no_cluster(place)),
    }
}

/// All of it, or nothing.
pub(super) fn copy(place: &Place, directory: &Path) -> Result<Taken, Failure> {
    let to = OpenDir::make_new(directory).map_err(failed(directory))?;
    let taken = copy_into(place, &to, directory).and_then(|taken| {
        sync_parent(directory).map_err(failed(directory))?;
        Ok(taken)
    });
    taken.inspect_err(|_| {
        // It is said already that there is no backup.
        let _ = remove_tree(directory);
    })
}

fn sync_parent(directory: &Path) -> io::Result<()> {
    directory.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn copy_into(place: &Place, to: &OpenDir, directory: &Path) -> Result<Taken, Failure> {
    let own = Owner::of_this_process();
    let there = place.state.coordinator();
    let from = OpenDir::open(place.state.path()).map_err(failed(place.state.path()))?;
    let from = from.ok_or_else(|| has_no_cluster(place))?;
    let from = from.dir(COORDINATOR).map_err(failed(&there))?;
    let from = from.ok_or_else(|| has_no_cluster(place))?;
    let into = to.new_dir(COORDINATOR).map_err(failed(directory))?;
    let mut files = Vec::new();
    for name in CoordinatorLayout::BACKED_UP {
        let of = [place.owner.uid, own.uid];
        match copy_file(&from, name, &of, &into, own).map_err(failed(&there))? {
            true => files.push(name),
            false if CoordinatorLayout::NEEDED.contains(&name) => {
                let message = format!("{} is missing", there.join(name).display());
                return Err(Failure::new(Code::StoreMissing, message));
            }
            false => {}
        }
    }
    let has_secrets = copy_secrets(place, to)?;
    into.sync().and_then(|()| to.sync()).map_err(failed(directory))?;
    Ok(Taken { files, has_secrets })
}

/// Whether there were any.
fn copy_secrets(place: &Place, to: &OpenDir) -> Result<bool, Failure> {
    let never = place.is_service.then_some(place.owner.uid).filter(|uid| *uid != 0);
    let told = failed(&place.storage);
    let Some(secrets) = SecretsFile::open(&place.storage, never).map_err(&told)? else {
        return Ok(false);
    };
    let own = Owner::of_this_process();
    to.replace_file(SECRETS_FILE, secrets.content(), own).map_err(told)?;
    Ok(true)
}

fn tell(place: &Place, directory: &Path, taken: &Taken, output: Output) {
    let shown = directory.display();
    if output.is_json() {
        return output.json(&json!({
            "directory": directory,
            "files": taken.files,
            "secrets_file": taken.has_secrets,
        }));
    }
    output.note(&format!("{shown} has the cluster's datastore, with the key that opens it"));
    output.note(match taken.has_secrets {
        true => "and the first passwords and tokens: keep it as you keep those",
        false => "keep it as you keep passwords",
    });
    if !taken.has_secrets {
        let storage = place.storage.display();
        output.note(&format!("warning: there is no secrets file in {storage} to go with it"));
    }
}
