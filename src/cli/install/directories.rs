//! The directories of a service, made by root.

use std::io;

use super::made::not_made;
use crate::{
    cli::storage::{Claim, Found, secrets_of_another},
    config::InstallOptions,
    host::{
        giving::give_from_root,
        open_dir::{OpenDir, is_no_plain_file},
        service::invoking_user,
        tree::{Owner, make_dir_if_missing},
    },
    model::{Failure, StorageLayout},
    rt::files,
};

pub(super) fn place_directories(
    options: &InstallOptions,
    user: Owner,
    found: &Found,
) -> Result<String, Failure> {
    let state = options.state_dir.path();
    make_dir_if_missing(state, user, 0o700)
        .and_then(|()| give_from_root(state, user))
        .and_then(|()| OpenDir::open(state)?.ok_or(io::ErrorKind::NotFound)?.give(user, 0o700))
        .map_err(not_made(state))?;
    let caller = invoking_user();
    let storage = &options.settings.storage_path;
    let shared = Owner { uid: caller.uid, gid: user.gid };
    make_dir_if_missing(storage, shared, 0o750).map_err(not_made(storage))?;
    found.claim.as_ref().map_or(Ok(()), Claim::write)?;
    let had_instances = options.settings.storage().instances().exists();
    place_below(options, user, caller, found.is_fresh)?;
    if !had_instances {
        // The one that the host had is gone, and its marker with it.
        let note = options.state_dir.storage_note();
        files::remove(&note).map_err(not_made(&note))?;
    }
    Ok(format!("{}, {}", state.display(), storage.display()))
}

fn place_below(
    options: &InstallOptions,
    user: Owner,
    caller: Owner,
    is_fresh: bool,
) -> Result<(), Failure> {
    let path = &options.settings.storage_path;
    let made = || {
        let storage = OpenDir::open(path)?.ok_or(io::ErrorKind::NotFound)?;
        storage.dir_or_make(StorageLayout::INSTANCES, user, 0o700)?.give(user, 0o700)?;
        if !options.purpose.is_first_host() {
            return Ok(None);
        }
        let logs = storage.dir_or_make(StorageLayout::LOGS, caller, 0o755)?;
        logs.dir_or_make(StorageLayout::BOOTSTRAP_LOGS, caller, 0o700)?;
        // Until the cluster is made its secrets file is written by the service user.
        let secrets = storage.dir_or_make(StorageLayout::SECRETS, user, 0o700)?;
        // Whoever puts a backup there may have made it.
        secrets.close_to_everybody()?;
        Ok(Some(secrets))
    };
    let Some(secrets) = made().map_err(not_made(path))?.filter(|_| is_fresh) else {
        return Ok(());
    };
    // Secrets that are there are never given away, whoever's they are and whenever they came.
    match secrets.file(StorageLayout::SECRETS_FILE) {
        Ok(None) => secrets.give(user, 0o700).map_err(not_made(path)),
        Ok(Some(_)) => Err(secrets_of_another(path)),
        Err(error) if is_no_plain_file(&error) => Err(secrets_of_another(path)),
        Err(error) => Err(not_made(StorageLayout::of(path).secrets_file())(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;
    use crate::config::{InstallArguments, Membership, SettingArguments};

    #[test]
    fn a_directory_with_a_secrets_file_is_given_to_nobody() {
        let dir = tempfile::tempdir().expect("a directory");
        let own = Owner::of_this_process();
        let host_storage_path = Some(dir.path().into());
        let settings = SettingArguments { host_storage_path, ..Default::default() };
        let arguments = InstallArguments { settings, ..Default::default() };
        let options =
            arguments.build(dir.path().join("state"), Membership::None).expect("valid options");
        let layout = StorageLayout::of(dir.path());
        let (secrets, file) = (layout.secrets(), layout.secrets_file());
        let closed = |mode| {
            fs::set_permissions(&secrets, fs::Permissions::from_mode(mode)).expect("set");
        };
        let mode = || fs::metadata(&secrets).expect("there").permissions().mode() & 0o777;
        place_below(&options, own, own, true).expect("made");
        closed(0o750);
        place_below(&options, own, own, true).expect("given");
        assert_eq!(mode(), 0o700);
        for plain in [true, false] {
            closed(0o750);
            match plain {
                true => fs::write(&file, "another cluster's").expect("written"),
                false => symlink("/nonexistent", &file).expect("linked"),
            }
            let refused = place_below(&options, own, own, true).expect_err("it has secrets");
            assert_eq!(refused.code(), "storage.secrets_of_another_cluster");
            assert_eq!(mode(), 0o750);
            // Who has begun before has its own there.
            place_below(&options, own, own, false).expect("as it was");
            assert_eq!(mode(), 0o750);
            closed(0o755);
            place_below(&options, own, own, false).expect("closed");
            assert_eq!(mode(), 0o700);
            fs::remove_file(&file).expect("removed");
        }
    }
}
