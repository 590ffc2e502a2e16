use std::sync::Arc;

use super::*;
use crate::{
    cluster::{
        operations::{
            allocators::{Part, change_allocator},
            enrolment::enrol,
            removal::remove_runner,
        },
        records::{KeyRecord, decode},
        registry::Registry,
        testing::{Interleaved, TestCluster, facts},
    },
    model::Fingerprint,
    store::{MemoryStore, SharedStore},
};

fn runner(number: usize) -> RunnerId {
    format!("10.0.{}.{}", number / 200, number % 200 + 7).parse().expect("an id")
}

/// A member as earlier versions have written it.
fn whole(number: usize, maintenance: bool) -> [Op; 2] {
    let runner = runner(number);
    let digest = [(number / 200) as u8 + 100, (number % 200) as u8];
    let key: KeyId = Fingerprint::from_digest(std::array::from_fn(|at| digest[at % 2]));
    let facts = facts(runner.as_str());
    let mut record = serde_json::json!({
        "schema": 1,
        "runner_id": runner,
        "key": key,
        "roles": ["allocator", "proxy"],
        "other_roles": ["services-forwarder"],
        "desired_revision": 5,
        "facts_hash": facts.hash(),
        "facts": facts,
        "joined": {
            "at": 1_800_000_000_000_i64,
            "roles": ["allocator"],
            "token": "0197c3a0-0000-7000-8000-000000000001",
            "source_address": "10.0.0.7",
            "overridden": ["preflight.swap"],
            "replaced": null,
        },
    });
    if maintenance {
        record["allocator"] = serde_json::json!({
            "maintenance_since": 1_800_000_001_000_i64,
            "metadata": { "rack": "7" },
            "capacity_mb": 9_000,
            "metadata_version": 2,
            "settings_version": 3,
            "modified_at": 1_800_000_002_000_i64,
        });
    }
    let (path, value) = (MemberPart::Identity.path(&runner), record.to_string().into_bytes());
    let key = create(KeyRecord::path(&key), &KeyRecord::Host { runner_id: runner });
    [Op::Create { path, value, lease: None }, key]
}

async fn hosts(store: &SharedStore) -> Vec<Arc<crate::cluster::member::Member>> {
    let liveness = crate::cluster::liveness::Liveness::new(crate::rt::ShutdownTrigger::new().1);
    let registry = Registry::load(store, Arc::new(liveness), Arc::default()).await.expect("loaded");
    registry.hosts()
}

#[tokio::test]
async fn members_of_an_earlier_version_are_brought_over_as_they_were_and_are_changed_as_any() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    // Who was connected has an owner.
    let owner = serde_json::json!({
        "schema": 1,
        "runner_id": runner(0),
        "coordinator": "10.0.0.1",
        "session": "0197c3a0-0000-7000-8000-000000000002",
    });
    let mut ops: Vec<Op> = whole(0, true).into_iter().chain(whole(1, false)).collect();
    let (path, value) = (OwnerRecord::path(&runner(0)), owner.to_string().into_bytes());
    ops.push(Op::Create { path, value, lease: None });
    store.commit(ops).await.expect("written");
    let cluster = TestCluster::start_on(store.clone()).await;
    bring_over(&*store).await.expect("brought over");

    let found = hosts(&store).await;
    let [_, busy, plain] = &found[..] else { panic!("{found:#?}") };
    for host in [busy, plain] {
        assert_eq!(host.desired_revision(), 5);
        assert_eq!(host.roles.to_string(), "allocator,proxy");
        assert_eq!(host.joined.roles.to_string(), "allocator");
        assert_eq!(host.joined.overridden, ["preflight.swap"]);
        assert!(host.other_roles.contains("services-forwarder"));
        assert_eq!(host.facts, facts(host.runner_id.as_str()));
        assert_eq!(host.facts_hash, host.facts.hash());
    }
    assert_eq!(plain.allocator, AllocatorConfig::default());
    let settings = store.get(&MemberPart::Settings.path(&plain.runner_id)).await.expect("read");
    assert_eq!(settings, None, "nothing is set");
    let config = &busy.allocator;
    assert_eq!((config.metadata_version, config.settings_version), (2, 3));
    assert_eq!((busy.capacity_mb().0, busy.metadata()["rack"].as_str()), (9_000, "7"));
    assert!(config.maintenance_since.is_some() && config.modified_at.is_some());

    let (app, origin) = (&cluster.app, cluster.origin());
    let part = (Part::Maintenance, None);
    let changed = change_allocator(app, &origin, &runner(0), part, |it, _, _| {
        it.maintenance_since = None;
    })
    .await
    .expect("changed");
    assert_eq!(changed.desired_revision(), 6);
    remove_runner(app, &origin, &runner(1)).await.expect("removed: it was not connected");
    let token = cluster.token("", None, None).await;
    enrol(app, cluster.caller(9), cluster.request(9, "", &token)).await.expect("joined");
    assert_eq!(app.registry.count_hosts(), 3);
}

