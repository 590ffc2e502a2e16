use uuid::Uuid;

use super::*;
use crate::{
    cluster::{
        operations::{enrolment::enrol, removal::evict_runner},
        records::decode,
        testing::{Interleaved, TestCluster},
    },
    rt::Timestamp,
    store::{MemoryStore, Store},
};

fn began(number: u128) -> Transition {
    Transition::Began { runner: runner(), session: SessionId(Uuid::from_u128(number)) }
}

fn ended(number: u128) -> Transition {
    Transition::Ended { runner: runner(), session: SessionId(Uuid::from_u128(number)) }
}

fn runner() -> RunnerId {
    "10.0.0.7".parse().expect("an id")
}

async fn owners_of(store: SharedStore) -> (Owners, Liveness) {
    let coordinator = "10.0.0.1".parse().expect("an id");
    let liveness = Liveness::new(crate::rt::ShutdownTrigger::new().1);
    let owners = Owners::load(store, coordinator, &liveness, Clock::system());
    (owners.await.expect("loaded"), liveness)
}

async fn owner_after(batches: &[&[Transition]]) -> Option<SessionId> {
    let store = with_a_member().await;
    let (mut owners, _liveness) = owners_of(store.clone()).await;
    for batch in batches {
        let latest = owners.latest(batch.iter().cloned());
        owners.write(latest).await.expect("written");
    }
    owner(&store).await
}

async fn owner(store: &SharedStore) -> Option<SessionId> {
    let record = store.get(&OwnerRecord::path(&runner())).await.expect("read");
    decode::<OwnerRecord>(&record.expect("there")).expect("readable").session
}

/// A store in which the host is a member that has never been connected.
async fn with_a_member() -> SharedStore {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let owner = create(OwnerRecord::path(&runner()), &OwnerRecord::nobody(&runner()));
    store.commit(vec![owner]).await.expect("committed");
    store
}

#[tokio::test]
async fn an_owner_that_cannot_be_read_is_made_anew_and_keeps_nobody_out() {
    let cluster = TestCluster::start().await;
    let (app, token) = (&cluster.app, cluster.token("", None, None).await);
    enrol(app, cluster.caller(7), cluster.request(7, "", &token)).await.expect("joined");
    let damage =
        Op::Put { path: OwnerRecord::path(&runner()), value: b"damaged".to_vec(), version: 1 };
    app.store.commit(vec![damage]).await.expect("committed");
    let (mut owners, liveness) = owners_of(app.store.clone()).await;
    assert!(!liveness.is_connected(&runner()));
    assert_eq!(owner(&app.store).await, None, "it can be read again, before anybody comes back");
    let latest = owners.latest([began(1)].into_iter());
    owners.write(latest).await.expect("written");
    assert_eq!(owner(&app.store).await, Some(SessionId(Uuid::from_u128(1))));
    evict_runner(app, &cluster.origin(), &runner()).await.expect("evicted");
    let again = cluster.request(7, "", &token);
    enrol(app, cluster.caller(8), again).await.expect("another one has its name");
    assert_eq!(owner(&app.store).await, None);
}

#[tokio::test]
async fn what_is_damaged_and_nobodys_goes_when_a_coordinator_starts() {
    let store = with_a_member().await;
    let damaged = [PassagesRecord::path(&runner()), OwnerRecord::root().child("..")];
    let damage = |path: &StorePath| Op::Create {
        path: path.clone(),
        value: b"damaged".to_vec(),
        lease: None,
    };
    store.commit(damaged.iter().map(damage).collect()).await.expect("committed");
    let (_owners, _liveness) = owners_of(store.clone()).await;
    for path in &damaged {
        assert_eq!(store.get(path).await.expect("read"), None);
    }
    assert_eq!(owner(&store).await, None);
}

#[tokio::test]
async fn what_is_reported_is_written_until_nobody_reports_any_more() {
    let store = with_a_member().await;
    let (owners, _liveness) = owners_of(store.clone()).await;
    let (report, reported) = mpsc::unbounded_channel();
    for transition in [began(1), ended(1), began(2)] {
        report.send(transition).expect("somebody listens");
    }
    drop(report);
    owners.follow(reported).await.expect("written");
    assert_eq!(owner(&store).await, Some(SessionId(Uuid::from_u128(2))));
}

#[tokio::test]
async fn what_others_have_written_is_read_anew_and_who_is_no_member_has_no_owner() {
    let store = with_a_member().await;
    let path = OwnerRecord::path(&runner());
    let (mut owners, _liveness) = owners_of(store.clone()).await;
    let mut write = async |transition| {
        let latest = owners.latest([transition].into_iter());
        owners.write(latest).await.expect("written");
    };
    let elsewhere = put(path.clone(), &OwnerRecord::nobody(&runner()), 1);
    store.commit(vec![elsewhere]).await.expect("written");
    write(began(1)).await;
    assert_eq!(owner(&store).await, Some(SessionId(Uuid::from_u128(1))));
    store.commit(vec![Op::Delete { path: path.clone(), version: 3 }]).await.expect("removed");
    write(ended(1)).await;
    write(began(2)).await;
    assert_eq!(store.get(&path).await.expect("read"), None);
    let again = create(path, &OwnerRecord::nobody(&runner()));
    store.commit(vec![again]).await.expect("it joins again");
    write(began(3)).await;
    assert_eq!(owner(&store).await, Some(SessionId(Uuid::from_u128(3))));
}

