use super::*;
use crate::cluster::{operations::removal::remove_runner, testing::TestCluster};

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
async fn a_name_that_differs_from_another_hosts_in_case_alone_is_taken() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    let join = async |number, name: &str| {
        let runner_id = name.parse().expect("an id");
        let request = EnrolRequest { runner_id, ..cluster.request(number, "", &token) };
        enrol(&cluster.app, cluster.caller(number), request).await
    };
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
