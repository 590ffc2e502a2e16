use super::*;
use crate::{
    cluster::records::{self, FactsRecord, IdentityRecord, SettingsRecord, UserRole},
    store::{MemoryStore, Op},
};

fn user(name: &str, hash: &str) -> UserRecord {
    UserRecord::new(name, [UserRole::PlatformAdmin], hash)
}

/// A host with this name that says that it has this address.
fn member(name: &str, address: &str) -> Member {
    let joined = Joined {
        at: crate::rt::Timestamp::from_unix_seconds(1_800_000_000),
        roles: "allocator".parse().expect("roles"),
        token: None,
        source_address: [10, 0, 0, 7].into(),
        overridden: Vec::new(),
        replaced: None,
    };
    let key = crate::model::Fingerprint::from_digest([7; 32]);
    let facts = crate::cluster::testing::facts(address);
    let facts = FactsRecord { facts_hash: facts.hash(), facts };
    let runner_id = name.parse().expect("an id");
    Member::joining(IdentityRecord { runner_id, key, joined }, facts)
}

async fn create(store: &SharedStore, name: &str) -> u64 {
    let op = records::create(UserRecord::path(name), &user(name, "1"));
    store.commit(vec![op]).await.expect("committed")
}

#[tokio::test]
async fn a_record_that_cannot_be_read_hides_no_other_one() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    create(&store, "good").await;
    let damaged = |name| Op::Create {
        path: UserRecord::path(name),
        value: b"{\"schema\":1,".to_vec(),
        lease: None,
    };
    store.commit(vec![damaged("bad")]).await.expect("committed");
    let watch = store.watch();
    let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
    let registry =
        Arc::new(Registry::load(&store, liveness, Arc::default()).await.expect("loaded"));
    let followed = (registry.clone(), store.clone());
    let task = tokio::spawn(async move { followed.0.follow(&followed.1, watch).await });
    store.commit(vec![damaged("worse")]).await.expect("committed");
    registry.caught_up(create(&store, "later").await).await;
    let names: Vec<String> = registry.users().iter().map(|user| user.name.clone()).collect();
    assert_eq!(names, ["good", "later"]);
    task.abort();
}

#[tokio::test]
async fn it_follows_the_store_and_survives_a_reset_of_the_watch() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    create(&store, "before").await;
    let watch = store.watch();
    let registry = Arc::new(
        Registry::load(
            &store,
            Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1)),
            Arc::default(),
        )
        .await
        .expect("loaded"),
    );
    assert!(registry.view().user("before").is_some());

    // More commits than a watch can hold, before anybody follows it.
    create(&store, "busy").await;
    for version in 1..6_000 {
        let op = records::put(UserRecord::path("busy"), &user("busy", "2"), version);
        store.commit(vec![op]).await.expect("committed");
    }
    let delete = Op::Delete { path: UserRecord::path("before"), version: 1 };
    store.commit(vec![delete]).await.expect("deleted");
    let last = create(&store, "last").await;

    let follower = (registry.clone(), store.clone());
    let task = tokio::spawn(async move { follower.0.follow(&follower.1, watch).await });
    registry.caught_up(last).await;
    let view = registry.view();
    assert!(view.user("before").is_none());
    assert!(view.user("last").is_some());
    assert_eq!(view.user("busy").expect("there").password_hash, "2");
    task.abort();
}

#[tokio::test]
async fn what_was_deleted_before_it_read_anew_is_never_seen_again() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let watch = store.watch();
    let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
    let sessions = Arc::<Sessions>::default();
    let registry = Registry::load(&store, liveness, sessions.clone()).await.expect("loaded");
    sessions.open(&user("gone", "1"));
    create(&store, "gone").await;
    let put = records::put(UserRecord::path("gone"), &user("gone", "2"), 1);
    store.commit(vec![put]).await.expect("changed");
    let delete = Op::Delete { path: UserRecord::path("gone"), version: 2 };
    let deleted = store.commit(vec![delete]).await.expect("deleted");
    registry.reload(&store).await.expect("read");
    registry.caught_up(deleted).await;
    assert_eq!(sessions.count(), 0, "who was out for a while has none");
    // What the watch has still to tell is older than what was read.
    let mut watch = watch;
    for _ in 0..3 {
        let Some(WatchEvent::Committed(committed)) = watch.next().await else {
            panic!("no commit")
        };
        registry.apply(&committed).expect("applied");
        assert!(registry.view().user("gone").is_none());
    }
}

