use super::*;
use crate::cluster::{
    operations::{
        audit::{AuditFilter, read_audit},
        enrolment::enrol,
    },
    testing::{TestCluster, facts},
};

#[tokio::test(start_paused = true)]
async fn a_host_that_changes_its_facts_all_the_time_is_held_back_and_named() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    enrol(&cluster.app, cluster.caller(7), cluster.request(7, "", &token)).await.expect("joined");
    let seven: RunnerId = "10.0.0.7".parse().expect("an id");
    let change = async |cpus: u32| {
        let mut new = facts("10.0.0.7");
        new.cpus = cpus;
        let hash = new.hash();
        update_facts(&cluster.app, cluster.caller(7), &seven, new, hash).await.expect("told")
    };
    let mut taken = 0;
    for cpus in 10..100 {
        taken += u32::from(change(cpus).await == FactsTaken::Yes);
    }
    assert_eq!(taken, 10);
    assert!(cluster.app.host_allowances.facts_wait(&seven));
    assert!(!cluster.app.host_allowances.facts_wait(&"10.0.0.8".parse().expect("an id")));
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(change(200).await, FactsTaken::Yes);
    let host = cluster.app.registry.view().host(&seven).expect("a member");
    assert_eq!(host.facts.cpus, 200);
    let latest = read_audit(&cluster.app, &AuditFilter::default(), None, 0, 1).await.expect("read");
    let latest = &latest.records[0];
    assert_eq!(latest.after, serde_json::json!({ "cpus": 200 }), "only what differs");
}
