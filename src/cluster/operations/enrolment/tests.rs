use super::*;
use crate::cluster::testing::TestCluster;

#[tokio::test]
async fn a_name_that_the_api_has_for_something_else_is_refused() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    let mut request = cluster.request(7, "", &token);
    request.runner_id = "_search".parse().expect("an id");
    let refused = enrol(&cluster.app, cluster.caller(7), request).await;
    assert!(matches!(refused, Err(EnrolError::RunnerIdReserved(_))), "{refused:?}");
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
