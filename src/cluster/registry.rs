mod addresses;
mod walk;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use addresses::Addresses;
use tokio::sync::watch;

use super::{
    liveness::Liveness,
    member::{Member, Parts},
    news::About,
    records::{
        ApiKeyRecord, Joined, KeyRecord, MemberPart, Stored, TokenRecord, UserRecord,
        WebSessionRecord, readable,
    },
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
    /// Nothing more comes of the store.
    is_over: watch::Sender<bool>,
    /// The revision of the last reading of everything.
    read_at: AtomicU64,
    liveness: Arc<Liveness>,
    sessions: Arc<Sessions>,
}

#[derive(Default)]
pub struct View {
    hosts: BTreeMap<RunnerId, Arc<Member>>,
    /// Their names by what these are in lower case, of which there may be several.
    alike: BTreeMap<String, BTreeSet<RunnerId>>,
    addresses: Addresses,
    /// Hosts of which a record is missing, or cannot be read.
    incomplete: BTreeMap<RunnerId, Parts>,
    keys: BTreeMap<KeyId, Arc<KeyRecord>>,
    tokens: BTreeMap<TokenId, Arc<TokenRecord>>,
    users: BTreeMap<String, Arc<UserRecord>>,
    api_keys: BTreeMap<String, Arc<ApiKeyRecord>>,
    web_sessions: BTreeMap<String, Arc<WebSessionRecord>>,
}

fn values<K, T>(map: &BTreeMap<K, Arc<T>>) -> Vec<Arc<T>> {
    map.values().cloned().collect()
}

impl View {
    pub fn host(&self, runner: &RunnerId) -> Option<Arc<Member>> {
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

    pub fn web_session(&self, digest: &str) -> Option<Arc<WebSessionRecord>> {
        self.web_sessions.get(digest).cloned()
    }

    /// Takes one change in; the host it concerns.
    fn apply(&mut self, change: &RecordChange) -> Result<Option<RunnerId>, StoreError> {
        let path = &change.path;
        if let Some((runner, part)) = MemberPart::at(path) {
            self.take_part(runner.clone(), part, change)?;
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
        } else if let Some(digest) = name_below(path, &WebSessionRecord::root()) {
            take(&mut self.web_sessions, digest.to_owned(), change)?;
        } else if let Some(name) = path.below(&UserRecord::root()) {
            take(&mut self.users, name.to_owned(), change)?;
        }
        Ok(None)
    }

    /// Takes one of a host's records in. It is a member when all of them are there.
    fn take_part(
        &mut self,
        runner: RunnerId,
        part: MemberPart,
        change: &RecordChange,
    ) -> Result<(), StoreError> {
        let mut parts = match self.hosts.remove(&runner) {
            Some(member) => {
                self.addresses.forget(&member);
                Parts::of(Arc::unwrap_or_clone(member))
            }
            None => self.incomplete.remove(&runner).unwrap_or_default(),
        };
        parts.take(part, change.record.as_ref())?;
        match parts.whole() {
            Ok(member) => {
                self.note_name(&runner);
                self.addresses.note(&member);
                self.hosts.insert(runner, Arc::new(member));
                return Ok(());
            }
            Err(parts) if parts.are_gone() => {}
            Err(parts) => {
                self.incomplete.insert(runner.clone(), *parts);
            }
        }
        self.forget_name(&runner);
        Ok(())
    }

    fn note_name(&mut self, runner: &RunnerId) {
        if let Some(name) = without_case(runner) {
            self.alike.entry(name).or_default().insert(runner.clone());
        }
    }

    fn forget_name(&mut self, runner: &RunnerId) {
        let Some(name) = without_case(runner) else { return };
        if let Some(alike) = self.alike.get_mut(&name) {
            alike.remove(runner);
            if alike.is_empty() {
                self.alike.remove(&name);
            }
        }
    }
}

/// The name in lower case. Addresses, as most names are, have no case, and none is kept of them.
fn without_case(runner: &RunnerId) -> Option<String> {
    let name = runner.as_str();
    name.contains(|c: char| c.is_ascii_alphabetic()).then(|| name.to_ascii_lowercase())
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
        liveness.news.begin(revision);
        let (view, applied) = (RwLock::new(view), watch::Sender::new(revision));
        let (is_over, read_at) = (watch::Sender::new(false), AtomicU64::new(revision));
        Ok(Self { view, applied, is_over, read_at, liveness, sessions })
    }

