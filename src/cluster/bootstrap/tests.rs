use super::*;
use crate::{
    cluster::testing::first_host,
    store::{
        CommitError, Lease, LeaseId, MemoryStore, Op, PageFrom, Record, Snapshot, StorePath, Watch,
    },
};

/// Fails every commit, as a disk does that has just gone.
struct Broken;

#[async_trait::async_trait]
impl Store for Broken {
    async fn get(&self, _path: &StorePath) -> Result<Option<Record>, StoreError> {
        Ok(None)
    }
    async fn snapshot(&self, _prefixes: &[StorePath]) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { revision: 0, records: Vec::new() })
    }
    async fn page(
        &self,
        _prefix: &StorePath,
        _from: PageFrom<'_>,
        _limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(Vec::new())
    }
    async fn commit_within(&self, _room: Room, _ops: Vec<Op>) -> Result<u64, CommitError> {
        Err(StoreError::Full.into())
    }
    fn watch(&self) -> Watch {
        unreachable!("a bootstrap watches nothing")
    }
    async fn open_lease(&self) -> Result<Lease, StoreError> {
        Err(StoreError::Full)
    }
    async fn close_lease(&self, _lease: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::Full)
    }
    async fn failed(&self) -> StoreError {
        std::future::pending().await
    }
}

#[tokio::test]
async fn what_the_operator_may_have_read_stays_true_when_it_is_run_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let host = first_host(&dir);
    let master = MasterKey::load_or_create(&dir.path().join("master.key")).expect("a key");
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    bootstrap(&Broken, &master, &host, now).await.expect_err("the disk is full");
    let secrets = std::fs::read(&host.secrets_file).expect("written before the commit");

    std::fs::write(&host.secrets_file, "another's").expect("written");
    let store = MemoryStore::new();
    let refused = bootstrap(&store, &master, &host, now).await.expect_err("another's");
    assert!(matches!(refused, BootstrapError::SecretsOfAnother(_)), "{refused}");
    std::fs::write(&host.secrets_file, &secrets).expect("written");
    let made = bootstrap(&store, &master, &host, now).await.expect("made");
    assert!(made.made_now);
    assert_eq!(std::fs::read(&host.secrets_file).expect("there"), secrets);
    assert!(!dir.path().join("bootstrap.json").exists(), "the plan holds secrets");
    let again = bootstrap(&store, &master, &host, now).await.expect("found");
    assert!(!again.made_now);
    assert_eq!(again.cluster_id, made.cluster_id);
}

#[tokio::test]
async fn a_plan_is_taken_from_whoever_has_its_key_and_from_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = |name: &str| MasterKey::load_or_create(&dir.path().join(name)).expect("a key");
    let master = key("master.key");
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    let planned_with = |plan_key| FirstHost { plan_key, ..first_host(&dir) };
    let file = dir.path().join("bootstrap.json");
    let secrets = first_host(&dir).secrets_file;
    // Somebody else's, in the open or sealed: the secrets would be those that they chose.
    for theirs in [None, Some(key("theirs"))] {
        bootstrap(&Broken, &master, &planned_with(theirs), now).await.expect_err("a full disk");
        let planted = std::fs::read(&file).expect("there");
        let chosen = std::fs::read(&secrets).expect("there");
        std::fs::remove_file(&secrets).expect("removed");
        let ours = planned_with(Some(key("ours")));
        bootstrap(&Broken, &master, &ours, now).await.expect_err("a full disk");
        assert_ne!(std::fs::read(&secrets).expect("there"), chosen);
        let own = std::fs::read(&file).expect("there");
        assert_ne!(own, planted);
        assert!(!String::from_utf8_lossy(&own).contains("password"), "it is sealed");
        // The own one goes on.
        let drawn = std::fs::read(&secrets).expect("there");
        let store = MemoryStore::new();
        assert!(bootstrap(&store, &master, &ours, now).await.expect("made").made_now);
        assert_eq!(std::fs::read(&secrets).expect("there"), drawn);
        std::fs::remove_file(&secrets).expect("removed");
    }
}

#[tokio::test]
async fn a_first_host_that_has_the_store_is_known_by_the_key_that_it_has() {
    let dir = tempfile::tempdir().expect("a directory");
    let (host, store) = (first_host(&dir), MemoryStore::new());
    let master = MasterKey::load_or_create(&dir.path().join("master.key")).expect("a key");
    let now = Timestamp::from_unix_seconds(1_800_000_000);
    let made = bootstrap(&store, &master, &host, now).await.expect("made");
    let again = bootstrap(&store, &master, &host, now).await.expect("found");
    assert!(!made.has_new_key && !again.has_new_key);

    let key = |byte| Fingerprint::from_digest([byte; 32]);
    // It keeps its name, whatever a host is called that nobody has named.
    let unnamed = "10.0.0.99".parse().expect("an id");
    let restored = FirstHost { key: key(7), runner_id: unnamed, ..first_host(&dir) };
    let known = bootstrap(&store, &master, &restored, now).await.expect("known");
    assert!(known.has_new_key && known.runner_id == host.runner_id);
    let of = async |byte| {
        let record = store.get(&KeyRecord::path(&key(byte))).await.expect("read").expect("there");
        decode::<KeyRecord>(&record).expect("readable")
    };
    let runner_id = host.runner_id.clone();
    assert_eq!(of(7).await, KeyRecord::Host { runner_id: runner_id.clone() });
    assert_eq!(of(1).await, KeyRecord::Removed { runner_id, at: now });
    let audited = store.list(&StorePath::root("audit")).await.expect("read");
    let audited = audited.iter().map(|it| String::from_utf8_lossy(&it.value).into_owned());
    assert_eq!(audited.filter(|it| it.contains("host.renew_key")).count(), 1);
    // The key that it had may come back.
    let known = bootstrap(&store, &master, &host, now).await.expect("known");
    assert!(known.has_new_key && of(1).await.is_of_a_host() && !of(7).await.is_of_a_host());

    let named = FirstHost { runner_id_given: true, ..restored };
    let refused = bootstrap(&store, &master, &named, now).await.expect_err("another name");
    assert!(matches!(refused, BootstrapError::FirstHostIs(_)), "{refused}");
    let other = KeyRecord::Host { runner_id: "other".parse().expect("an id") };
    store.commit(vec![create(KeyRecord::path(&key(9)), &other)]).await.expect("written");
    let mixed_up = FirstHost { key: key(9), ..first_host(&dir) };
    let refused = bootstrap(&store, &master, &mixed_up, now).await.expect_err("another's key");
    assert!(matches!(refused, BootstrapError::KeyOfAnother(_)), "{refused}");
}
