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
    assert!(std::fs::metadata(&reserve).expect("held").len() > 0);
    drop(store);
    // No disk has so much room.
    let store = SqliteStore::open_with(&file, Reserve::of(&file, 1 << 42), true).expect("reopened");
    let refused = store.commit(vec![create("ordinary")]).await;
    assert_eq!(refused, Err(CommitError::Store(StoreError::Full)));
    let delete = Op::Delete { path: StorePath::root("before"), version: 1 };
    store.commit_within(Room::Reserve, vec![delete]).await.expect("goes through");
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
    assert_eq!(next.snapshot(&[]).await.expect("read").revision, before);
    assert!(before > 0);
}