    pub fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().expect("no panic while held")
    }

    /// All hosts. What there are many of is taken out and looked at without the lock: whoever
    /// changes something waits for it, and everybody else for them.
    pub fn hosts(&self) -> Vec<Arc<Member>> {
        values(&self.view().hosts)
    }

    /// The hosts that came in with this token, also those of which a record cannot be read.
    pub fn let_in_by(&self, token: TokenId) -> Vec<RunnerId> {
        let came_with_it = |it: &Joined| it.token == Some(token);
        let (hosts, incomplete) = {
            let view = self.view();
            let named = |(runner, parts): (&RunnerId, &Parts)| {
                parts.identity().is_some_and(|it| came_with_it(&it.joined)).then(|| runner.clone())
            };
            (values(&view.hosts), view.incomplete.iter().filter_map(named).collect::<Vec<_>>())
        };
        let members = hosts.iter().filter(|host| came_with_it(&host.joined));
        members.map(|host| host.runner_id.clone()).chain(incomplete).collect()
    }

    /// Another host that says that it has the address of this one.
    pub fn another_at(&self, host: &Member) -> Option<RunnerId> {
        self.view().addresses.other(host).cloned()
    }

    /// A host whose name differs from this one in upper and lower case alone.
    pub fn alike(&self, runner: &RunnerId) -> Option<Arc<Member>> {
        let view = self.view();
        let alike = view.alike.get(&without_case(runner)?)?;
        view.host(alike.iter().find(|it| *it != runner)?)
    }

    /// The keys that are known as this host's.
    pub fn keys_of(&self, runner: &RunnerId) -> Vec<KeyId> {
        let is_its = |record: &KeyRecord| matches!(record, KeyRecord::Host { runner_id } if runner_id == runner);
        let view = self.view();
        view.keys.iter().filter(|(_, record)| is_its(record)).map(|(key, _)| *key).collect()
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

    /// Waits until the commit of this revision can be seen here, or never will be: then the
    /// coordinator has ended, and the next one reads it.
    pub async fn caught_up(&self, revision: u64) {
        let (mut applied, mut is_over) = (self.applied.subscribe(), self.is_over.subscribe());
        tokio::select! {
            _ = applied.wait_for(|applied| *applied >= revision) => {}
            _ = is_over.wait_for(|is_over| *is_over) => {}
        }
    }

    /// Keeps the view current until the store is gone or cannot be understood.
    pub async fn follow(&self, store: &SharedStore, mut watch: Watch) -> Result<(), StoreError> {
        let _told_when_dropped = Over(&self.is_over);
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
        let about = committed.changes.iter().filter_map(|change| About::at(&change.path));
        self.liveness.news.tell(committed.revision, about.collect());
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
        self.liveness.news.begin(revision);
        Ok(())
    }
}

/// Tells those who wait, however it comes that nobody follows the store any more.
struct Over<'a>(&'a watch::Sender<bool>);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

/// The cluster, and the revision of which it is.
async fn read_all(store: &SharedStore) -> Result<(View, u64), StoreError> {
    let roots = [
        MemberPart::root(),
        KeyRecord::root(),
        TokenRecord::root(),
        UserRecord::root(),
        ApiKeyRecord::root(),
        WebSessionRecord::root(),
    ];
    let Snapshot { revision, records } = store.snapshot(&roots).await?;
    let mut view = View::default();
    for record in records {
        view.apply(&RecordChange { path: record.path.clone(), record: Some(record) })?;
    }
    Ok((view, revision))
}

#[cfg(test)]
mod tests;
