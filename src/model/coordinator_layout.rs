use std::path::{Path, PathBuf};

const STORE_LOG: &str = "store.db-wal";
const MASTER_KEY: &str = "master.key";
const TLS_KEY: &str = "tls.key";

/// What stands where in the directory that only a coordinator has.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorLayout<'a>(&'a Path);

impl<'a> CoordinatorLayout<'a> {
    pub fn of(dir: &'a Path) -> Self {
        Self(dir)
    }

    /// The cluster's datastore.
    pub const STORE: &'static str = "store.db";

    /// What the cluster is gone without.
    pub const NEEDED: [&'static str; 2] = [Self::STORE, MASTER_KEY];

    /// What a backup has; the rest is made anew.
    pub const BACKED_UP: [&'static str; 5] =
        [Self::STORE, STORE_LOG, Self::REVISION, MASTER_KEY, TLS_KEY];

    /// Of these, those that grow with the cluster.
    pub const OF_ANY_SIZE: [&'static str; 2] = [Self::STORE, STORE_LOG];

    /// Beside the datastore: which change was acknowledged last.
    pub const REVISION: &'static str = "store.revision";

    /// Left by whoever restores a backup, until it was told of.
    pub const RESTORED: &'static str = "restored.json";

    /// The cluster's datastore.
    pub fn store(self) -> PathBuf {
        self.0.join(Self::STORE)
    }

    /// What SQLite has written last, beside the datastore.
    pub fn store_log(self) -> PathBuf {
        self.0.join(STORE_LOG)
    }

    /// What the secrets in the datastore are sealed with.
    pub fn master_key(self) -> PathBuf {
        self.0.join(MASTER_KEY)
    }

    /// The key of the coordinator's own certificates.
    pub fn tls_key(self) -> PathBuf {
        self.0.join(TLS_KEY)
    }
}
