//! What can be done with a host of which a record cannot be read.

use super::{
    super::removal::{evict_hosts_of, evict_runner},
    *,
};
use crate::{
    cluster::records::{MemberPart, OwnerRecord},
    store::{Op, StorePath},
};

async fn damage(store: &dyn Store, path: &StorePath) {
    let (path, value) = (path.clone(), b"damaged".to_vec());
    let op = match store.get(&path).await.expect("read") {
        Some(Record { version, .. }) => Op::Put { path, value, version },
        None => Op::Create { path, value, lease: None },
    };
    store.commit(vec![op]).await.expect("written");
}

#[tokio::test]
async fn a_host_of_which_a_record_cannot_be_read_is_removed_and_its_name_is_free() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let token = cluster.token("allocator", None, None).await;
    let damaged = [
        MemberPart::Facts.path(&runner(7)),
        MemberPart::Settings.path(&runner(7)),
        OwnerRecord::path(&runner(7)),
    ];
    for (round, path) in (10..).step_by(2).zip(damaged) {
        let join = async |number| {
            let request = cluster.request(7, "allocator", &token);
            enrol(app, cluster.caller(number), request).await.expect("joined")
        };
        join(round).await;
        damage(&*app.store, &path).await;
        remove_runner(app, &origin, &runner(7)).await.expect("removed");
        join(round + 1).await;
        damage(&*app.store, &path).await;
        evict_runner(app, &origin, &runner(7)).await.expect("evicted");
        let left = app.store.list(&MemberPart::Identity.path(&runner(7))).await.expect("listed");
        assert!(left.is_empty(), "{left:?}");
    }
    join(&cluster, 8, "allocator", &token).await.expect("joined");
    join(&cluster, 9, "allocator", &token).await.expect("joined");
    damage(&*app.store, &MemberPart::Facts.path(&runner(8))).await;
    let evict = evict_hosts_of(app, &origin, token.record.id, usize::MAX);
    let mut evicted = evict.await.expect("evicted").hosts;
    evicted.sort();
    assert_eq!(evicted, [runner(8), runner(9)]);
}

#[tokio::test]
async fn hosts_are_evicted_in_steps_and_those_that_must_stay_are_in_nobodys_way() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let token = cluster.token("allocator", None, None).await;
    for number in 4..=9 {
        join(&cluster, number, "allocator", &token).await.expect("joined");
    }
    damage(&*app.store, &MemberPart::Desired.path(&runner(4))).await;
    let (mut evicted, mut steps) = (Vec::new(), 0);
    loop {
        let step = evict_hosts_of(app, &origin, token.record.id, 2).await.expect("evicted");
        assert!(step.hosts.len() <= 2, "{step:?}");
        evicted.extend(step.hosts);
        steps += 1;
        if step.left == 0 {
            break;
        }
    }
    evicted.sort();
    assert_eq!(evicted, [runner(5), runner(6), runner(7), runner(8), runner(9)]);
    assert_eq!(steps, 3);
}

#[tokio::test]
async fn a_host_of_which_nobody_can_read_who_it_is_is_removed_with_its_key() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let token = cluster.token("allocator", None, None).await;
    let identity = MemberPart::Identity.path(&runner(7));
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    damage(&*app.store, &identity).await;
    remove_runner(app, &origin, &runner(7)).await.expect("removed");
    assert_eq!(app.store.get(&identity).await.expect("read"), None);
    let left = app.store.list(&identity).await.expect("listed");
    assert!(left.is_empty(), "{left:?}");
    let again = join(&cluster, 7, "allocator", &token).await;
    assert!(matches!(again, Err(EnrolError::Removed { .. })), "{again:?}");
    let request = cluster.request(7, "allocator", &token);
    enrol(app, cluster.caller(9), request).await.expect("the name is free");
}

#[tokio::test]
async fn a_host_that_may_be_the_first_one_stays_and_the_record_is_named() {
    let cluster = TestCluster::start().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    let token = cluster.token("allocator", None, None).await;
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    let path = MemberPart::Desired.path(&runner(7));
    damage(&*app.store, &path).await;
    for kept in [
        evict_runner(app, &origin, &runner(7)).await,
        remove_runner(app, &origin, &runner(7)).await,
    ] {
        let kept = kept.expect_err("it stays");
        let told = kept.to_string();
        assert!(told.contains(&format!("the record {path} ")), "{told}");
        assert!(matches!(kept, RemoveError::Unreadable { .. }), "{kept:?}");
    }
    for part in [MemberPart::Facts, MemberPart::Identity] {
        damage(&*app.store, &part.path(&runner(1))).await;
        let kept = evict_runner(app, &origin, &runner(1)).await;
        assert!(matches!(kept, Err(RemoveError::LastOfItsKind { .. })), "{kept:?}");
    }
}
