use std::sync::Arc;

use super::*;
use crate::{
    cluster::{
        bootstrap::bootstrap,
        testing::{START, first_host},
    },
    rt::{ShutdownTrigger, Timestamp},
    store::MemoryStore,
};

#[tokio::test]
async fn one_that_dies_leaves_its_ports_to_the_next() {
    let dir = tempfile::tempdir().expect("a directory");
    let store: SharedStore = Arc::new(MemoryStore::new());
    let master = MasterKey::load_or_create(&dir.path().join("master.key")).expect("a key");
    let now = Timestamp::from_unix_millis(START);
    bootstrap(&*store, &master, &first_host(&dir), now).await.expect("a cluster");
    let address = IpAddr::from([127, 251, 252, 1]);
    let (_running, shutdown) = ShutdownTrigger::new();
    for _ in 0..2 {
        let config = CoordinatorConfig {
            dir: dir.path().to_owned(),
            store: store.clone(),
            listeners: Listeners::bind(Some(address)).expect("the ports are free"),
            runner_id: "10.0.0.1".parse().expect("an id"),
            names: vec![address.to_string()],
            addresses: vec!["10.0.0.1".parse().expect("an address")],
            clock: Clock::from_fn(move || now),
            metrics: None,
        };
        let mut coordinator = config.start(shutdown.clone()).await.expect("it starts");
        coordinator.tasks.spawn(async { panic!("a defect") });
        let ended = coordinator.finished().await.expect_err("it died");
        assert!(matches!(&ended, Ended::Died(why) if why.contains("a defect")), "{ended}");
    }
}
