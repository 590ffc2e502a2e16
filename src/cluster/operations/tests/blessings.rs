use super::{super::roles::bless, *};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_blessings_at_once_none_is_lost() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = SqliteStore::open(&dir.path().join("store.db")).expect("opened");
    let cluster = TestCluster::start_on(Arc::new(store)).await;
    let token = cluster.token("", None, None).await;
    for number in 2..30 {
        let host = join(&cluster, number, "", &token).await.expect("joined");
        let mut given = JoinSet::new();
        for name in ["allocator", "proxy", "services-forwarder"] {
            let (app, origin, id) = (cluster.app.clone(), cluster.origin(), host.runner_id.clone());
            given.spawn(async move { bless(&app, &origin, &id, name, true).await });
        }
        given.join_all().await.into_iter().collect::<Result<Vec<_>, _>>().expect("blessed");
        let host = cluster.app.member(host.runner_id.as_str(), None).expect("there");
        assert_eq!(host.roles.to_string(), "allocator,proxy");
        assert!(host.other_roles.contains("services-forwarder"));
    }
}
