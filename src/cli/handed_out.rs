//! Secrets that are made for whoever asks: to a program alone, to a person with what belongs to
//! them, or into a file.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::shell_word;
use crate::{
    model::{Code, Failure, Secret},
    rt::files,
};

#[derive(clap::Args)]
pub struct OutputArgument {
    /// Write it to this new file, for its owner's eyes alone, and do not print it
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    file: Option<PathBuf>,
}

/// A file that can be written, before there is something to be lost.
pub struct SecretFile(PathBuf);

impl OutputArgument {
    pub fn file(self) -> Result<Option<SecretFile>, Failure> {
        self.file.map(SecretFile::new).transpose()
    }
}

impl SecretFile {
    fn new(given: PathBuf) -> Result<Self, Failure> {
        let path = std::path::absolute(&given).unwrap_or(given);
        let failed = |reason: io::Error| not_written(&path, &reason);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => {
                let file = shell_word(&path.to_string_lossy());
                return Err(failed(io::Error::other("it is there already"))
                    .with_fix(format!("Name another file, or remove this one: 'rm {file}'.")));
            }
            // A device or a link in its place would be replaced.
            Ok(_) => return Err(failed(io::Error::other("it is there, and no plain file"))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Err(_) => {}
        }
        let is_dir = path.parent().is_some_and(Path::is_dir);
        if !is_dir {
            return Err(failed(io::Error::other("its directory is not there")));
        }
        // Whoever cannot write there learns it now.
        let probe = path.with_extension("ece-agent-probe");
        files::write_private(&probe, b"").and_then(|()| files::remove(&probe)).map_err(failed)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, secret: &Secret) -> Result<(), Failure> {
        let line = zeroize::Zeroizing::new(format!("{}\n", secret.expose()));
        files::write_private(&self.0, line.as_bytes()).map_err(|it| not_written(&self.0, &it))
    }
}

fn not_written(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Code::OutputNotWritten, format!("{}: {error}", path.display()))
}