#[tokio::test]
async fn a_commit_that_comes_in_parts_is_caught_up_with_when_all_of_it_is_there() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
    let registry = Registry::load(&store, liveness, Arc::default()).await.expect("loaded");
    let mut watch = store.watch();
    let ops = ["a", "b"].map(|name| records::create(UserRecord::path(name), &user(name, "1")));
    let revision = store.commit(ops.into()).await.expect("committed");
    let Some(WatchEvent::Committed(whole)) = watch.next().await else { panic!("no commit") };
    for (number, change) in whole.changes.iter().enumerate() {
        let caught_up =
            tokio::time::timeout(std::time::Duration::ZERO, registry.caught_up(revision));
        assert!(caught_up.await.is_err(), "after {number} of two");
        let (changes, whole) = (vec![change.clone()], number == 1);
        registry.apply(&Committed { revision, changes, whole }).expect("applied");
    }
    registry.caught_up(revision).await;
    assert_eq!(registry.users().len(), 2);
}

#[tokio::test]
async fn a_host_is_a_member_when_all_its_records_are_there_and_can_be_read() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
    let registry = Registry::load(&store, liveness, Arc::default()).await.expect("loaded");
    let mut watch = store.watch();
    let runner: RunnerId = "10.0.0.7".parse().expect("an id");
    let member = member("10.0.0.7", "10.0.0.7");
    let mut known = async |ops: Vec<Op>| {
        store.commit(ops).await.expect("committed");
        let Some(WatchEvent::Committed(whole)) = watch.next().await else { panic!("no commit") };
        let mut seen = Vec::new();
        for change in &whole.changes {
            let (revision, changes) = (whole.revision, vec![change.clone()]);
            registry.apply(&Committed { revision, changes, whole: true }).expect("applied");
            seen.push(registry.view().host(&runner));
        }
        seen
    };
    let [identity, facts, desired, _] = member.creations();
    let seen = known(vec![desired, identity, facts]).await;
    assert_eq!(seen.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(seen[2].as_deref(), Some(&member));

    let settings = MemberPart::Settings.path(&runner);
    let set = SettingsRecord { revision: 1, ..Default::default() };
    let seen = known(vec![records::create(settings.clone(), &set)]).await;
    assert_eq!(seen[0].as_ref().expect("there").settings(), set);
    // What they were is not known, and they are not what all begin with.
    let damaged =
        |version| Op::Put { path: settings.clone(), value: b"{\"schema\":1,".to_vec(), version };
    assert_eq!(known(vec![damaged(1)]).await, [None]);
    assert!(known(vec![records::put(settings.clone(), &set, 2)]).await[0].is_some());
    let delete = |part: MemberPart, version| Op::Delete { path: part.path(&runner), version };
    let all = [MemberPart::Facts, MemberPart::Desired, MemberPart::Identity];
    let mut deletions: Vec<_> = all.into_iter().map(|part| delete(part, 1)).collect();
    deletions.insert(0, delete(MemberPart::Settings, 3));
    let seen = known(deletions).await;
    assert!(seen[0].is_some() && seen[1..].iter().all(Option::is_none));
    assert!(registry.view().incomplete.is_empty());
}

#[tokio::test]
async fn nobody_waits_for_what_the_end_of_the_coordinator_leaves_unseen() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let watch = store.watch();
    let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
    let registry =
        Arc::new(Registry::load(&store, liveness, Arc::default()).await.expect("loaded"));
    let revision = create(&store, "a").await + 1;
    let followed = (registry.clone(), store.clone());
    let task = tokio::spawn(async move { followed.0.follow(&followed.1, watch).await });
    registry.caught_up(revision - 1).await;
    let soon = std::time::Duration::from_secs(20);
    let waits = tokio::time::timeout(soon, registry.caught_up(revision));
    task.abort();
    waits.await.expect("it is told");
}

mod hosts;