#[tokio::test]
async fn when_a_host_came_and_went_is_read_anew_once_others_have_written_it() {
    let store = with_a_member().await;
    let path = PassagesRecord::path(&runner());
    let (mut owners, liveness) = owners_of(store.clone()).await;
    let mut write = async |transition| {
        let latest = owners.latest([transition].into_iter());
        owners.write(latest).await.expect("written");
    };
    let passage =
        |second, connected| Passage { at: Timestamp::from_unix_seconds(second), connected };
    let elsewhere =
        PassagesRecord { runner_id: runner(), passages: vec![passage(1, true), passage(2, false)] };
    let stored = async || {
        let record = store.get(&path).await.expect("read")?;
        let passages = decode::<PassagesRecord>(&record).expect("readable").passages;
        Some((record.version, passages.iter().map(|it| it.connected).collect::<Vec<_>>()))
    };
    store.commit(vec![create(path.clone(), &elsewhere)]).await.expect("written");
    write(began(1)).await;
    assert_eq!(stored().await, Some((2, vec![true, false, true])));
    store.commit(vec![put(path.clone(), &elsewhere, 2)]).await.expect("written");
    write(ended(1)).await;
    assert_eq!(stored().await, Some((3, vec![true, false])), "that is known there already");
    write(began(2)).await;
    assert_eq!(stored().await, Some((4, vec![true, false, true])));
    store.commit(vec![put(path.clone(), &elsewhere, 4)]).await.expect("written");
    liveness.passages.removed(&runner());
    write(ended(2)).await;
    assert_eq!(stored().await, None);
    assert_eq!(liveness.passages.of(&runner()), []);
}

#[tokio::test]
async fn when_a_host_came_and_went_outlives_the_coordinator_and_goes_with_the_host() {
    let store = with_a_member().await;
    let liveness = || Liveness::new(crate::rt::ShutdownTrigger::new().1);
    let loaded = async |liveness: &Liveness| {
        let coordinator = "10.0.0.1".parse().expect("an id");
        Owners::load(store.clone(), coordinator, liveness, Clock::system()).await
    };
    let connected = |liveness: &Liveness| {
        let passages = liveness.passages.of(&runner()).into_iter();
        passages.map(|it| it.connected).collect::<Vec<_>>()
    };
    let before = liveness();
    let mut owners = loaded(&before).await.expect("loaded");
    for batch in [[began(1)], [began(2)], [ended(2)], [began(3)], [ended(3)]] {
        let latest = owners.latest(batch.into_iter());
        owners.write(latest).await.expect("written");
    }
    assert_eq!(connected(&before), [true, false, true, false]);
    let after = liveness();
    let mut owners = loaded(&after).await.expect("loaded");
    assert_eq!(connected(&after), [true, false, true, false]);
    after.passages.removed(&runner());
    owners.write(HashMap::new()).await.expect("written");
    let latest = owners.latest([began(4)].into_iter());
    owners.write(latest).await.expect("written");
    assert_eq!(connected(&after), [true]);
    let listed = store.list(&PassagesRecord::root()).await.expect("listed");
    assert_eq!(listed.len(), 1);
    after.passages.removed(&runner());
    let latest = owners.latest([ended(4)].into_iter());
    owners.write(latest).await.expect("written");
    assert_eq!(store.list(&PassagesRecord::root()).await.expect("listed").len(), 0);
}

#[tokio::test]
async fn the_end_of_a_session_is_the_end_of_no_other_one() {
    let second = Some(SessionId(Uuid::from_u128(2)));
    assert_eq!(owner_after(&[&[began(1)], &[began(2)], &[ended(1)]]).await, second);
    assert_eq!(owner_after(&[&[began(1)], &[began(2), ended(1)]]).await, second);
    assert_eq!(owner_after(&[&[began(1)], &[ended(1), began(2)]]).await, second);
    assert_eq!(owner_after(&[&[began(1)], &[began(2)], &[ended(2)]]).await, None);
    assert_eq!(owner_after(&[&[began(1), ended(1)]]).await, None);
}

#[tokio::test]
async fn hosts_that_others_write_all_the_time_keep_nobody_else_from_being_written() {
    let store = Arc::new(Interleaved::default());
    let named = |number: u128| -> RunnerId { format!("10.0.1.{number}").parse().expect("an id") };
    let members: Vec<Op> = (0..20)
        .map(|number| {
            create(OwnerRecord::path(&named(number)), &OwnerRecord::nobody(&named(number)))
        })
        .collect();
    store.commit(members).await.expect("committed");
    store.is_always_written_by_others(OwnerRecord::path(&named(7)));
    let (mut owners, _liveness) = owners_of(store.clone()).await;
    let session = |number| SessionId(Uuid::from_u128(number));
    let all = (0..20).map(|it| Transition::Began { runner: named(it), session: session(it) });
    let latest = owners.latest(all);
    owners.write(latest).await.expect("it is the end of nothing");
    for number in 0..20 {
        let record = store.get(&OwnerRecord::path(&named(number))).await.expect("read");
        let owner: OwnerRecord = decode(&record.expect("there")).expect("readable");
        assert_eq!(owner.session, (number != 7).then(|| session(number)), "{number}");
    }
}
