//! One suite for all stores.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    CommitError, Lease, LeaseId, MemoryStore, Op, PageFrom, RecordChange, SqliteStore, Store,
    StorePath, WatchEvent,
};

fn path(name: &str) -> StorePath {
    StorePath::root("tests").child(name)
}

fn create(name: &str) -> Op {
    Op::Create { path: path(name), value: name.as_bytes().to_vec(), lease: None }
}

fn put(name: &str, version: u64) -> Op {
    Op::Put { path: path(name), value: b"new".to_vec(), version }
}

async fn has_ended(lease: &Lease) -> bool {
    tokio::time::timeout(Duration::ZERO, lease.ended()).await.is_ok()
}

async fn value(store: &dyn Store, name: &str) -> Option<(u64, Vec<u8>)> {
    store.get(&path(name)).await.expect("read").map(|record| (record.version, record.value))
}

async fn a_commit_is_all_or_nothing(store: &dyn Store) {
    store.commit(vec![create("a")]).await.expect("committed");
    let result = store.commit(vec![create("b"), put("a", 1), create("a")]).await;
    assert_eq!(result, Err(CommitError::Conflict { operation: 2, path: path("a") }));
    assert_eq!(value(store, "a").await, Some((1, b"a".to_vec())));
    assert_eq!(value(store, "b").await, None);
}

async fn versions_guard_put_delete_and_check(store: &dyn Store) {
    store.commit(vec![create("v")]).await.expect("created");
    store.commit(vec![put("v", 1)]).await.expect("put at its version");
    assert_eq!(value(store, "v").await, Some((2, b"new".to_vec())));
    let at = |version| Op::Check { path: path("v"), version };
    let delete = |version| Op::Delete { path: path("v"), version };
    assert!(store.commit(vec![put("v", 1)]).await.is_err());
    assert!(store.commit(vec![delete(1)]).await.is_err());
    assert!(store.commit(vec![at(1), create("w")]).await.is_err());
    store.commit(vec![at(2), create("w")]).await.expect("checked");
    store.commit(vec![delete(2)]).await.expect("deleted");
    assert!(store.commit(vec![at(2)]).await.is_err());
    store.commit(vec![create("v")]).await.expect("created again");
    assert_eq!(value(store, "v").await, Some((1, b"v".to_vec())));
}

async fn a_list_is_of_what_is_below(store: &dyn Store) {
    for name in ["l", "l.x", "l0"] {
        store.commit(vec![create(name)]).await.expect("created");
    }
    for child in ["2", "1"] {
        let path = path("l").child(child);
        store.commit(vec![Op::Create { path, value: vec![], lease: None }]).await.expect("created");
    }
    let listed = store.list(&path("l")).await.expect("listed");
    let names: Vec<&str> =
        listed.iter().filter_map(|record| record.path.below(&path("l"))).collect();
    assert_eq!(names, ["1", "2"]);
}

async fn a_page_begins_at_either_end_or_before_a_record(store: &dyn Store) {
    let at = |name: &str| path("p").child(name);
    for name in ["1", "2", "3", "4"] {
        let op = Op::Create { path: at(name), value: vec![], lease: None };
        store.commit(vec![op]).await.expect("created");
    }
    store.commit(vec![create("p0"), create("o")]).await.expect("neighbours");
    let (two, missing, neighbour) = (at("2"), at("35"), path("p0"));
    for (from, limit, expected) in [
        (PageFrom::Start, 2, &["1", "2"][..]),
        (PageFrom::Start, 9, &["1", "2", "3", "4"]),
        (PageFrom::End, 3, &["4", "3", "2"]),
        (PageFrom::Before(&two), 9, &["1"]),
        (PageFrom::Before(&missing), 1, &["3"]),
        (PageFrom::Before(&neighbour), 1, &["4"]),
        (PageFrom::End, 0, &[]),
        (PageFrom::After(&two), 9, &["3", "4"]),
        (PageFrom::After(&missing), 1, &["4"]),
        (PageFrom::After(&neighbour), 9, &[]),
    ] {
        let page = store.page(&path("p"), from, limit).await.expect("read");
        let names: Vec<&str> = page.iter().filter_map(|it| it.path.below(&path("p"))).collect();
        assert_eq!(names, expected, "{from:?}");
    }
    let page = store.page(&path("p"), PageFrom::Before(&path("a")), 9).await.expect("read");
    assert!(page.is_empty());
}

async fn a_watch_shows_commits_in_order(store: &dyn Store) {
    let mut watch = store.watch();
    let first = store.commit(vec![create("x"), create("y")]).await.expect("committed");
    assert!(store.commit(vec![create("x")]).await.is_err());
    let second = store.commit(vec![Op::Delete { path: path("x"), version: 1 }]).await.expect("ok");
    assert!(second > first);
    for (revision, paths) in [(first, vec!["x", "y"]), (second, vec!["x"])] {
        let Some(WatchEvent::Committed(seen)) = watch.next().await else { panic!("no commit") };
        assert_eq!(seen.revision, revision);
        let expected: Vec<StorePath> = paths.into_iter().map(path).collect();
        let changed: Vec<StorePath> = seen.changes.iter().map(|c| c.path.clone()).collect();
        assert_eq!(changed, expected);
    }
}

