use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    model::{Code, Failure, Secret},
    rt::reexec,
};

const MAX_TOKEN_FILE: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the roles token file {0} cannot be read: {1}")]
    Io(PathBuf, io::Error),
    #[error("the roles token file {0} is empty")]
    Empty(PathBuf),
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Failure::new(Code::TokenUnreadable, error.to_string())
    }
}

/// Reads a roles token from a file; `-` is standard input.
pub fn read_token(file: &Path) -> Result<Secret, TokenError> {
    let failed = |error| TokenError::Io(file.to_owned(), error);
    let bytes = if file == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().take(MAX_TOKEN_FILE).read_to_end(&mut bytes).map_err(failed)?;
        bytes
    } else {
        reexec::read_secret(file, MAX_TOKEN_FILE)
            .map_err(failed)?
            .ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?
    };
    let bytes = zeroize::Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "it is not text")))?;
    match text.trim() {
        "" => Err(TokenError::Empty(file.to_owned())),
        text => Ok(Secret::new(text)),
    }
}
