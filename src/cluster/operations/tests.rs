mod at_once;
mod blessings;
mod damaged;
mod presence;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::{
    enrolment::{EnrolError, enrol},
    members::update_facts,
    removal::{RemoveError, remove_runner},
    roles::{WantedRoles, set_roles},
    tokens::{NewToken, revoke_token},
    users::{UserError, set_password},
};
use crate::{
    cluster::{
        member::Member,
        records::{Actor, AuditRecord, Revocation, TokenRecord, UseRecord, decode, put},
        testing::{Interleaved, TestCluster},
    },
    model::{CapacitySource, RunnerId, Secret},
    store::{Record, SqliteStore, Store},
};

const MINUTE: Duration = Duration::from_secs(60);

async fn join(
    cluster: &TestCluster,
    number: u8,
    roles: &str,
    token: &NewToken,
) -> Result<Member, EnrolError> {
    enrol(&cluster.app, cluster.caller(number), cluster.request(number, roles, token)).await
}

async fn uses(cluster: &TestCluster, token: &NewToken) -> usize {
    let root = UseRecord::root(token.record.id);
    cluster.app.store.list(&root).await.expect("listed").len()
}

fn runner(number: u8) -> RunnerId {
    format!("10.0.0.{number}").parse().expect("an id")
}

#[tokio::test]
async fn a_password_for_an_odd_name_is_answered_that_there_is_no_such_user() {
    let cluster = TestCluster::start().await;
    let password = Secret::new("long enough");
    for name in ["nobody", "", "a/b", "..", "ad min", "admin\n", "\u{1b}[2J", &"x".repeat(9_000)] {
        let answer = set_password(&cluster.app, &cluster.origin(), name, &password).await;
        assert!(matches!(answer, Err(UserError::NotFound(_))), "{name:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_ephemeral_token_is_good_to_the_last_millisecond_and_then_refused() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("allocator", Some(MINUTE), None).await;
    cluster.advance(MINUTE - Duration::from_millis(1));
    join(&cluster, 7, "allocator", &token).await.expect("in time");
    cluster.advance(Duration::from_millis(1));
    let late = join(&cluster, 8, "allocator", &token).await;
    assert!(matches!(late, Err(EnrolError::TokenExpired { .. })), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_enrolments_at_once_with_one_key_get_one_answer_and_count_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
    let cluster = TestCluster::start_on(Arc::new(store)).await;
    for number in 2..40 {
        // One kind of token counts hosts by their keys, the other by slots, of which there is one.
        let limit = (number % 2 == 0).then_some(1);
        let token = cluster.token("allocator", None, limit).await;
        let mut asked = JoinSet::new();
        for _ in 0..10 {
            let app = cluster.app.clone();
            let (caller, request) =
                (cluster.caller(number), cluster.request(number, "allocator", &token));
            asked.spawn(async move {
                let host = enrol(&app, caller, request).await?;
                let known = app.registry.view().key(&host.key).is_some();
                Ok::<_, EnrolError>((host, known))
            });
        }
        let answers = asked.join_all().await;
        let hosts: Vec<&Member> = answers
            .iter()
            .map(|answer| match answer {
                Ok((host, true)) => host,
                Ok((host, false)) => panic!("{} is answered before it is known", host.runner_id),
                Err(error) => panic!("{number}: {error}"),
            })
            .collect();
        assert!(hosts.iter().all(|host| *host == hosts[0]), "{hosts:#?}");
        assert_eq!(uses(&cluster, &token).await, 1);
    }
}

#[tokio::test]
async fn of_the_checks_that_a_host_says_were_overridden_only_known_codes_are_kept_once() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("allocator", None, None).await;
    let mut request = cluster.request(7, "allocator", &token);
    request.overridden = vec!["preflight.swap".into(); 3];
    request.overridden.extend(["\u{1b}[2J".into(), "x".repeat(60_000), "preflight.memory".into()]);
    let host = enrol(&cluster.app, cluster.caller(7), request).await.expect("joined");
    assert_eq!(host.joined.overridden, ["preflight.swap", "preflight.memory"]);
}

#[tokio::test]
async fn a_join_acknowledged_before_a_revocation_is_answered_again_with_the_same_answer() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("allocator", Some(MINUTE), Some(1)).await;
    let first = join(&cluster, 7, "allocator", &token).await.expect("joined");
    revoke_token(&cluster.app, &cluster.origin(), &token.record.id.to_string())
        .await
        .expect("revoked");
    cluster.advance(2 * MINUTE);
    let again = join(&cluster, 7, "allocator", &token).await.expect("the same answer");
    assert_eq!(again, first);
    assert_eq!(uses(&cluster, &token).await, 1);
    let other = join(&cluster, 8, "allocator", &token).await;
    assert!(matches!(other, Err(EnrolError::TokenRevoked(_))), "{other:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_want_the_last_use_one_gets_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
    let cluster = TestCluster::start_on(Arc::new(store)).await;
    let token = cluster.token("", None, Some(3)).await;
    let joins = (10..18).map(|number| {
        let (app, caller) = (cluster.app.clone(), cluster.caller(number));
        let request = cluster.request(number, "", &token);
        tokio::spawn(async move { enrol(&app, caller, request).await })
    });
    let mut joined = 0;
    for outcome in joins.collect::<Vec<_>>() {
        match outcome.await.expect("no panic") {
            Ok(_) => joined += 1,
            Err(EnrolError::TokenUsedUp(3)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(joined, 3);
    assert_eq!(uses(&cluster, &token).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_come_at_once_with_a_limited_token_all_get_in_up_to_the_limit() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
    let cluster = TestCluster::start_on(Arc::new(store)).await;
    let token = cluster.token("", None, Some(200)).await;
    let mut joins = JoinSet::new();
    for number in 10..230 {
        let (app, caller) = (cluster.app.clone(), cluster.caller(number));
        let request = cluster.request(number, "", &token);
        joins.spawn(async move { enrol(&app, caller, request).await });
    }
    let (joined, refused): (Vec<_>, Vec<_>) =
        joins.join_all().await.into_iter().partition(Result::is_ok);
    assert!(
        refused.iter().all(|it| matches!(it, Err(EnrolError::TokenUsedUp(200)))),
        "{refused:?}"
    );
    assert_eq!((joined.len(), uses(&cluster, &token).await), (200, 200));
}

#[tokio::test]
async fn no_reason_is_told_before_the_signature_holds_and_the_record_must_be_of_this_text() {
    let (ours, theirs) = (TestCluster::start().await, TestCluster::start().await);
    let mut foreign = theirs.token("", None, None).await;
    let unknown = join(&ours, 7, "", &foreign).await;
    assert!(matches!(unknown, Err(EnrolError::TokenInvalid)), "{unknown:?}");
    foreign.text = Secret::new("not a token");
    let garbage = join(&ours, 7, "", &foreign).await;
    assert!(matches!(garbage, Err(EnrolError::TokenInvalid)), "{garbage:?}");

    // The right key, and no record: whoever steals the key still cannot make a token.
    let key = ours.app.cluster.signing_key().expect("a key");
    let token = ours.token("", None, None).await;
    let parsed = crate::token::UnverifiedToken::parse(token.text.expose()).expect("a token");
    let forged = |change: fn(&mut crate::token::Claims)| {
        let mut claims = parsed.claims().clone();
        change(&mut claims);
        NewToken { text: key.sign(&claims), record: token.record.clone() }
    };
    for forgery in [
        forged(|claims| claims.id = crate::model::TokenId(uuid::Uuid::from_u128(1))),
        forged(|claims| claims.roles = vec!["allocator".into()]),
    ] {
        let refused = join(&ours, 7, "", &forgery).await;
        assert!(matches!(refused, Err(EnrolError::TokenInvalid)), "{refused:?}");
    }
}

#[tokio::test]
async fn the_records_roles_are_the_limit() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("allocator", None, None).await;
    let refused = |answer: Result<Member, EnrolError>| match answer {
        Err(EnrolError::RolesExceeded { beyond, .. }) => beyond.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(join(&cluster, 7, "allocator,proxy", &token).await), "proxy");

    // The text still says allocator, and its record no longer does.
    let narrower = TokenRecord { roles: "proxy".parse().expect("roles"), ..token.record.clone() };
    let path = TokenRecord::path(token.record.id);
    let stored = cluster.app.store.get(&path).await.expect("read").expect("there");
    let put = put(path, &narrower, stored.version);
    let committed = cluster.app.store.commit(vec![put]).await.expect("committed");
    cluster.app.registry.caught_up(committed).await;
    assert_eq!(refused(join(&cluster, 7, "allocator", &token).await), "allocator");
    assert_eq!(uses(&cluster, &token).await, 0);
}

#[tokio::test]
async fn a_removed_hosts_key_never_comes_back_and_its_name_does() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    join(&cluster, 7, "", &token).await.expect("joined");
    remove_runner(&cluster.app, &cluster.origin(), &runner(7)).await.expect("removed");
    let again = join(&cluster, 7, "", &token).await;
    assert!(matches!(again, Err(EnrolError::Removed { .. })), "{again:?}");
    // The same name with a fresh key.
    let mut request = cluster.request(7, "", &token);
    request.runner_id = runner(7);
    enrol(&cluster.app, cluster.caller(8), request).await.expect("a new host");
    let gone = remove_runner(&cluster.app, &cluster.origin(), &runner(9)).await;
    assert!(matches!(gone, Err(RemoveError::NotFound)), "{gone:?}");
}

#[tokio::test]
async fn capacity_follows_roles_and_facts_and_keeps_its_source() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("allocator", None, None).await;
    join(&cluster, 7, "allocator", &token).await.expect("joined");
    let capacity = || {
        let view = cluster.app.registry.view();
        view.host(&runner(7)).expect("a member").capacity_mb()
    };
    assert_eq!(capacity(), (12_398, CapacitySource::Physical));
    let mut facts = crate::cluster::testing::facts("10.0.0.7");
    facts.memory_bytes = 512 << 30;
    facts.memory_source = CapacitySource::Cgroup;
    let hash = facts.hash();
    update_facts(&cluster.app, cluster.caller(7), &runner(7), facts, hash).await.expect("taken");
    assert_eq!(capacity(), ((512 - 12) * 1024, CapacitySource::Cgroup));
    let wanted = WantedRoles::from_names(["allocator", "proxy"]).expect("roles");
    set_roles(&cluster.app, &cluster.origin(), &runner(7), wanted).await.expect("set");
    assert_eq!(capacity(), ((512 - 28) * 1024, CapacitySource::Cgroup));
}

#[tokio::test]
async fn facts_come_from_the_host_itself_only() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    join(&cluster, 7, "", &token).await.expect("joined");
    let mut facts = crate::cluster::testing::facts("10.9.9.9");
    facts.hostname = "someone else".into();
    let hash = facts.hash();
    update_facts(&cluster.app, cluster.caller(8), &runner(7), facts, hash).await.expect("ignored");
    let host = cluster.app.registry.view().host(&runner(7)).expect("a member");
    assert_eq!(host.facts.hostname, "host");
}

#[tokio::test]
async fn a_refused_change_leaves_no_audit_record() {
    let cluster = TestCluster::start().await;
    let records = async || {
        let found = cluster.app.store.list(&AuditRecord::root()).await.expect("listed");
        found.iter().map(|record| decode::<AuditRecord>(record).expect("readable").action).collect()
    };
    let before: Vec<String> = records().await;
    assert_eq!(before, ["cluster.create"]);
    let wanted = WantedRoles::from_names(["coordinator"]).expect("roles");
    set_roles(&cluster.app, &cluster.origin(), &runner(1), wanted).await.expect_err("refused");
    let after: Vec<String> = records().await;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_revocation_that_comes_between_check_and_commit_wins() {
    let store = Arc::new(Interleaved::default());
    let cluster = TestCluster::start_on(store.clone()).await;
    let token = cluster.token("", None, None).await;
    let revoked = TokenRecord {
        revoked: Some(Revocation { at: cluster.app.clock.now(), by: Actor::User("admin".into()) }),
        ..token.record.clone()
    };
    let revocation = put(TokenRecord::path(token.record.id), &revoked, 1);
    let committed = store.clone();
    store.before_the_next_commit(async move {
        committed.commit(vec![revocation]).await.expect("committed");
    });
    let refused = join(&cluster, 7, "", &token).await;
    assert!(matches!(refused, Err(EnrolError::TokenRevoked(_))), "{refused:?}");
    assert_eq!(uses(&cluster, &token).await, 0);
    assert!(cluster.app.member("10.0.0.7", None).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_change_the_same_version_one_gets_through() {
    use super::allocators::{AllocatorError, Part, change_allocator};
    let cluster = TestCluster::start().await;
    let runner: crate::model::RunnerId = "10.0.0.1".parse().expect("an id");
    for version in 0..5u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..16u64 {
            let (app, origin, runner) = (cluster.app.clone(), cluster.origin(), runner.clone());
            tasks.spawn(async move {
                let part = (Part::Settings, Some(version));
                change_allocator(&app, &origin, &runner, part, |allocator, _, _| {
                    allocator.capacity_mb = Some(10_000 + version * 100 + number);
                })
                .await
            });
        }
        let ended = tasks.join_all().await;
        let through = ended.iter().filter(|it| it.is_ok()).count();
        assert_eq!(through, 1, "version {version}");
        assert!(ended.iter().all(|it| matches!(it, Ok(_) | Err(AllocatorError::Conflict(_)))));
    }
}

#[tokio::test]
async fn an_api_key_ends_by_its_expiry_its_deletion_and_its_users_password() {
    use super::{
        api_keys::{KeyOf, create_key, delete_keys, user_of_key},
        users::set_password,
    };
    let cluster = TestCluster::start().await;
    let app = &cluster.app;
    let admin = app.registry.view().user("admin").expect("there");
    let until = app.clock.now().plus(Duration::from_secs(60));
    let origin = cluster.origin();
    let short = create_key(app, &origin, &admin, "short", Some(until)).await.expect("made");
    let kept = create_key(app, &origin, &admin, "kept", None).await.expect("made");
    let deleted = create_key(app, &origin, &admin, "deleted", None).await.expect("made");
    let good = |key: &super::api_keys::NewApiKey| user_of_key(app, key.text.expose()).is_some();
    assert!(good(&short) && good(&kept) && good(&deleted));
    let of = |user: &str| [KeyOf { user: user.into(), id: deleted.record.id.clone() }];
    delete_keys(app, &origin, &of("readonly")).await.expect_err("another's");
    delete_keys(app, &origin, &of("admin")).await.expect("deleted");
    cluster.advance(Duration::from_secs(60));
    assert!(!good(&short) && good(&kept) && !good(&deleted));
    let password = crate::model::Secret::new("another-password");
    set_password(app, &origin, "admin", &password).await.expect("set");
    assert!(!good(&kept));
    assert!(user_of_key(app, "bm8gc3VjaCBrZXk=").is_none());
}
