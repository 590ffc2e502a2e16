use std::{sync::Arc, time::Duration};

use super::*;
use crate::{
    cluster::{
        operations::{
            audit::{AuditFilter, read_audit},
            enrolment::enrol,
        },
        testing::{TestCluster, facts, polls_of},
    },
    model::{Code, Role},
    wire::hosts::RoleHealth,
};

#[tokio::test]
async fn text_that_hides_or_reorders_is_no_fact() {
    for hidden in ['\u{202e}', '\u{200b}', '\u{1b}'] {
        let odd = Facts { hostname: format!("a{hidden}b"), ..facts("10.0.0.7") };
        assert!(check_facts(&odd, &odd.hash()).is_err(), "{hidden:?}");
    }
    let plain = Facts { hostname: "größe-7".into(), ..facts("10.0.0.7") };
    check_facts(&plain, &plain.hash()).expect("plain text");
}

#[tokio::test]
async fn a_member_with_hidden_text_in_its_tags_stays_and_the_text_is_shown() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    enrol(&cluster.app, cluster.caller(7), cluster.request(7, "", &token)).await.expect("joined");
    let seven: RunnerId = "10.0.0.7".parse().expect("an id");
    let mut odd = facts("10.0.0.7");
    odd.allocator_tags.0.insert("ra\u{200b}ck".into(), "\u{202e}7".into());
    let hash = odd.hash();
    let taken = update_facts(&cluster.app, cluster.caller(7), &seven, odd, hash.clone()).await;
    assert_eq!(taken.expect("it stays a member"), FactsTaken::Yes);
    let host = cluster.app.registry.view().host(&seven).expect("a member");
    assert_eq!(host.facts.allocator_tags.to_string(), r"ra\u{200b}ck:\u{202e}7");
    assert_eq!(host.facts_hash, hash, "it is not asked again");
}

#[tokio::test]
async fn a_member_stays_when_its_hidden_text_is_longer_once_it_is_shown() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    enrol(&cluster.app, cluster.caller(7), cluster.request(7, "", &token)).await.expect("joined");
    let seven: RunnerId = "10.0.0.7".parse().expect("an id");
    let value = format!("{}{}", "a".repeat(60), "\u{200d}".repeat(59));
    assert_eq!(value.len(), 237);
    for tags in [1, 16] {
        let mut odd = facts("10.0.0.7");
        for tag in 0..tags {
            odd.allocator_tags.0.insert(format!("tag-{tag}"), value.clone());
        }
        let hash = odd.hash();
        let taken = update_facts(&cluster.app, cluster.caller(7), &seven, odd, hash).await;
        assert_eq!(taken.expect("it stays a member"), FactsTaken::Yes);
        let host = cluster.app.registry.view().host(&seven).expect("a member");
        let shown = &host.facts.allocator_tags;
        assert_eq!(shown.0.len(), tags);
        shown.check().expect("within the limits");
        let begins = format!("{}\\u{{200d}}\\u{{200d}}", "a".repeat(60));
        assert!(shown.0.values().all(|it| it.starts_with(&begins)), "{shown}");
    }
}

#[tokio::test]
async fn two_hosts_that_say_that_they_have_one_address_are_both_named() {
    let cluster = TestCluster::start().await;
    let (app, token) = (&cluster.app, cluster.token("", None, None).await);
    for number in [7, 8, 9] {
        let mut request = cluster.request(number, "", &token);
        if number == 8 {
            request.facts = facts("10.0.0.7");
        }
        enrol(app, cluster.caller(number), request).await.expect("joined");
    }
    let shared = |host: &crate::cluster::hosts_now::HostNow<'_>| {
        let problem = host.problems().into_iter().find(|it| it.is(Code::HostAddressShared))?;
        Some((host.member.runner_id.to_string(), problem.message))
    };
    let of = |own: &str, other: &str| {
        let message = format!("its address 10.0.0.7 is also that of the host {other}");
        (own.to_owned(), message)
    };
    let expected = [of("10.0.0.7", "10.0.0.8"), of("10.0.0.8", "10.0.0.7")];
    let named = || app.hosts_now().all().filter_map(|it| shared(&it)).collect::<Vec<_>>();
    assert_eq!(named(), expected);
    let others = app.hosts_now().all().filter(|it| shared(it).is_none());
    let problems: Vec<_> = others.map(|it| it.problems().len()).collect();
    assert_eq!(problems, [0, 0], "nothing is wrong with the first and the last");
}

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

#[tokio::test]
async fn what_a_host_says_of_a_role_that_it_does_not_have_does_not_count() {
    let cluster = TestCluster::start().await;
    let (app, token) = (&cluster.app, cluster.token("allocator", None, None).await);
    let caller = cluster.caller(7);
    let request = cluster.request(7, "allocator", &token);
    let host = Arc::new(enrol(app, caller, request).await.expect("joined"));
    let source = polls_of(caller);
    let ill = RoleHealth { healthy: false, ..RoleHealth::good("d") };
    let failures = |role: Role| {
        app.liveness.poll(&host.runner_id, source, [(role, ill.clone())].into());
        let now = app.now(host.clone());
        let state = now.state();
        (state.is_healthy(None), state.role_failures().count())
    };
    assert_eq!(failures(Role::Proxy), (true, 0));
    assert_eq!(failures(Role::Allocator), (false, 1));
}
