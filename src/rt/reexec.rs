//! Moving a secret out of the command line: the process starts itself anew, with the secret
//! on an inherited memory file instead of in `argv`.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs::File,
    io::{self, Seek, Write},
    os::{fd::AsRawFd, unix::ffi::OsStringExt},
};

use nix::{
    fcntl::{FcntlArg, FdFlag, fcntl},
    sys::memfd::{MFdFlags, memfd_create},
    unistd::execv,
};

/// If `arguments` hold `flag` with a value, replaces this process by the same program with
/// `file_flag` and the path of a memory file in their place. Returns only if there is nothing
/// to do or it cannot be done.
pub fn hide_flag(arguments: &[OsString], flag: &str, file_flag: &str) -> io::Result<()> {
    let Some((replaced, secret)) = split_secret(arguments, flag) else { return Ok(()) };
    let mut memory = File::from(memfd_create(c"secret", MFdFlags::empty())?);
    memory.write_all(secret.as_encoded_bytes())?;
    memory.rewind()?;
    let flags = FdFlag::from_bits_truncate(fcntl(&memory, FcntlArg::F_GETFD)?);
    fcntl(&memory, FcntlArg::F_SETFD(flags - FdFlag::FD_CLOEXEC))?;

    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    let arguments = replaced
        .into_iter()
        .map(|argument| match argument {
            Argument::Kept(text) => text,
            Argument::Secret => format!("{file_flag}={path}").into(),
        })
        .map(|text| CString::new(text.into_vec()).map_err(io::Error::other))
        .collect::<io::Result<Vec<CString>>>()?;
    let program = CString::new(std::env::current_exe()?.into_os_string().into_vec())?;
    let _: Infallible = execv(&program, &arguments)?;
    Ok(())
}

enum Argument {
    Kept(OsString),
    Secret,
}

fn split_secret(arguments: &[OsString], flag: &str) -> Option<(Vec<Argument>, OsString)> {
    let prefix = format!("{flag}=");
    let mut replaced = Vec::new();
    let mut secret = None;
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let value = if argument == flag {
            rest.next().cloned()
        } else {
            argument
                .as_encoded_bytes()
                .strip_prefix(prefix.as_bytes())
                .map(|value| OsString::from_vec(value.to_vec()))
        };
        match value {
            Some(value) if secret.is_none() => {
                secret = Some(value);
                replaced.push(Argument::Secret);
            }
            // A second value is dropped with its flag, so that it does not stay visible.
            Some(_) => {}
            None => replaced.push(Argument::Kept(argument.clone())),
        }
    }
    secret.map(|secret| (replaced, secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(arguments: &[&str]) -> Option<(Vec<String>, String)> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (replaced, secret) = split_secret(&arguments, "--roles-token")?;
        let shown = replaced
            .into_iter()
            .map(|argument| match argument {
                Argument::Kept(text) => text.to_string_lossy().into_owned(),
                Argument::Secret => "<secret>".into(),
            })
            .collect();
        Some((shown, secret.to_string_lossy().into_owned()))
    }

    #[test]
    fn both_ways_of_writing_the_flag_are_found() {
        let expected = Some((vec!["install".to_owned(), "<secret>".into(), "--x".into()], "T".into()));
        assert_eq!(split(&["install", "--roles-token", "T", "--x"]), expected);
        assert_eq!(split(&["install", "--roles-token=T", "--x"]), expected);
    }

    #[test]
    fn other_flags_are_left_alone() {
        assert_eq!(split(&["install", "--roles-token-file", "F"]), None);
        assert_eq!(split(&["install", "--roles-token"]), None);
    }
}
