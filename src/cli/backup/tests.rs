use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
};

use tempfile::TempDir;

use super::{
    restore::{Backup, put_secrets_back},
    take::{copy, must_be_outside},
    *,
};
use crate::{
    cli::known_host::storage_in_host_file,
    daemon::StateLock,
    model::{BootstrapSecret, CoordinatorLayout},
    rt::Clock,
};

const SOMEBODY: u32 = 65_534;

/// A first host's files, and a file of somebody else's that nobody may get at by them.
struct Host {
    root: TempDir,
    place: Place,
}

impl Host {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let own = Owner::of_this_process();
        let (state, storage) = (root.path().join("state"), root.path().join("storage"));
        let secrets = StorageLayout::of(&storage).secrets();
        fs::create_dir_all(state.join(COORDINATOR)).expect("made");
        fs::create_dir_all(&secrets).expect("made");
        fs::write(root.path().join("theirs"), "theirs").expect("written");
        for name in CoordinatorLayout::NEEDED {
            fs::write(state.join(COORDINATOR).join(name), name).expect("written");
        }
        let key = BootstrapSecret::AdminPassword.key();
        let file = secrets.join(SECRETS_FILE);
        fs::write(&file, format!(r#"{{"{key}":"secret"}}"#)).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("set");
        let state = StateDir::new(state);
        let place = Place { state, storage, is_service: false, owner: own, caller: own };
        Self { root, place }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn coordinator(&self) -> PathBuf {
        self.place.state.coordinator()
    }

    fn refuses_backup(&self, why: &str) {
        let to = self.at("backup");
        assert!(copy(&self.place, &to).is_err(), "{why}");
        assert!(!to.exists(), "{why}: it is no backup");
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("there").permissions().mode() & 0o777
}

#[test]
fn what_is_backed_up_comes_back_in_the_place_of_what_there_was() {
    let host = Host::new();
    fs::write(host.coordinator().join("store.reserve"), "room").expect("written");
    let to = host.at("backup");
    copy(&host.place, &to).expect("copied");
    assert_eq!((mode(&to), mode(&to.join(COORDINATOR))), (0o700, 0o700));
    for name in CoordinatorLayout::NEEDED {
        assert_eq!(mode(&to.join(COORDINATOR).join(name)), 0o600);
    }
    assert_eq!(mode(&to.join(SECRETS_FILE)), 0o600);
    assert!(!to.join(COORDINATOR).join("store.reserve").exists());

    let secrets = StorageLayout::of(&host.place.storage).secrets_file();
    let before = fs::read(&secrets).expect("there");
    fs::remove_dir_all(&host.place.storage).expect("removed");
    fs::write(host.coordinator().join("later"), "").expect("written");
    let backup = Backup::open(&host.place, &to).expect("opened");
    for _ in 0..2 {
        backup.put_back(&host.place, &to).expect("put back");
        put_secrets_back(&host.place, backup.secrets.as_ref().expect("there")).expect("written");
    }
    assert_eq!(fs::read(&secrets).expect("there"), before);
    assert_eq!((mode(&secrets), mode(&host.coordinator())), (0o600, 0o700));
    for name in CoordinatorLayout::NEEDED {
        assert_eq!(fs::read(host.coordinator().join(name)).expect("there"), name.as_bytes());
    }
    let mark = fs::read_to_string(host.coordinator().join(CoordinatorLayout::RESTORED));
    let of_today = Clock::system().now().rfc3339()[..8].to_owned();
    assert_eq!(mark.expect("there").matches(&of_today).count(), 2, "when, and from when it is");
    let names = fs::read_dir(host.place.state.path()).expect("listed").count();
    assert_eq!(names, 1, "nothing else is left there");
    assert!(!host.coordinator().join("later").exists());
}

#[test]
fn a_backup_is_not_made_where_the_host_keeps_its_own_and_has_no_room_for_what_is_blown_up() {
    let host = Host::new();
    for inside in [host.place.state.path(), &host.place.storage, &host.coordinator()] {
        let refused = must_be_outside(&host.place, &inside.join("backup")).expect_err("inside");
        assert!(refused.is(Code::ConfigInvalid), "{refused}");
    }
    must_be_outside(&host.place, &host.at("backup")).expect("outside");
    let key = host.coordinator().join("tls.key");
    fs::File::create(&key).expect("made").set_len(MOST_BYTES + 1).expect("longer");
    host.refuses_backup("a key of any length");
    fs::File::create(&key).expect("made").set_len(MOST_BYTES).expect("shorter");
    copy(&host.place, &host.at("backup")).expect("copied");
}

#[test]
fn a_backup_has_nothing_that_a_link_or_another_name_leads_to() {
    let host = Host::new();
    let key = host.coordinator().join(CoordinatorLayout::NEEDED[1]);
    fs::remove_file(&key).expect("removed");
    host.refuses_backup("a file is missing");
    symlink(host.at("theirs"), &key).expect("linked");
    host.refuses_backup("a link");
    fs::remove_file(&key).expect("removed");
    fs::hard_link(host.at("theirs"), &key).expect("linked");
    host.refuses_backup("a second name");
    fs::remove_file(&key).expect("removed");
    fs::write(&key, "").expect("written");
    if Owner::of_this_process().uid == 0 {
        chown(&key, Some(SOMEBODY), None).expect("given");
        host.refuses_backup("somebody else's");
        chown(&key, Some(0), None).expect("given");
    }
    copy(&host.place, &host.at("good")).expect("copied");
    fs::rename(host.coordinator(), host.at("moved")).expect("moved");
    symlink(host.at("moved"), host.coordinator()).expect("linked");
    host.refuses_backup("a link in the directory's place");
    // What is there already is nobody's to write to.
    fs::remove_file(host.coordinator()).expect("removed");
    fs::rename(host.at("moved"), host.coordinator()).expect("moved");
    symlink(host.at("good"), host.at("backup")).expect("linked");
    assert!(copy(&host.place, &host.at("backup")).is_err());
}

#[test]
fn restoring_goes_through_no_link_and_takes_nothing_of_others() {
    let host = Host::new();
    let from = host.at("backup");
    copy(&host.place, &from).expect("copied");
    let elsewhere = host.at("elsewhere");
    fs::create_dir(&elsewhere).expect("made");
    fs::write(elsewhere.join("file"), "theirs").expect("written");

    // Wherever a link is, what it leads to stays as it is.
    fs::remove_dir_all(host.coordinator()).expect("removed");
    symlink(&elsewhere, host.coordinator()).expect("linked");
    symlink(&elsewhere, host.place.state.restoring()).expect("linked");
    let backup = Backup::open(&host.place, &from).expect("opened");
    backup.put_back(&host.place, &from).expect("put back");
    assert!(host.coordinator().symlink_metadata().expect("there").is_dir());
    let secrets = StorageLayout::of(&host.place.storage).secrets();
    fs::remove_dir_all(&secrets).expect("removed");
    symlink(&elsewhere, &secrets).expect("linked");
    put_secrets_back(&host.place, b"{}").expect_err("a link");
    assert_eq!(fs::read_dir(&elsewhere).expect("listed").count(), 1);

    // What is in the backup is nobody else's, either.
    let key = from.join(COORDINATOR).join(CoordinatorLayout::NEEDED[1]);
    let refused = |why: &str| assert!(Backup::open(&host.place, &from).is_err(), "{why}");
    if Owner::of_this_process().uid == 0 {
        chown(&key, Some(SOMEBODY), None).expect("given");
        refused("somebody else's");
        assert_eq!(key.metadata().expect("there").uid(), SOMEBODY);
    }
    fs::remove_file(&key).expect("removed");
    refused("a file is missing");
    symlink(host.at("theirs"), &key).expect("linked");
    refused("a link");
    assert!(Backup::open(&host.place, &host.at("nowhere")).is_err());
}

#[test]
fn a_restore_that_fails_leaves_nothing_of_the_backup() {
    let host = Host::new();
    let from = host.at("backup");
    copy(&host.place, &from).expect("copied");
    fs::write(host.coordinator().join("later"), "").expect("written");
    let backup = Backup::open(&host.place, &from).expect("opened");
    symlink(host.at("theirs"), from.join(COORDINATOR).join("tls.key")).expect("linked");
    backup.put_back(&host.place, &from).expect_err("a link, after the keys were copied");
    let names = fs::read_dir(host.place.state.path()).expect("listed");
    let names: Vec<_> = names.map(|entry| entry.expect("there").file_name()).collect();
    assert_eq!(names, [COORDINATOR]);
    assert!(host.coordinator().join("later").exists(), "what there was stays");
}

#[test]
fn no_daemon_starts_while_the_files_are_copied() {
    let host = Host::new();
    let held = host.place.hold().expect("held");
    assert!(!StateLock::is_free(&host.place.state));
    assert_eq!(mode(&host.place.state.lock()), 0o600);
    drop(held);
    assert!(StateLock::is_free(&host.place.state));
    fs::remove_file(host.place.state.lock()).expect("removed");
    symlink(host.at("theirs"), host.place.state.lock()).expect("linked");
    host.place.hold().expect_err("a link");
}

#[test]
fn a_backup_that_others_can_write_is_refused() {
    let host = Host::new();
    let from = host.at("backup");
    copy(&host.place, &from).expect("copied");
    let inner = from.join(COORDINATOR);
    let (key, secrets) = (inner.join(CoordinatorLayout::NEEDED[1]), from.join(SECRETS_FILE));
    for path in [&from, &inner, &key, &secrets] {
        let before = mode(path);
        for others in [0o020, 0o002] {
            let set = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
            set(before | others).expect("set");
            assert!(Backup::open(&host.place, &from).is_err(), "{}", path.display());
            set(before).expect("set");
        }
        if Owner::of_this_process().uid == 0 {
            chown(path, Some(SOMEBODY), None).expect("given");
            assert!(Backup::open(&host.place, &from).is_err(), "{}", path.display());
            chown(path, Some(0), None).expect("given");
        }
    }
    Backup::open(&host.place, &from).expect("nobody else's");
}

#[test]
fn a_damaged_identity_does_not_keep_a_backup_from_being_restored() {
    let host = Host::new();
    let state = &host.place.state;
    fs::write(state.identity(), "{").expect("written");
    let storage = host.place.storage.clone();
    let place = Place::to_restore(state.clone(), Some(storage.clone())).expect("as it was said");
    assert_eq!(place.storage, storage);
    let place = Place::to_restore(state.clone(), None).expect("as if there were none");
    assert_eq!(place.storage, storage_in_host_file().expect("the usual one"));
    assert!(Place::to_back_up(state.clone()).is_err());
}
