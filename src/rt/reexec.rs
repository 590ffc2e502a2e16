//! Moving a secret out of the command line: the process starts itself anew, with the secret
//! on an inherited memory file instead of in `argv`.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs::{self, File, OpenOptions},
    io::{self, Seek, Write},
    os::{
        fd::{AsRawFd, IntoRawFd, RawFd},
        unix::ffi::OsStringExt,
    },
    path::Path,
};

use nix::{
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{close, execv},
};

const OPEN_FILES: &str = "/proc/self/fd/";

/// What the kernel shows of a memory file, with the name that is given to it here.
const SHOWN: &str = "/memfd:ece-agent-secret";

/// Where in the arguments a secret may stand.
pub enum Place {
    /// The value of this flag.
    Flag(&'static str),
    /// What begins with this text, after these verbs.
    After { verbs: [&'static str; 2], beginning: &'static str },
}

/// If there is a secret at `place`, replaces this process by the same program with `file_flag`
/// and the path of a memory file in its stead. Returns only if there is nothing to do or it
/// cannot be done.
pub fn hide(arguments: &[OsString], place: &Place, file_flag: &str) -> io::Result<()> {
    let found = match place {
        Place::Flag(flag) => split_secret(arguments, flag),
        Place::After { verbs, beginning } => split_positional(arguments, verbs, beginning),
    };
    let Some((replaced, secret)) = found else { return Ok(()) };
    let mut memory = File::from(memfd_create(c"ece-agent-secret", MFdFlags::empty())?);
    memory.write_all(secret.as_encoded_bytes())?;
    memory.rewind()?;
    let path = format!("{OPEN_FILES}{}", memory.as_raw_fd());
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

/// The descriptor of the memory file that a path names, if [`hide`] has made it.
fn memory_file(path: &Path) -> Option<RawFd> {
    let descriptor = path.to_str()?.strip_prefix(OPEN_FILES)?.parse().ok()?;
    let target = fs::read_link(path).ok()?;
    target.to_str()?.starts_with(SHOWN).then_some(descriptor)
}

/// Keeps the memory files that this process was started with from those that it starts: they get
/// descriptors that a child does not inherit, and the arguments name these.
pub fn keep_from_children(arguments: Vec<OsString>) -> io::Result<Vec<OsString>> {
    let kept = |argument: OsString| {
        let Some((flag, path)) = argument.to_str().and_then(|text| text.split_once('=')) else {
            return Ok(argument);
        };
        let Some(inherited) = memory_file(path.as_ref()) else { return Ok(argument) };
        let own = OpenOptions::new().read(true).write(true).open(path)?;
        close(inherited)?;
        Ok(format!("{flag}={OPEN_FILES}{}", own.into_raw_fd()).into())
    };
    arguments.into_iter().map(kept).collect()
}

/// Reads a file that holds a secret, of at most `limit` bytes; `None` if it is not there. A
/// memory file of [`hide`] is empty and closed afterwards.
pub fn read_secret(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(descriptor) = memory_file(path) else {
        return super::files::read_limited(path, limit);
    };
    let memory = OpenOptions::new().read(true).write(true).open(path)?;
    let content = super::files::read_to_limit(&memory, limit);
    memory.set_len(0)?;
    close(descriptor)?;
    content.map(Some)
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

fn split_positional(
    arguments: &[OsString],
    verbs: &[&str; 2],
    beginning: &str,
) -> Option<(Vec<Argument>, OsString)> {
    let [_program, first, second, rest @ ..] = arguments else { return None };
    if [first, second] != verbs.map(OsString::from).each_ref() {
        return None;
    }
    let is_secret =
        |argument: &OsString| argument.as_encoded_bytes().starts_with(beginning.as_bytes());
    let at = arguments.len() - rest.len() + rest.iter().position(is_secret)?;
    let replaced = arguments.iter().enumerate().map(|(index, argument)| match index == at {
        true => Argument::Secret,
        false => Argument::Kept(argument.clone()),
    });
    Some((replaced.collect(), arguments[at].clone()))
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
        let expected =
            Some((vec!["install".to_owned(), "<secret>".into(), "--x".into()], "T".into()));
        assert_eq!(split(&["install", "--roles-token", "T", "--x"]), expected);
        assert_eq!(split(&["install", "--roles-token=T", "--x"]), expected);
    }

    #[test]
    fn a_positional_is_found_after_its_verbs_by_how_it_begins() {
        let found = |texts: &[&str]| {
            let arguments: Vec<OsString> = texts.iter().map(OsString::from).collect();
            split_positional(&arguments, &["token", "revoke"], "eyJ").map(|(_, secret)| secret)
        };
        assert_eq!(
            found(&["a", "token", "revoke", "--state-dir", "d", "eyJT"]),
            Some("eyJT".into())
        );
        assert_eq!(found(&["a", "token", "revoke", "--file", "f"]), None);
        assert_eq!(found(&["a", "token", "list", "eyJT"]), None);
    }

    #[test]
    fn other_flags_are_left_alone() {
        assert_eq!(split(&["install", "--roles-token-file", "F"]), None);
        assert_eq!(split(&["install", "--roles-token"]), None);
    }
}
