//! The secrets file of a first host, which `install` has given to whoever called it.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    host::{open_dir::OpenDir, tree::Owner},
    model::{BootstrapSecret, Secret, StorageLayout},
};

const DIR: &str = StorageLayout::SECRETS;
const NAME: &str = StorageLayout::SECRETS_FILE;

const MAX_FILE: u64 = 1 << 20;

pub struct SecretsFile {
    pub path: PathBuf,
    dir: OpenDir,
    owner: Owner,
    content: Zeroizing<Vec<u8>>,
}

impl SecretsFile {
    /// Opens it; `None` if it is not there. Directory and file must be the same user's alone, who
    /// is not `never`.
    pub fn open(storage: &Path, never: Option<u32>) -> io::Result<Option<Self>> {
        let path = StorageLayout::of(storage).secrets_file();
        let Some(storage) = OpenDir::open(storage)? else { return Ok(None) };
        let Some(dir) = storage.dir(DIR)? else { return Ok(None) };
        let Some(file) = dir.file(NAME)? else { return Ok(None) };
        let owner = file.owner;
        if owner.uid != dir.owner()?.uid || Some(owner.uid) == never {
            let uid = owner.uid;
            return Err(io::Error::other(format!("it belongs to the user {uid}, who must not")));
        }
        if file.mode & 0o077 != 0 {
            return Err(io::Error::other("it can be read by others"));
        }
        let content = Zeroizing::new(file.read(MAX_FILE)?);
        Ok(Some(Self { path, dir, owner, content }))
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    pub fn get(&self, which: BootstrapSecret) -> Option<Secret> {
        let secrets: Value = serde_json::from_slice(&self.content).ok()?;
        secrets[which.key()].as_str().map(Secret::new)
    }

    /// Replaces one secret, on disk when it returns.
    pub fn set(self, which: BootstrapSecret, secret: &Secret) -> io::Result<()> {
        let mut secrets: Value =
            serde_json::from_slice(&self.content).map_err(|_| io::Error::other("it is damaged"))?;
        secrets[which.key()] = secret.expose().into();
        let line = Zeroizing::new(format!("{secrets}\n"));
        self.dir.replace_file(NAME, line.as_bytes(), self.owner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn a_secrets_file_that_is_a_link_or_below_one_is_not_touched() {
        let root = tempfile::tempdir().expect("a directory");
        let path = |name: &str| root.path().join(name);
        let private = |file: &Path| {
            fs::write(file, r#"{"adminconsole_root_password":"old"}"#).expect("written");
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("set");
        };
        fs::create_dir(path(DIR)).expect("made");
        private(&path(DIR).join(NAME));
        let file = SecretsFile::open(root.path(), None).expect("opened").expect("there");
        file.set(BootstrapSecret::AdminPassword, &Secret::new("new")).expect("written");
        let file = SecretsFile::open(root.path(), None).expect("opened").expect("there");
        let read = file.get(BootstrapSecret::AdminPassword).expect("there");
        assert_eq!(read.expose(), "new");
        assert!(SecretsFile::open(root.path(), Some(file.owner.uid)).is_err());

        fs::rename(path(DIR).join(NAME), path("theirs")).expect("moved");
        symlink(path("theirs"), path(DIR).join(NAME)).expect("linked");
        assert!(SecretsFile::open(root.path(), None).is_err());
        fs::rename(path(DIR), path("their-dir")).expect("moved");
        fs::remove_file(path("their-dir").join(NAME)).expect("removed");
        private(&path("their-dir").join(NAME));
        symlink(path("their-dir"), path(DIR)).expect("linked");
        assert!(SecretsFile::open(root.path(), None).is_err());
    }
}
