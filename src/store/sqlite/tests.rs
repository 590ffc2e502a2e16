use super::*;

#[tokio::test]
async fn what_was_committed_is_there_after_reopening_and_leases_are_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let kept = StorePath::root("kept");
    let create =
        |path: &StorePath, lease| Op::Create { path: path.clone(), value: b"v".to_vec(), lease };
    let revision = {
        let store = SqliteStore::open(&file).expect("opened");
        let lease = store.open_lease().await.expect("a lease");
        let leased = create(&StorePath::root("leased"), Some(lease.id()));
        store.commit(vec![leased]).await.expect("ok");
        store.commit(vec![create(&kept, None)]).await.expect("committed")
    };
    let store = SqliteStore::open(&file).expect("reopened");
    let record = store.get(&kept).await.expect("read").expect("there");
    assert_eq!((record.version, record.revision, record.value), (1, revision, b"v".to_vec()));
    assert_eq!(store.get(&StorePath::root("leased")).await.expect("read"), None);
    let next = store.commit(vec![create(&StorePath::root("next"), None)]).await.expect("ok");
    assert!(next > revision);
}

#[tokio::test]
async fn the_file_and_those_beside_it_are_their_owners_alone_from_birth_and_when_found_open() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let modes = || {
        let entries = std::fs::read_dir(dir.path()).expect("listed");
        let mode = |entry: std::io::Result<std::fs::DirEntry>| {
            let entry = entry.expect("read");
            let mode = entry.metadata().expect("there").permissions().mode() & 0o777;
            (entry.file_name().into_string().expect("text"), mode)
        };
        entries.map(mode).collect::<std::collections::BTreeMap<_, _>>()
    };
    let expected = ["store.db", "store.db-shm", "store.db-wal", "store.reserve", "store.revision"]
        .map(|it| (it.to_owned(), 0o600));
    let store = SqliteStore::open(&file).expect("opened");
    let op = Op::Create { path: StorePath::root("a"), value: vec![1], lease: None };
    store.commit(vec![op]).await.expect("committed");
    assert_eq!(modes(), expected.clone().into());
    // Nothing is in the reserve.
    for (name, _) in &expected[..3] {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(dir.path().join(name), open).expect("set");
    }
    let _again = SqliteStore::open(&file).expect("opened");
    assert_eq!(modes(), expected.into());
}

#[tokio::test]
async fn acknowledged_changes_that_a_damaged_log_has_lost_are_counted() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).expect("opened");
    for name in ["a", "b", "c"] {
        let op = Op::Create { path: StorePath::root(name), value: vec![1], lease: None };
        store.commit(vec![op]).await.expect("committed");
    }
    // As a process that is killed leaves it.
    let copied = |to: &str, damage: bool| {
        let to = dir.path().join(to);
        std::fs::create_dir(&to).expect("made");
        for name in ["store.db", "store.db-wal", "store.revision"] {
            std::fs::copy(dir.path().join(name), to.join(name)).expect("copied");
        }
        let log = to.join("store.db-wal");
        let mut bytes = std::fs::read(&log).expect("read");
        let last = bytes.len() - 1;
        bytes[last] ^= u8::from(damage);
        std::fs::write(&log, bytes).expect("written");
        to.join("store.db")
    };
    assert_eq!(SqliteStore::open(&copied("whole", false)).expect("opened").lost(), 0);
    let damaged = copied("damaged", true);
    assert_eq!(SqliteStore::open_to_look(&damaged).expect("opened").lost(), 1);
    let store = SqliteStore::open(&damaged).expect("opened");
    assert_eq!(store.lost(), 1);
    assert!(store.get(&StorePath::root("b")).await.expect("read").is_some());
    assert_eq!(store.get(&StorePath::root("c")).await.expect("read"), None);
    drop(store);
    assert_eq!(SqliteStore::open(&damaged).expect("opened").lost(), 0, "it is told once");
    // A note that cannot be read, or of an earlier datastore, says nothing.
    for note in [&[7; 16][..], &[7; 3], &[]] {
        let odd = copied(&format!("odd{}", note.len()), true);
        std::fs::write(odd.with_file_name("store.revision"), note).expect("written");
        assert_eq!(SqliteStore::open(&odd).expect("opened").lost(), 0);
    }
    let emptied = copied("emptied", false);
    for name in ["store.db", "store.db-wal"] {
        std::fs::remove_file(emptied.with_file_name(name)).expect("removed");
    }
    assert_eq!(SqliteStore::open(&emptied).expect("opened").lost(), 0, "it was just made");
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    drop(SqliteStore::open(&file).expect("opened"));
    let connection = Connection::open(&file).expect("opened");
    connection.pragma_update(None, "user_version", 99).expect("updated");
    assert_eq!(
        SqliteStore::open(&file).err(),
        Some(StoreError::TooNew { found: 99, known: schema::FORMAT })
    );
}

