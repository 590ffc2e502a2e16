use std::{
    collections::BTreeMap,
    sync::{
        Arc, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;

use super::{
    liveness::Liveness,
    records::{ApiKeyRecord, HostRecord, KeyRecord, Stored, TokenRecord, UserRecord, readable},
    sessions::Sessions,
};
use crate::{
    model::{KeyId, RunnerId, TokenId},
    store::{
        Committed, RecordChange, SharedStore, Snapshot, StoreError, StorePath, Watch, WatchEvent,
    },
};

/// The cluster in memory, kept current by the store's watch. Reads are answered from it;
/// decisions are made by preconditions in the commit.
pub struct Registry {
    view: RwLock<View>,
    applied: watch::Sender<u64>,
    /// The revision of the last reading of everything.
    read_at: AtomicU64,
    liveness: Arc<Liveness>,
    sessions: Arc<Sessions>,
}

#[derive(Default)]
pub struct View {
    hosts: BTreeMap<RunnerId, Arc<HostRecord>>,
    keys: BTreeMap<KeyId, Arc<KeyRecord>>,
    tokens: BTreeMap<TokenId, Arc<TokenRecord>>,
    users: BTreeMap<String, Arc<UserRecord>>,
    api_keys: BTreeMap<String, Arc<ApiKeyRecord>>,
}

fn values<K, T>(map: &BTreeMap<K, Arc<T>>) -> Vec<Arc<T>> {
    map.values().cloned().collect()
}

impl View {
    pub fn host(&self, runner: &RunnerId) -> Option<Arc<HostRecord>> {
        self.hosts.get(runner).cloned()
    }

    pub fn key(&self, key: &KeyId) -> Option<Arc<KeyRecord>> {
        self.keys.get(key).cloned()
    }

    pub fn token(&self, id: TokenId) -> Option<Arc<TokenRecord>> {
        self.tokens.get(&id).cloned()
    }

    pub fn user(&self, name: &str) -> Option<Arc<UserRecord>> {
        self.users.get(name).cloned()
    }

    /// The user with this name, if they may get in.
    pub fn enabled_user(&self, name: &str) -> Option<Arc<UserRecord>> {
        self.user(name).filter(|user| user.enabled)
    }

    pub fn api_key(&self, id: &str) -> Option<Arc<ApiKeyRecord>> {
        self.api_keys.get(id).cloned()
    }

    /// Takes one change in; the host it concerns.
    fn apply(&mut self, change: &RecordChange) -> Result<Option<RunnerId>, StoreError> {
        let path = &change.path;
        if let Some(name) = name_below(path, &HostRecord::root()) {
            let Ok(runner) = name.parse::<RunnerId>() else { return Ok(None) };
            take(&mut self.hosts, runner.clone(), change)?;
            return Ok(Some(runner));
        }
        if let Some(name) = name_below(path, &KeyRecord::root()) {
            if let Ok(key) = format!("sha256:{name}").parse() {
                take(&mut self.keys, key, change)?;
            }
        } else if let Some(name) = name_below(path, &TokenRecord::root()) {
            if let Ok(id) = name.parse() {
                take(&mut self.tokens, id, change)?;
            }
        } else if let Some(id) = name_below(path, &ApiKeyRecord::root()) {
            take(&mut self.api_keys, id.to_owned(), change)?;
        } else if let Some(name) = path.below(&UserRecord::root()) {
            take(&mut self.users, name.to_owned(), change)?;
        }
        Ok(None)
    }
}

/// The last segment of a path of the form `root/shard/name`.
fn name_below<'a>(path: &'a StorePath, root: &StorePath) -> Option<&'a str> {
    path.below(root)?.split_once('/').map(|(_shard, name)| name)
}

fn take<K: Ord, T: Stored>(
    map: &mut BTreeMap<K, Arc<T>>,
    key: K,
    change: &RecordChange,
) -> Result<(), StoreError> {
    // One that cannot be read counts for as little as one that is gone.
    let value = change.record.as_ref().map(readable).transpose()?.flatten();
    match value {
        Some(value) => {
            map.insert(key, Arc::new(value));
        }
        None => {
            map.remove(&key);
        }
    }
    Ok(())
}

