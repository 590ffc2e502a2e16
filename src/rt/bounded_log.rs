use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use nix::unistd::{dup2_stderr, dup2_stdout};

/// The file that this process has as its standard output and error, which begins anew when it is
/// too long. What was in it stays beside it, in place of what was there before.
pub struct BoundedLog {
    path: PathBuf,
    earlier: PathBuf,
    longest: u64,
    file: File,
    /// The length from which on it is to begin anew: more where that did not work.
    until: u64,
}

impl BoundedLog {
    /// `None` if standard error does not go to the file at `path`.
    pub fn on_stderr(path: &Path, earlier: &Path, longest: u64) -> Option<Self> {
        let file = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
        let (opened, named) = (file.metadata().ok()?, path.symlink_metadata().ok()?);
        let is_it = opened.is_file() && (opened.dev(), opened.ino()) == (named.dev(), named.ino());
        is_it.then(|| Self {
            path: path.to_owned(),
            earlier: earlier.to_owned(),
            longest,
            file,
            until: longest,
        })
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        match fs::rename(&self.path, &self.earlier) {
            // An attempt before this one may have come so far.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let file = options.append(true).create_new(true).mode(0o600).open(&self.path)?;
        dup2_stdout(&file)?;
        dup2_stderr(&file)?;
        self.file = file;
        Ok(())
    }
}

impl Write for BoundedLog {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let length = self.file.metadata()?.len();
        if length >= self.until {
            self.until = match self.begin_anew() {
                Ok(()) => self.longest,
                // Better too long than lost.
                Err(_) => length + self.longest,
            };
        }
        self.file.write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
