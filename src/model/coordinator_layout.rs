use std::path::{Path, PathBuf};

/// What stands where in the directory that only a coordinator has.
#[derive(Debug, Clone, Copy)]
pub struct CoordinatorLayout<'a>(&'a Path);

impl<'a> CoordinatorLayout<'a> {
    pub fn of(dir: &'a Path) -> Self {
        Self(dir)
    }

    /// The cluster's datastore.
    pub fn store(self) -> PathBuf {
        self.0.join("store.db")
    }

    /// What SQLite has written last, beside the datastore.
    pub fn store_log(self) -> PathBuf {
        self.0.join("store.db-wal")
    }

    /// What the secrets in the datastore are sealed with.
    pub fn master_key(self) -> PathBuf {
        self.0.join("master.key")
    }

    /// The key of the coordinator's own certificates.
    pub fn tls_key(self) -> PathBuf {
        self.0.join("tls.key")
    }
}