#[tokio::test]
async fn what_takes_access_away_goes_through_when_all_else_finds_the_reserve_in_use() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).expect("opened");
    let create =
        |name: &str| Op::Create { path: StorePath::root(name), value: b"v".to_vec(), lease: None };
    store.commit(vec![create("before")]).await.expect("committed");
    let reserve = file.with_file_name("store.reserve");
    let disk = crate::rt::disk::size_of_disk(dir.path()).expect("a disk");
    let held = std::fs::metadata(&reserve).expect("held").len();
    assert_eq!(held, (16 * 1024 * 1024).min(disk / 16));
    assert!(!store.is_full());
    drop(store);
    // No disk has so much room.
    let store = SqliteStore::open_with(&file, Reserve::of(&file, 1 << 42), true).expect("reopened");
    let refused = store.commit(vec![create("ordinary")]).await;
    assert_eq!(refused, Err(CommitError::Store(StoreError::Full)));
    let delete = Op::Delete { path: StorePath::root("before"), version: 1 };
    store.commit_within(Room::Reserve, vec![delete]).await.expect("goes through");
    assert!(store.is_full(), "what may use the reserve says nothing of other room");
    drop(store);
    let store = SqliteStore::open(&file).expect("reopened");
    store.commit(vec![create("ordinary")]).await.expect("there is room again");
    drop(store);
    // What is not a full disk stops nothing.
    std::fs::remove_file(&reserve).expect("removed");
    std::fs::create_dir(&reserve).expect("made");
    let store = SqliteStore::open(&file).expect("reopened");
    store.commit(vec![create("other")]).await.expect("committed");
}

#[test]
fn what_is_kept_back_goes_when_the_file_does_not_open() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    std::fs::create_dir(&file).expect("made");
    std::fs::write(file.with_file_name("store.reserve"), "x").expect("written");
    for _ in 0..2 {
        let error = SqliteStore::open(&file).err();
        assert!(matches!(error, Some(StoreError::Failed(_))), "{error:?}");
        assert!(!file.with_file_name("store.reserve").exists());
    }
}

#[tokio::test]
async fn one_that_is_closed_has_written_what_was_asked_before_and_writes_nothing_after() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let store = SqliteStore::open(&file).expect("opened");
    let create =
        |name: String| Op::Create { path: StorePath::root(&name), value: vec![1], lease: None };
    // Nobody waits for these any more.
    for number in 0..100 {
        let commit = store.commit(vec![create(format!("before{number}"))]);
        let _gone = tokio::time::timeout(std::time::Duration::ZERO, commit).await;
    }
    store.close().await;
    let next = SqliteStore::open(&file).expect("opened");
    let before = next.snapshot(&[]).await.expect("read").revision;
    for ops in [vec![create("after".into())], Vec::new()] {
        let refused = store.commit(ops).await;
        assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    }
    assert!(store.open_lease().await.is_err());
    store.close().await;
    assert_eq!(store.failed().await, StoreError::Failed("it was closed".into()));
    assert_eq!(next.snapshot(&[]).await.expect("read").revision, before);
    assert!(before > 0);
}

#[tokio::test]
async fn a_full_disk_refuses_what_is_too_much_and_takes_changes_again_when_room_was_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("store.db");
    let connection = schema::open(&file).expect("opened");
    // To SQLite it is as if the disk had no more pages than these.
    connection.pragma_update(None, "max_page_count", 64).expect("set");
    let store = SqliteStore::over(connection, &file, Reserve::beside(&file), true).expect("begun");
    let large = |name: &str| {
        vec![Op::Create { path: StorePath::root(name), value: vec![1; 100_000], lease: None }]
    };
    let full = Err(CommitError::Store(StoreError::Full));
    store.commit(large("a")).await.expect("there is room");
    store.commit(large("b")).await.expect("there is room");
    assert!(!store.is_full());
    let before = store.snapshot(&[]).await.expect("read").revision;
    assert_eq!(store.commit(large("c")).await, full);
    assert!(store.is_full());
    // What is small fits still, and is no sign of room for a change.
    std::os::unix::fs::symlink("/dev/full", file.with_extension("trial")).expect("linked");
    let _lease = store.open_lease().await.expect("it is small");
    assert!(store.is_full());
    assert_eq!(store.commit_within(Room::Reserve, large("d")).await, full);
    let (first, second) = tokio::join!(store.commit(large("e")), store.open_lease());
    assert_eq!((first, second.err()), (full, Some(StoreError::Full)));
    assert_eq!(store.snapshot(&[]).await.expect("read").revision, before);
    let delete = Op::Delete { path: StorePath::root("a"), version: 1 };
    store.commit_within(Room::Reserve, vec![delete]).await.expect("makes room");
    store.commit(large("f")).await.expect("there is room again");
    assert!(!store.is_full());
    assert!(store.get(&StorePath::root("f")).await.expect("read").is_some());
}
