use std::{
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{
    model::{Code, Failure, Secret},
    rt::{reexec, terminal::ask_unseen},
};

const MAX_TOKEN_FILE: u64 = 1 << 20;
const LONGEST_TYPED: usize = 64 << 10;

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

/// Reads a secret from standard input, up to `limit` bytes. A person at a terminal is asked for it,
/// and what is typed is not shown.
pub fn read_standard_input(prompt: &str, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    if io::stdin().is_terminal() {
        return ask_unseen(prompt, LONGEST_TYPED);
    }
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().lock().take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a roles token from a file; `-` is standard input.
pub fn read_token(file: &Path) -> Result<Secret, TokenError> {
    let failed = |error| TokenError::Io(file.to_owned(), error);
    let bytes = if file == Path::new("-") {
        read_standard_input("roles token: ", MAX_TOKEN_FILE).map_err(failed)?
    } else {
        let bytes = reexec::read_secret(file, MAX_TOKEN_FILE).map_err(failed)?;
        Zeroizing::new(bytes.ok_or_else(|| failed(io::Error::other("it is not there")))?)
    };
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| failed(io::Error::new(io::ErrorKind::InvalidData, "it is not text")))?;
    match text.trim() {
        "" => Err(TokenError::Empty(file.to_owned())),
        text => Ok(Secret::new(text)),
    }
}