async fn a_watch_that_falls_behind_is_reset(store: &dyn Store) {
    let mut watch = store.watch();
    for version in 0..5_000 {
        let op = if version == 0 { create("busy") } else { put("busy", version) };
        store.commit(vec![op]).await.expect("committed");
    }
    assert_eq!(watch.next().await, Some(WatchEvent::Reset));
}

async fn what_is_leased_goes_with_its_lease(store: &dyn Store) {
    let (lease, other) =
        (store.open_lease().await.expect("a lease"), store.open_lease().await.expect("a lease"));
    assert_ne!(lease.id(), other.id());
    let leased = |name, lease: &Lease| Op::Create {
        path: path(name),
        value: vec![],
        lease: Some(lease.id()),
    };
    for (name, lease) in [("mine", &lease), ("yours", &other)] {
        store.commit(vec![leased(name, lease)]).await.expect("created");
    }
    store.commit(vec![put("mine", 1)]).await.expect("a put keeps the lease");
    let mut watch = store.watch();
    assert!(!has_ended(&lease).await);
    store.close_lease(lease.id()).await.expect("closed");
    lease.ended().await;
    assert_eq!(value(store, "mine").await, None);
    assert!(value(store, "yours").await.is_some());
    let Some(WatchEvent::Committed(seen)) = watch.next().await else { panic!("no commit") };
    assert_eq!(seen.changes, [RecordChange { path: path("mine"), record: None }]);
    // What has ended stays so, and nothing is made under it any more.
    let late = store.commit(vec![create("free"), leased("late", &lease)]).await;
    assert_eq!(late, Err(CommitError::LeaseEnded));
    assert_eq!(value(store, "free").await, None);
    store.close_lease(lease.id()).await.expect("closed again");
    assert!(!has_ended(&other).await);
}

async fn nothing_is_made_under_a_lease_that_is_being_closed_or_that_never_was(store: &dyn Store) {
    let lease = store.open_lease().await.expect("a lease");
    let leased = |name: &str, id| Op::Create { path: path(name), value: vec![], lease: Some(id) };
    let many = (0..200).map(|number| create(&format!("many{number}"))).collect();
    let (many, closed, late) = tokio::join!(
        store.commit(many),
        store.close_lease(lease.id()),
        store.commit(vec![leased("late", lease.id())])
    );
    assert!(many.is_ok() && closed.is_ok());
    assert_eq!(late, Err(CommitError::LeaseEnded));
    let made_up = leased("made-up", LeaseId(lease.id().0 + 1));
    assert_eq!(store.commit(vec![made_up]).await, Err(CommitError::LeaseEnded));
}

async fn a_lease_under_which_there_is_nothing_ends_without_a_commit(store: &dyn Store) {
    let before = store.commit(vec![create("before")]).await.expect("committed");
    let lease = store.open_lease().await.expect("a lease");
    store.close_lease(lease.id()).await.expect("closed");
    lease.ended().await;
    let after = store.commit(vec![create("after")]).await.expect("committed");
    assert_eq!(after, before + 1);
}

async fn a_snapshot_is_of_one_revision_and_in_the_order_of_paths(store: &dyn Store) {
    let empty = store.snapshot(&[path("s"), path("t")]).await.expect("read");
    assert!(empty.records.is_empty());
    let mut last = empty.revision;
    for (root, name) in [("t", "2"), ("s", "b"), ("s", "a"), ("u", "x"), ("t", "1")] {
        let path = path(root).child(name);
        let op = Op::Create { path, value: vec![], lease: None };
        let revision = store.commit(vec![op]).await.expect("created");
        assert!(revision > last);
        last = revision;
    }
    let snapshot = store.snapshot(&[path("t"), path("s")]).await.expect("read");
    assert_eq!(snapshot.revision, last);
    let names: Vec<_> = snapshot.records.iter().map(|it| it.path.below(&path("s"))).collect();
    assert_eq!(names, [Some("a"), Some("b"), None, None]);
    assert!(snapshot.records.iter().all(|record| record.revision <= last));
    let deleted = Op::Delete { path: path("t").child("1"), version: 1 };
    let deleted = store.commit(vec![deleted]).await.expect("deleted");
    let later = store.snapshot(&[path("t")]).await.expect("read");
    assert_eq!((later.revision, later.records.len()), (deleted, 1));
}

async fn a_record_needs_nothing_above_it_and_stays_while_others_are_below(store: &dyn Store) {
    let (parent, child) = (path("above"), path("above").child("a").child("below"));
    let made = |path: &StorePath| Op::Create { path: path.clone(), value: vec![], lease: None };
    let delete = |path: &StorePath| Op::Delete { path: path.clone(), version: 1 };
    store.commit(vec![made(&child)]).await.expect("without a parent");
    store.commit(vec![made(&parent)]).await.expect("above what is there");
    let refused = store.commit(vec![delete(&parent)]).await;
    assert_eq!(refused, Err(CommitError::Conflict { operation: 0, path: parent.clone() }));
    store.commit(vec![delete(&child)]).await.expect("deleted");
    store.commit(vec![delete(&parent)]).await.expect("deleted");
}

