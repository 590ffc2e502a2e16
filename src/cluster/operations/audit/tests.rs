use std::sync::Arc;

use super::*;
use crate::cluster::{
    change::{Credential, Origin, Standing},
    operations::{api_keys::create_key, enrolment::enrol},
    records::{Actor, UserRecord, UserRole, create},
    testing::TestCluster,
};

async fn audited(cluster: &TestCluster, before: Option<AuditPlace>, size: usize) -> AuditStretch {
    read_audit(&cluster.app, &AuditFilter::default(), before, 0, size).await.expect("read")
}

#[tokio::test]
async fn the_audit_is_read_page_by_page_without_gaps_and_a_bad_record_hides_no_other() {
    let cluster = TestCluster::start().await;
    for _ in 0..700 {
        cluster.token("", None, None).await;
        cluster.advance(Duration::from_millis(700));
    }
    let bad = Op::Create {
        path: AuditRecord::root().child("2027-01-15").child("08").child("0100").child("bad"),
        value: b"not a record".to_vec(),
        lease: None,
    };
    cluster.app.store.commit(vec![bad]).await.expect("committed");
    let (mut subjects, mut place) = (Vec::new(), None);
    loop {
        let page = audited(&cluster, place, 300).await;
        subjects.extend(page.records.into_iter().map(|record| (record.at, record.subject)));
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    assert_eq!(subjects.len(), 701, "each change, and the making of the cluster");
    assert!(subjects.is_sorted_by(|one, other| one.0 >= other.0));
    subjects.dedup();
    assert_eq!(subjects.len(), 701);
}

#[tokio::test]
async fn of_too_much_audit_the_oldest_goes_and_what_is_too_old_goes_anyway() {
    let cluster = TestCluster::start().await;
    for _ in 0..40 {
        cluster.token("", None, None).await;
        cluster.advance(Duration::from_secs(1));
    }
    let all = cluster.app.store.list(&AuditRecord::root()).await.expect("listed");
    let size = |it: &Record| it.path.as_str().len() + it.value.len();
    let most = all.iter().rev().take(10).map(size).sum();
    let most = MostBytes { in_all: most, of_hosts: most, of_a_user: most, of_users: most };
    let now = cluster.app.clock.now();
    forget_old_audit(&cluster.app.store, now, most).await.expect("forgotten");
    let kept = cluster.app.store.list(&AuditRecord::root()).await.expect("listed");
    assert_eq!(kept, all[all.len() - 10..]);
    forget_old_audit(&cluster.app.store, now.plus(KEPT), most).await.expect("forgotten");
    let kept = cluster.app.store.list(&AuditRecord::root()).await.expect("listed");
    assert!(kept.is_empty());
}

#[tokio::test]
async fn hosts_that_cause_much_push_out_nothing_that_people_did() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    for number in 10..40 {
        cluster.advance(Duration::from_secs(1));
        let request = cluster.request(number, "", &token);
        enrol(&cluster.app, cluster.caller(number), request).await.expect("joined");
    }
    let store = &cluster.app.store;
    let most = MostBytes { in_all: 4_000, of_hosts: 1_000, of_a_user: 0, of_users: 0 };
    forget_old_audit(store, cluster.app.clock.now(), most).await.expect("forgotten");
    let kept = audited(&cluster, None, 100).await.records;
    let actions: Vec<&str> = kept.iter().map(|record| record.action.as_str()).collect();
    let people = actions.iter().filter(|action| **action != "host.join").count();
    assert_eq!(people, 2, "{actions:?}");
    assert!((1..5).contains(&(actions.len() - people)), "{actions:?}");
    assert_eq!(kept[0].subject, "10.0.0.39", "the latest");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_no_administrator_pushes_out_nothing_but_what_they_did() {
    let cluster = TestCluster::start().await;
    let (app, store) = (&cluster.app, &cluster.app.store);
    cluster.token("", None, None).await;
    for (name, changes) in [("carol", 2), ("dave", 90)] {
        let user = UserRecord::new(name, [UserRole::PlatformViewer], "hash");
        store.commit(vec![create(UserRecord::path(name), &user)]).await.expect("written");
        let standing = Standing {
            user: Arc::new(user.clone()),
            allows: |_| true,
            credential: Credential::Password,
        };
        let actor = Actor::User(name.into());
        let origin = Origin { actor, standing: Some(standing), ..cluster.origin() };
        for number in 0..changes {
            cluster.advance(Duration::from_secs(1));
            let told = format!("{number} {}", "x".repeat(1_000));
            create_key(app, &origin, &user, &told, None).await.expect("made");
        }
    }
    let most = MostBytes { in_all: 20_000, of_hosts: 4_000, of_a_user: 8_000, of_users: 16_000 };
    forget_old_audit(store, app.clock.now(), most).await.expect("forgotten");
    let kept = audited(&cluster, None, 100).await.records;
    let by = |actor: Actor| kept.iter().filter(|record| record.actor == actor).count();
    let of = |name: &str| by(Actor::User(name.into()));
    assert_eq!((of("admin"), of("carol"), by(Actor::Bootstrap)), (1, 2, 1), "{kept:?}");
    assert!((2..8).contains(&of("dave")), "{kept:?}");
    assert_eq!(kept[0].actor, Actor::User("dave".into()), "the latest");
    // All of them together have a bound, too.
    let most = MostBytes { of_users: 3_000, ..most };
    forget_old_audit(store, app.clock.now(), most).await.expect("forgotten");
    let kept = audited(&cluster, None, 100).await.records;
    assert!(kept.iter().all(|record| record.actor != Actor::User("carol".into())), "{kept:?}");
    assert!(kept.len() > 2, "{kept:?}");
}

#[tokio::test]
async fn a_reader_skips_filters_and_stops_as_they_say() {
    let cluster = TestCluster::start().await;
    for _ in 0..6 {
        cluster.advance(Duration::from_secs(1));
        cluster.token("", None, None).await;
    }
    let all = audited(&cluster, None, 100).await;
    assert!(all.next.is_none());
    let subjects =
        |records: &[AuditRecord]| records.iter().map(|it| it.subject.clone()).collect::<Vec<_>>();
    let all = subjects(&all.records);
    assert_eq!(all.len(), 7);
    let read = |filter: AuditFilter, before, skip, size| {
        let app = cluster.app.clone();
        async move { read_audit(&app, &filter, before, skip, size).await.expect("read") }
    };
    let some = read(AuditFilter::default(), None, 2, 3).await;
    assert_eq!(subjects(&some.records), all[2..5]);
    let rest = read(AuditFilter::default(), some.next, 1, 100).await;
    assert_eq!((subjects(&rest.records), rest.next), (all[6..].to_vec(), None));
    let made = AuditFilter { action: Some("token.create".into()), ..Default::default() };
    assert_eq!(subjects(&read(made, None, 0, 100).await.records), all[..6]);
    let one = AuditFilter { subject: Some(all[3].clone()), ..Default::default() };
    assert_eq!(subjects(&read(one, None, 0, 100).await.records), all[3..4]);
    // The latest is of now, and each of the others a second older.
    let since = Some(cluster.app.clock.now().minus(Duration::from_secs(2)));
    let late = read(AuditFilter { since, ..Default::default() }, None, 0, 100).await;
    assert_eq!((subjects(&late.records), late.next), (all[..3].to_vec(), None));
}

#[tokio::test]
async fn a_change_is_remembered_for_90_days() {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let cluster = TestCluster::start().await;
    cluster.token("", None, None).await;
    let now = cluster.app.clock.now();
    for (days, kept) in [(90, 2), (91, 0)] {
        let now = now.plus(DAY * days);
        forget_old_audit(&cluster.app.store, now, MOST).await.expect("forgotten");
        assert_eq!(audited(&cluster, None, 9).await.records.len(), kept, "{days}");
    }
}