#[tokio::test]
async fn what_was_cut_off_is_brought_over_by_the_next_start_and_then_nothing_is_written() {
    const HOSTS: usize = 2 * BATCH + 50;
    let store = Arc::new(Interleaved::default());
    for number in 0..HOSTS {
        store.commit(whole(number, number % 3 == 0).into()).await.expect("written");
    }
    let damaged = MemberPart::root().child("ab").child("damaged");
    let value = b"{\"schema\":1,\"runner_id\":".to_vec();
    store.commit(vec![Op::Create { path: damaged, value, lease: None }]).await.expect("written");
    let shared: SharedStore = store.clone();
    store.fails_after(1);
    bring_over(&*store).await.expect_err("killed");
    assert_eq!(hosts(&shared).await.len(), BATCH, "half of it is brought over");
    // The version before does not take what is left for the whole cluster.
    let records = store.list(&MemberPart::root()).await.expect("listed");
    let read_by_the_version_before = |record: &Record| decode::<WholeRecord>(record).map(|_| ());
    let identities = records.iter().filter(|it| it.path.as_str().matches('/').count() == 3);
    let answers: Vec<_> = identities.map(read_by_the_version_before).collect();
    let too_new = Err(StoreError::TooNew { found: 2, known: 1 });
    assert_eq!(answers.iter().filter(|it| **it == too_new).count(), BATCH);
    assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), HOSTS - BATCH);
    store.fails_after(usize::MAX);
    bring_over(&*store).await.expect("brought over");
    let found = hosts(&shared).await;
    assert_eq!(found.len(), HOSTS);
    for number in 0..HOSTS {
        let host = found.iter().find(|it| it.runner_id == runner(number)).expect("there");
        assert_eq!(host.allocator.maintenance_since.is_some(), number % 3 == 0, "{number}");
        let owner = store.get(&OwnerRecord::path(&host.runner_id)).await.expect("read");
        assert_eq!(owner.map(|it| it.version), Some(1));
    }
    store.fails_after(0);
    bring_over(&*store).await.expect("nothing is left to do");
}

#[tokio::test]
async fn a_name_of_which_only_an_owner_is_left_can_join() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let cluster = TestCluster::start_on(store.clone()).await;
    let token = cluster.token("", None, None).await;
    let join = async |number| {
        enrol(&cluster.app, cluster.caller(number), cluster.request(number, "", &token)).await
    };
    let member = join(8).await.expect("joined").runner_id;
    let left = serde_json::json!({
        "schema": 1,
        "runner_id": "10.0.0.9",
        "coordinator": "10.0.0.1",
        "session": "0197c3a0-0000-7000-8000-000000000002",
    });
    for (number, value) in [(9, left.to_string()), (10, "damaged".to_owned())] {
        let path = OwnerRecord::path(&cluster.request(number, "", &token).runner_id);
        let op = Op::Create { path, value: value.into_bytes(), lease: None };
        store.commit(vec![op]).await.expect("written");
        join(number).await.expect_err("its place is taken");
    }
    bring_over(&*store).await.expect("brought over");
    for number in [9, 10] {
        join(number).await.expect("joined");
    }
    let kept = store.get(&OwnerRecord::path(&member)).await.expect("read");
    assert_eq!(kept.map(|it| it.version), Some(1), "of a member it stays");
}

#[tokio::test]
async fn a_part_that_cannot_be_read_stays_and_others_are_brought_over() {
    let store = Arc::new(Interleaved::default());
    let shared: SharedStore = store.clone();
    store.commit(whole(0, true).into()).await.expect("written");
    bring_over(&*store).await.expect("brought over");
    let path = MemberPart::Facts.path(&runner(0));
    let damage = Op::Put { path: path.clone(), value: b"damaged".to_vec(), version: 1 };
    store.commit(vec![damage]).await.expect("written");
    store.commit(whole(1, false).into()).await.expect("written");
    bring_over(&*store).await.expect("brought over");
    let found: Vec<_> = hosts(&shared).await.iter().map(|it| it.runner_id.clone()).collect();
    assert_eq!(found, [runner(1)]);
    let damaged = store.get(&path).await.expect("read").expect("there");
    assert_eq!((damaged.version, &*damaged.value), (2, &b"damaged"[..]));
    for number in [0, 1] {
        let owner = store.get(&OwnerRecord::path(&runner(number))).await.expect("read");
        assert!(owner.is_some(), "{number}");
    }
    store.fails_after(0);
    bring_over(&*store).await.expect("nothing is left to do");
}