impl Registry {
    /// Reads the cluster. The watch must be older than this call and go to [`Registry::follow`].
    pub async fn load(
        store: &SharedStore,
        liveness: Arc<Liveness>,
        sessions: Arc<Sessions>,
    ) -> Result<Self, StoreError> {
        let (view, revision) = read_all(store).await?;
        let (view, applied) = (RwLock::new(view), watch::Sender::new(revision));
        Ok(Self { view, applied, read_at: AtomicU64::new(revision), liveness, sessions })
    }

    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().expect("no panic while held")
    }

    /// All hosts. What there are many of is taken out and looked at without the lock: whoever
    /// changes something waits for it, and everybody else for them.
    pub fn hosts(&self) -> Vec<Arc<HostRecord>> {
        values(&self.view().hosts)
    }

    /// Another host that says that it has the address of this one.
    pub fn another_at(&self, host: &HostRecord) -> Option<Arc<HostRecord>> {
        let view = self.view();
        let same = |it: &&Arc<HostRecord>| {
            it.facts.host_ip == host.facts.host_ip && it.runner_id != host.runner_id
        };
        view.hosts.values().find(same).cloned()
    }

    /// A host whose name differs from this one in upper and lower case alone.
    pub fn alike(&self, runner: &RunnerId) -> Option<Arc<HostRecord>> {
        let name = runner.as_str();
        // Addresses, as most names are, have no case.
        if !name.contains(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let is_alike = |it: &RunnerId| it != runner && it.as_str().eq_ignore_ascii_case(name);
        let view = self.view();
        view.hosts.iter().find(|(it, _)| is_alike(it)).map(|(_, host)| host.clone())
    }

    pub fn count_hosts(&self) -> usize {
        self.view().hosts.len()
    }

    pub fn tokens(&self) -> Vec<Arc<TokenRecord>> {
        values(&self.view().tokens)
    }

    pub fn users(&self) -> Vec<Arc<UserRecord>> {
        values(&self.view().users)
    }

    pub fn api_keys(&self) -> Vec<Arc<ApiKeyRecord>> {
        values(&self.view().api_keys)
    }

    /// Waits until the commit of this revision can be seen here.
    pub async fn caught_up(&self, revision: u64) {
        let mut applied = self.applied.subscribe();
        // Closed means that the process is ending.
        let _ = applied.wait_for(|applied| *applied >= revision).await;
    }

    /// Keeps the view current until the store is gone or cannot be understood.
    pub async fn follow(&self, store: &SharedStore, mut watch: Watch) -> Result<(), StoreError> {
        while let Some(event) = watch.next().await {
            match event {
                WatchEvent::Committed(committed) => self.apply(&committed)?,
                WatchEvent::Reset => self.reload(store).await?,
            }
        }
        Ok(())
    }

    fn apply(&self, committed: &Committed) -> Result<(), StoreError> {
        // It is in what was read when this began, or after something was missed.
        if committed.revision <= self.read_at.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut concerned = Vec::new();
        {
            let mut view = self.view.write().expect("no panic while held");
            for change in &committed.changes {
                concerned.extend(view.apply(change)?);
                // Whoever may not get in has no session when they may again.
                if let Some(name) = change.path.below(&UserRecord::root())
                    && view.enabled_user(name).is_none()
                {
                    self.sessions.end_all_of(name);
                }
            }
        }
        if committed.whole {
            self.applied.send_replace(committed.revision);
        }
        for runner in concerned {
            self.liveness.tell(&runner);
        }
        Ok(())
    }

    async fn reload(&self, store: &SharedStore) -> Result<(), StoreError> {
        tracing::warn!("fell behind the datastore; reading the cluster anew");
        let (view, revision) = read_all(store).await?;
        // Who was disabled and enabled again meanwhile is not known.
        self.sessions.end_all();
        *self.view.write().expect("no panic while held") = view;
        self.read_at.store(revision, Ordering::Relaxed);
        self.applied.send_replace(revision);
        self.liveness.tell_all();
        Ok(())
    }
}