async fn what_is_below_a_record_may_go_and_come_in_the_commit_that_deletes_it(store: &dyn Store) {
    let (parent, child) = (path("whole"), path("whole").child("part"));
    let made = |path: &StorePath| Op::Create { path: path.clone(), value: vec![], lease: None };
    let delete = |path: &StorePath| Op::Delete { path: path.clone(), version: 1 };
    store.commit(vec![made(&parent), made(&child)]).await.expect("made");
    let refused = store.commit(vec![delete(&parent), delete(&child)]).await;
    assert_eq!(refused, Err(CommitError::Conflict { operation: 0, path: parent.clone() }));
    let other = parent.child("other");
    let refused = store.commit(vec![delete(&child), made(&other), delete(&parent)]).await;
    assert_eq!(refused, Err(CommitError::Conflict { operation: 2, path: parent.clone() }));
    store.commit(vec![delete(&child), delete(&parent)]).await.expect("the lowest first");
    assert!(store.get(&parent).await.expect("read").is_none());
}

async fn of_two_who_want_the_same_one_wins(store: &dyn Store) {
    let (one, two) = tokio::join!(
        store.commit(vec![create("slot"), create("loser-1")]),
        store.commit(vec![create("slot"), create("loser-2")])
    );
    assert!(one.is_ok() != two.is_ok());
}

#[test]
fn an_operation_counts_for_what_it_writes() {
    let lease = Some(LeaseId(1));
    let written = path("abc").as_str().len() + 5;
    let value = vec![0; 5];
    let create = Op::Create { path: path("abc"), value: value.clone(), lease };
    assert_eq!(create.size(), written);
    assert_eq!(Op::Put { path: path("abc"), value, version: 1 }.size(), written);
    assert_eq!(Op::Check { path: path("abc"), version: 1 }.size(), 0);
    assert_eq!(Op::Delete { path: path("abc"), version: 1 }.size(), 0);
}

#[test]
fn a_path_is_made_of_segments_that_mean_nothing_else() {
    assert_eq!(path("aZ09._:-").as_str(), "/tests/aZ09._:-");
    for odd in ["", "/", "a/b", "a b", "ä", "a\0", "*"] {
        assert!(std::panic::catch_unwind(|| path(odd)).is_err(), "{odd:?}");
    }
    let below = |it: &StorePath| it.below(&path("a")).map(str::to_owned);
    assert_eq!(below(&path("a").child("b").child("c")).as_deref(), Some("b/c"));
    for other in [path("a"), path("ab"), path("a.b"), StorePath::root("tests")] {
        assert_eq!(below(&other), None);
    }
}

/// Small programs over few paths, so that they collide.
fn programs() -> impl Strategy<Value = Vec<Vec<(u8, u8, u64)>>> {
    prop::collection::vec(prop::collection::vec((0..4u8, 0..4u8, 1..4u64), 1..4), 1..40)
}

fn op((kind, name, version): (u8, u8, u64)) -> Op {
    let path = path(&name.to_string());
    match kind {
        0 => Op::Create { path, value: vec![name], lease: None },
        1 => Op::Put { path, value: vec![name, version as u8], version },
        2 => Op::Delete { path, version },
        _ => Op::Check { path, version },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_stores_do_the_same_whatever_they_are_asked(program in programs()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let dir = tempfile::tempdir().expect("a directory");
            let sqlite = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
            let memory = MemoryStore::new();
            for step in program {
                let mut ops: Vec<Op> = Vec::new();
                for op in step.into_iter().map(op) {
                    if ops.iter().all(|other| other.path() != op.path()) {
                        ops.push(op);
                    }
                }
                let expected = memory.commit(ops.clone()).await;
                assert_eq!(sqlite.commit(ops).await, expected);
            }
            let root = StorePath::root("tests");
            assert_eq!(sqlite.list(&root).await, memory.list(&root).await);
        });
    }
}

macro_rules! suite {
    ($($test:ident)*) => {
        mod memory {
            use super::*;
            $(#[tokio::test] async fn $test() { super::$test(&MemoryStore::new()).await })*
        }
        mod sqlite {
            use super::*;
            $(#[tokio::test] async fn $test() {
                let dir = tempfile::tempdir().expect("a directory");
                let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
                super::$test(&store).await
            })*
        }
    };
}

suite! {
    a_commit_is_all_or_nothing
    versions_guard_put_delete_and_check
    a_list_is_of_what_is_below
    a_page_begins_at_either_end_or_before_a_record
    a_watch_shows_commits_in_order
    a_watch_that_falls_behind_is_reset
    what_is_leased_goes_with_its_lease
    nothing_is_made_under_a_lease_that_is_being_closed_or_that_never_was
    a_lease_under_which_there_is_nothing_ends_without_a_commit
    a_snapshot_is_of_one_revision_and_in_the_order_of_paths
    a_record_needs_nothing_above_it_and_stays_while_others_are_below
    what_is_below_a_record_may_go_and_come_in_the_commit_that_deletes_it
    of_two_who_want_the_same_one_wins
}
