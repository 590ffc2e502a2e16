use std::sync::Arc;

use super::*;
use crate::{
    cluster::{
        operations::{removal::remove_runner, tokens::NewToken},
        records::put,
        testing::{Interleaved, TestCluster},
    },
    store::Store,
};

/// Enrols the host with this number by another name than its own.
async fn join_as(
    cluster: &TestCluster,
    number: u8,
    name: &str,
    token: &NewToken,
) -> Result<Member, EnrolError> {
    let runner_id = name.parse().expect("an id");
    let request = EnrolRequest { runner_id, ..cluster.request(number, "", token) };
    enrol(&cluster.app, cluster.caller(number), request).await
}

#[tokio::test]
async fn a_name_that_the_api_has_for_something_else_is_refused() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    let mut request = cluster.request(7, "", &token);
    request.runner_id = "_search".parse().expect("an id");
    let refused = enrol(&cluster.app, cluster.caller(7), request).await;
    assert!(matches!(refused, Err(EnrolError::RunnerIdReserved(_))), "{refused:?}");
}

#[tokio::test]
async fn an_address_in_another_spelling_is_no_name() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    let join = |number, name| join_as(&cluster, number, name, &token);
    join(3, "127.0.0.3").await.expect("joined");
    for name in ["127.000.0.3", "127.0.0.3.", "::ffff:127.0.0.3"] {
        let refused = join(4, name).await.expect_err("refused").to_string();
        assert_eq!(
            refused,
            format!("the runner id {name} is not how the address 127.0.0.3 is spelt")
        );
    }
}

#[tokio::test]
async fn a_name_that_differs_from_another_hosts_in_case_alone_is_taken() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    let join = |number, name| join_as(&cluster, number, name, &token);
    join(7, "Rack-1").await.expect("joined");
    join(7, "Rack-1").await.expect("the same answer again");
    let refused = join(8, "rack-1").await.expect_err("taken");
    assert!(refused.to_string().contains("the runner id Rack-1 is taken"), "{refused}");
    assert!(refused.to_string().contains("rack-1 differs from it"), "{refused}");
    join(8, "rack-2").await.expect("another name");
    let taken = join(9, "Rack-1").await.expect_err("taken");
    assert!(matches!(taken, EnrolError::RunnerIdTaken { .. }), "{taken:?}");
    let runner = "Rack-1".parse().expect("an id");
    remove_runner(&cluster.app, &cluster.origin(), &runner).await.expect("removed");
    join(9, "RACK-1").await.expect("its name is free");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_too_many_came_with_lets_in_one_a_second_and_members_get_their_answer() {
    let cluster = TestCluster::start().await;
    let (token, other) = (cluster.token("", None, None).await, cluster.token("", None, None).await);
    let join = async |number, token| {
        enrol(&cluster.app, cluster.caller(number), cluster.request(number, "", token)).await
    };
    join(7, &token).await.expect("joined");
    while cluster.app.joins.take(token.record.id).is_ok() {}
    let refused = join(8, &token).await;
    assert!(matches!(refused, Err(EnrolError::TooMany(_))), "{refused:?}");
    join(7, &token).await.expect("the same answer again");
    join(9, &other).await.expect("with another token");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    join(8, &token).await.expect("its turn");
}

/// How many hosts may still come with the token at once.
fn left(cluster: &TestCluster, token: &NewToken) -> usize {
    std::iter::from_fn(|| cluster.app.joins.take(token.record.id).ok()).count()
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_uses_up_nothing_of_what_a_token_may_let_in() {
    let cluster = TestCluster::start().await;
    for limit in [None, Some(100)] {
        let (token, fresh) =
            (cluster.token("", None, limit).await, cluster.token("", None, limit).await);
        let known = if limit.is_none() { 7 } else { 17 };
        let join = async |number, replace| {
            let request = EnrolRequest { replace, ..cluster.request(known, "", &token) };
            enrol(&cluster.app, cluster.caller(number), request).await
        };
        join(known, false).await.expect("joined");
        for _ in 0..10 {
            let refused = join(8, true).await;
            assert!(matches!(refused, Err(EnrolError::ReplaceRefused { .. })), "{refused:?}");
            let taken = join(8, false).await;
            assert!(matches!(taken, Err(EnrolError::RunnerIdTaken { .. })), "{taken:?}");
        }
        assert_eq!(left(&cluster, &token), left(&cluster, &fresh) - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_that_others_get_in_the_way_of_counts_once_and_not_at_all_if_it_did_not_get_in() {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let (token, fresh) = (cluster.token("", None, None).await, cluster.token("", None, None).await);
    let join = async |number| {
        enrol(&cluster.app, cluster.caller(number), cluster.request(number, "", &token)).await
    };
    let (path, record, written) =
        (TokenRecord::path(token.record.id), token.record.clone(), store.clone());
    store.before_the_next_commit(async move {
        let version = written.get(&path).await.expect("read").expect("there").version;
        written.commit(vec![put(path, &record, version)]).await.expect("committed");
    });
    store.conflicts();
    join(7).await.expect("joined");
    assert_eq!(store.conflicts(), 1);
    store.is_always_written_by_others(KeyRecord::path(&cluster.caller(8).key));
    let given_up = join(8).await;
    assert!(matches!(given_up, Err(EnrolError::Unfinished(_))), "{given_up:?}");
    assert_eq!(left(&cluster, &token), left(&cluster, &fresh) - 1);
}

#[tokio::test]
async fn which_uses_of_a_token_are_taken_is_read_once() {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let token = cluster.token("", None, Some(20)).await;
    let join = async |number| {
        enrol(&cluster.app, cluster.caller(number), cluster.request(number, "", &token)).await
    };
    for number in 10..30 {
        join(number).await.expect("joined");
    }
    for number in 30..40 {
        let refused = join(number).await;
        assert!(matches!(refused, Err(EnrolError::TokenUsedUp(20))), "{refused:?}");
    }
    assert_eq!(store.lists_of(&UseRecord::root(token.record.id)), 1);
}

#[tokio::test]
async fn a_use_that_another_coordinator_has_counted_is_taken() {
    let store = Arc::new(Interleaved::default());
    let (here, limit) = (TestCluster::start_on(store.clone()).await, 3);
    let token = here.token("", None, Some(limit)).await;
    let join = async |number| {
        enrol(&here.app, here.caller(number), here.request(number, "", &token)).await
    };
    join(10).await.expect("joined");
    let (runner_id, key, at) =
        ("10.0.0.99".parse().expect("an id"), here.caller(99).key, here.app.clock.now());
    let used = UseRecord { runner_id, key, at };
    let free = (0..limit).map(|slot| UseRecord::slot_path(token.record.id, slot));
    for path in free {
        if store.get(&path).await.expect("read").is_none() {
            store.commit(vec![create(path, &used)]).await.expect("committed");
            break;
        }
    }
    join(11).await.expect("the last one");
    let refused = join(12).await;
    assert!(matches!(refused, Err(EnrolError::TokenUsedUp(3))), "{refused:?}");
}