/// The cluster, and the revision of which it is.
async fn read_all(store: &SharedStore) -> Result<(View, u64), StoreError> {
    let roots = [
        HostRecord::root(),
        KeyRecord::root(),
        TokenRecord::root(),
        UserRecord::root(),
        ApiKeyRecord::root(),
    ];
    let Snapshot { revision, records } = store.snapshot(&roots).await?;
    let mut view = View::default();
    for record in records {
        view.apply(&RecordChange { path: record.path.clone(), record: Some(record) })?;
    }
    Ok((view, revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cluster::records::{self, UserRole},
        store::MemoryStore,
    };

    fn user(name: &str, hash: &str) -> UserRecord {
        UserRecord::new(name, [UserRole::PlatformAdmin], hash)
    }

    async fn create(store: &SharedStore, name: &str) -> u64 {
        let op = records::create(UserRecord::path(name), &user(name, "1"));
        store.commit(vec![op]).await.expect("committed")
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_hides_no_other_one() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        create(&store, "good").await;
        let damaged = |name| crate::store::Op::Create {
            path: UserRecord::path(name),
            value: b"{\"schema\":1,".to_vec(),
            lease: None,
        };
        store.commit(vec![damaged("bad")]).await.expect("committed");
        let watch = store.watch();
        let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
        let registry =
            Arc::new(Registry::load(&store, liveness, Arc::default()).await.expect("loaded"));
        let followed = (registry.clone(), store.clone());
        let task = tokio::spawn(async move { followed.0.follow(&followed.1, watch).await });
        store.commit(vec![damaged("worse")]).await.expect("committed");
        registry.caught_up(create(&store, "later").await).await;
        let names: Vec<String> = registry.users().iter().map(|user| user.name.clone()).collect();
        assert_eq!(names, ["good", "later"]);
        task.abort();
    }

    #[tokio::test]
    async fn it_follows_the_store_and_survives_a_reset_of_the_watch() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        create(&store, "before").await;
        let watch = store.watch();
        let registry = Arc::new(
            Registry::load(
                &store,
                Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1)),
                Arc::default(),
            )
            .await
            .expect("loaded"),
        );
        assert!(registry.view().user("before").is_some());

        // More commits than a watch can hold, before anybody follows it.
        create(&store, "busy").await;
        for version in 1..6_000 {
            let op = records::put(UserRecord::path("busy"), &user("busy", "2"), version);
            store.commit(vec![op]).await.expect("committed");
        }
        let delete = crate::store::Op::Delete { path: UserRecord::path("before"), version: 1 };
        store.commit(vec![delete]).await.expect("deleted");
        let last = create(&store, "last").await;

        let follower = (registry.clone(), store.clone());
        let task = tokio::spawn(async move { follower.0.follow(&follower.1, watch).await });
        registry.caught_up(last).await;
        let view = registry.view();
        assert!(view.user("before").is_none());
        assert!(view.user("last").is_some());
        assert_eq!(view.user("busy").expect("there").password_hash, "2");
        task.abort();
    }

    #[tokio::test]
    async fn what_was_deleted_before_it_read_anew_is_never_seen_again() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let watch = store.watch();
        let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
        let sessions = Arc::<Sessions>::default();
        let registry = Registry::load(&store, liveness, sessions.clone()).await.expect("loaded");
        sessions.open(&user("gone", "1"));
        create(&store, "gone").await;
        let put = records::put(UserRecord::path("gone"), &user("gone", "2"), 1);
        store.commit(vec![put]).await.expect("changed");
        let delete = crate::store::Op::Delete { path: UserRecord::path("gone"), version: 2 };
        let deleted = store.commit(vec![delete]).await.expect("deleted");
        registry.reload(&store).await.expect("read");
        registry.caught_up(deleted).await;
        assert_eq!(sessions.count(), 0, "who was out for a while has none");
        // What the watch has still to tell is older than what was read.
        let mut watch = watch;
        for _ in 0..3 {
            let Some(WatchEvent::Committed(committed)) = watch.next().await else {
                panic!("no commit")
            };
            registry.apply(&committed).expect("applied");
            assert!(registry.view().user("gone").is_none());
        }
    }

    #[tokio::test]
    async fn a_commit_that_comes_in_parts_is_caught_up_with_when_all_of_it_is_there() {
        let store: SharedStore = Arc::new(MemoryStore::new());
        let liveness = Arc::new(Liveness::new(crate::rt::ShutdownTrigger::new().1));
        let registry = Registry::load(&store, liveness, Arc::default()).await.expect("loaded");
        let mut watch = store.watch();
        let ops = ["a", "b"].map(|name| records::create(UserRecord::path(name), &user(name, "1")));
        let revision = store.commit(ops.into()).await.expect("committed");
        let Some(WatchEvent::Committed(whole)) = watch.next().await else { panic!("no commit") };
        for (number, change) in whole.changes.iter().enumerate() {
            let caught_up =
                tokio::time::timeout(std::time::Duration::ZERO, registry.caught_up(revision));
            assert!(caught_up.await.is_err(), "after {number} of two");
            let (changes, whole) = (vec![change.clone()], number == 1);
            registry.apply(&Committed { revision, changes, whole }).expect("applied");
        }
        registry.caught_up(revision).await;
        assert_eq!(registry.users().len(), 2);
    }
}
