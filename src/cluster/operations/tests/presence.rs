//! What is decided by who is connected, or by what others have.

use uuid::Uuid;

use super::{
    super::removal::{evict_runner, remove_allocator, remove_role},
    *,
};
use crate::{
    cluster::{
        operations::tokens::{TokenOptions, create_token},
        records::{DesiredRecord, MemberPart, OwnerRecord},
    },
    model::{Role, SessionId},
};

/// A session of this host begins at another coordinator.
async fn comes_elsewhere(store: &dyn Store, runner: &RunnerId) {
    let path = OwnerRecord::path(runner);
    let record = store.get(&path).await.expect("read").expect("of a member");
    let owner = OwnerRecord {
        runner_id: runner.clone(),
        coordinator: Some("10.0.0.2".parse().expect("an id")),
        session: Some(SessionId(Uuid::new_v4())),
    };
    store.commit(vec![put(path, &owner, record.version)]).await.expect("written");
}

async fn cluster() -> (TestCluster, Arc<Interleaved>, NewToken) {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let options = TokenOptions {
        roles: "allocator".parse().expect("roles"),
        validity: None,
        max_uses: None,
        description: None,
        allow_replace: true,
    };
    let token = create_token(&cluster.app, &cluster.origin(), options).await.expect("a token");
    (cluster, store, token)
}

#[tokio::test]
async fn a_host_that_is_connected_elsewhere_is_neither_removed_nor_replaced() {
    let (cluster, store, token) = cluster().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    comes_elsewhere(&*store, &runner(7)).await;
    let kept = remove_runner(app, &origin, &runner(7)).await;
    assert!(matches!(kept, Err(RemoveError::Connected(_))), "{kept:?}");
    let kept = remove_allocator(app, &origin, &runner(7)).await;
    assert!(matches!(kept, Err(RemoveError::Connected(_))), "{kept:?}");
    let mut request = cluster.request(7, "allocator", &token);
    request.replace = true;
    let kept = enrol(app, cluster.caller(8), request).await;
    assert!(matches!(kept, Err(EnrolError::ReplaceRefused { reason: "it is connected", .. })));
    evict_runner(app, &origin, &runner(7)).await.expect("evicted");
    assert_eq!(store.get(&OwnerRecord::path(&runner(7))).await.expect("read"), None);
}

#[tokio::test]
async fn a_host_that_comes_while_it_is_removed_or_replaced_stays() {
    let (cluster, store, token) = cluster().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    for number in [7, 8, 9] {
        join(&cluster, number, "allocator", &token).await.expect("joined");
    }
    let comes = |number| {
        let committed = store.clone();
        store.before_the_next_commit(async move {
            comes_elsewhere(&*committed, &runner(number)).await;
        });
    };
    comes(7);
    let kept = remove_runner(app, &origin, &runner(7)).await;
    assert!(matches!(kept, Err(RemoveError::Connected(_))), "{kept:?}");
    comes(8);
    let kept = remove_allocator(app, &origin, &runner(8)).await;
    assert!(matches!(kept, Err(RemoveError::Connected(_))), "{kept:?}");
    comes(9);
    let mut request = cluster.request(9, "allocator", &token);
    request.replace = true;
    let kept = enrol(app, cluster.caller(10), request).await;
    assert!(matches!(kept, Err(EnrolError::ReplaceRefused { reason: "it is connected", .. })));
    for number in [7, 8, 9] {
        let host = app.member(runner(number).as_str(), Some(Role::Allocator));
        assert_eq!(host.expect("an allocator").key, cluster.caller(number).key);
    }
}

#[tokio::test]
async fn what_is_set_on_a_host_while_it_is_replaced_is_not_set_on_the_other() {
    use super::super::allocators::{Part, change_allocator};
    let (cluster, store, token) = cluster().await;
    let before = join(&cluster, 7, "allocator", &token).await.expect("joined");
    let (app, origin) = (cluster.app.clone(), cluster.origin());
    store.before_the_next_commit(async move {
        let part = (Part::Maintenance, None);
        change_allocator(&app, &origin, &runner(7), part, |it, _, now| {
            it.maintenance_since = Some(now);
        })
        .await
        .expect("set");
    });
    let mut request = cluster.request(7, "allocator", &token);
    request.replace = true;
    let host = enrol(&cluster.app, cluster.caller(8), request).await.expect("replaced");
    assert_eq!(store.conflicts(), 1);
    assert_eq!(host.allocator, before.allocator);
    let told = before.desired_revision() + 1;
    assert!(host.desired_revision() > told, "{}", host.desired_revision());
    assert_eq!(*cluster.app.member("10.0.0.7", None).expect("a member"), host);
}

#[tokio::test]
async fn of_the_last_two_with_a_role_that_lose_it_at_once_one_keeps_it() {
    let (cluster, store, token) = cluster().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    join(&cluster, 7, "", &token).await.expect("joined");
    let demote = async |number| {
        let action = "coordinator.demote";
        remove_role(app, &origin, &runner(number), Role::Coordinator, action).await
    };
    let last = demote(1).await;
    assert!(matches!(last, Err(RemoveError::LastOfItsKind { .. })), "{last:?}");
    let (path, roles) = (MemberPart::Desired.path(&runner(7)), "coordinator".parse());
    let second = DesiredRecord {
        roles: roles.expect("roles"),
        other_roles: Default::default(),
        revision: 2,
    };
    store.commit(vec![put(path, &second, 1)]).await.expect("a second one");
    let (other, from) = (cluster.app.clone(), cluster.origin());
    store.before_the_next_commit(async move {
        let action = "coordinator.demote";
        remove_role(&other, &from, &runner(7), Role::Coordinator, action).await.expect("demoted");
    });
    let last = demote(1).await;
    assert!(matches!(last, Err(RemoveError::LastOfItsKind { .. })), "{last:?}");
    assert_eq!(store.conflicts(), 1);
}
