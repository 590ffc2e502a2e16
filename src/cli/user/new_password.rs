use std::{
    io::{self, IsTerminal},
    path::Path,
};

use zeroize::Zeroizing;

use crate::{
    cli::access::read_password,
    model::{Code, Failure, Secret},
    rt::terminal::ask_unseen,
};

const LONGEST_PASSWORD: usize = 4096;

/// A user's new password: from a file, or typed twice on a terminal where nobody sees it.
pub fn read(user: &str, file: Option<&Path>) -> Result<Secret, Failure> {
    let dash = file.is_none_or(|file| file == Path::new("-"));
    match file {
        _ if dash && io::stdin().is_terminal() => asked(user),
        Some(file) => read_password(file),
        None => Err(none_given("standard input is no terminal")),
    }
}

fn none_given(reason: &str) -> Failure {
    Failure::new(Code::ConfigInvalid, format!("no new password was given: {reason}"))
        .with_fix("Give a file that holds it with --new-password-file; '-' is standard input.")
}

fn asked(user: &str) -> Result<Secret, Failure> {
    let ask = |prompt: &str| -> Result<Zeroizing<Vec<u8>>, Failure> {
        ask_unseen(prompt, LONGEST_PASSWORD).map_err(|error| none_given(&error.to_string()))
    };
    let first = ask(&format!("new password of {user}: "))?;
    if first != ask("the same once more: ")? {
        return Err(none_given("the two are not the same"));
    }
    std::str::from_utf8(&first).map(Secret::new).map_err(|_| none_given("it is not text"))
}
