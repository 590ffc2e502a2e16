use super::{
    super::{
        blessings::{Blessing, Extent, bless, bless_hosts},
        documents::{self, DocumentError, Expect},
        roles::{BlessError, Definition},
    },
    *,
};
use crate::cluster::{
    records::{DesiredRecord, Document, MemberPart, decode},
    testing::given_up_after,
};

/// A cluster whose commits are under way for a while.
async fn on_disk() -> (TestCluster, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
    (TestCluster::start_on(Arc::new(store)).await, dir)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_blessings_at_once_none_is_lost() {
    let (cluster, _dir) = on_disk().await;
    let token = cluster.token("", None, None).await;
    for number in 2..30 {
        let host = join(&cluster, number, "", &token).await.expect("joined");
        let mut given = JoinSet::new();
        for name in ["allocator", "proxy", "services-forwarder"] {
            let (app, origin, id) = (cluster.app.clone(), cluster.origin(), host.runner_id.clone());
            given.spawn(
                async move { bless(&app, &origin, &id, (name, Blessing::Given), None).await },
            );
        }
        given.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().expect("blessed");
        let host = cluster.app.member(host.runner_id.as_str(), None).expect("there");
        assert_eq!(host.roles.to_string(), "allocator,proxy");
        assert!(host.other_roles.contains("services-forwarder"));
    }
}

#[tokio::test]
async fn who_has_a_role_by_the_store_is_what_counts_for_a_host_that_is_named() {
    let cluster = TestCluster::start().await;
    let token = cluster.token("", None, None).await;
    join(&cluster, 7, "", &token).await.expect("joined");
    let (app, origin, path) =
        (&cluster.app, cluster.origin(), MemberPart::Desired.path(&runner(7)));
    let stored = async || app.store.get(&path).await.expect("read").expect("there");
    for blessing in [Blessing::Given, Blessing::Taken] {
        let named = [(runner(7), blessing)];
        let bless = async || bless_hosts(app, &origin, "proxy", &named, Extent::Named, None).await;
        bless().await.expect("blessed");
        let record = stored().await;
        let blessed: DesiredRecord = decode(&record).expect("readable");
        let roles = if blessing == Blessing::Given { "" } else { "proxy" };
        let undone = DesiredRecord {
            roles: roles.parse().expect("roles"),
            revision: blessed.revision + 1,
            ..blessed.clone()
        };
        // The registry has not heard of it yet.
        app.store.commit(vec![put(path.clone(), &undone, record.version)]).await.expect("undone");
        bless().await.expect("blessed");
        let now: DesiredRecord = decode(&stored().await).expect("readable");
        assert_eq!(now.roles, blessed.roles);
    }
}

async fn define(cluster: &TestCluster, id: &str, expect: Expect) -> u64 {
    let (app, origin) = (&cluster.app, cluster.origin());
    let value = serde_json::json!({ "id": id, "at": uuid::Uuid::new_v4() });
    let defined = documents::replace(app, &origin, ("roles", id), (expect, None), &value).await;
    defined.expect("defined").version
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blessing_that_names_a_version_is_given_before_the_role_changes_or_not_at_all() {
    let (cluster, _dir) = on_disk().await;
    let token = cluster.token("", None, None).await;
    let host = join(&cluster, 2, "", &token).await.expect("joined");
    let (app, id, origin) = (&cluster.app, &host.runner_id, cluster.origin());
    let mut version = define(&cluster, "spare", Expect::Missing).await;
    let mut refused = 0;
    for round in 0..100 {
        let definition = Some(Definition { kind: "roles", id: "spare", version });
        let blessing = if round % 2 == 0 { Blessing::Given } else { Blessing::Taken };
        let blessed = bless(app, &origin, id, ("spare", blessing), definition);
        let (blessed, now) = tokio::join!(blessed, define(&cluster, "spare", Expect::There));
        let changed =
            |path| async move { app.store.get(&path).await.expect("read").expect("there") };
        let role = changed(Document::path("roles", "spare")).await.revision;
        match blessed {
            Ok(()) => {
                assert!(changed(MemberPart::Desired.path(id)).await.revision < role, "{round}")
            }
            Err(BlessError::Redefined(found)) => {
                assert_eq!(found, now);
                refused += 1;
                // The next round finds the host as this one would have left it.
                bless(app, &origin, id, ("spare", blessing), None).await.expect("blessed");
            }
            Err(error) => panic!("{error}"),
        }
        version = define(&cluster, "spare", Expect::There).await;
    }
    assert!(refused < 100, "no blessing was ever given");
    let stale = Some(Definition { kind: "roles", id: "spare", version: version - 1 });
    let late = bless(app, &origin, id, ("spare", Blessing::Given), stale).await;
    assert!(matches!(late, Err(BlessError::Redefined(now)) if now == version), "{late:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blessing_that_names_a_role_as_it_came_is_given_before_it_is_defined_or_not_at_all() {
    for round in 0..20 {
        let (cluster, _dir) = on_disk().await;
        let token = cluster.token("", None, None).await;
        let host = join(&cluster, 2, "", &token).await.expect("joined");
        let (app, id, origin) = (&cluster.app, &host.runner_id, cluster.origin());
        // Nothing is stored of it.
        let definition = Some(Definition { kind: "roles", id: "proxy", version: 0 });
        let blessed = bless(app, &origin, id, ("proxy", Blessing::Given), definition);
        let (blessed, now) = tokio::join!(blessed, define(&cluster, "proxy", Expect::Either));
        let revision =
            async |path| app.store.get(&path).await.expect("read").expect("there").revision;
        match blessed {
            Ok(()) => {
                let defined = revision(Document::path("roles", "proxy")).await;
                assert!(revision(MemberPart::Desired.path(id)).await < defined, "{round}");
            }
            Err(BlessError::Redefined(found)) => assert_eq!(found, now),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_kind_of_documents_keeps_its_bound_whenever_whoever_asked_goes_away() {
    let (cluster, _dir) = on_disk().await;
    let (app, origin) = (&cluster.app, cluster.origin());
    for number in 1..documents::MOST_OF_A_KIND {
        define(&cluster, &format!("role-{number}"), Expect::Missing).await;
    }
    let value = &serde_json::json!({});
    let add = async |name: &str| {
        let expected = (Expect::Either, None);
        documents::replace(app, &origin, ("roles", name), expected, value).await.map(|_| ())
    };
    for patience in 0..25 {
        if let Some(added) = given_up_after(patience, add("given-up")).await {
            added.expect("added");
        }
        let _ = add("late").await;
        let stored = app.store.list(&Document::root().child("roles")).await.expect("listed");
        assert_eq!(stored.len(), documents::MOST_OF_A_KIND, "gone after {patience}");
        for name in ["given-up", "late"] {
            let gone = documents::delete(app, &origin, ("roles", name), None).await;
            assert!(matches!(gone, Ok(()) | Err(DocumentError::NotFound)));
        }
    }
}
