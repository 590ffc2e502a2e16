//! Files and directories that get another owner, in places where somebody else may have put a link.

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    libc::dev_t,
    sys::stat::{FileStat, Mode, SFlag, fstat},
    unistd::{Gid, Uid, fchown, fchownat},
};

use super::tree::{Level, Owner, is, open_above, open_below, open_dir};

/// Gives a directory of root's and all in it to `owner`, the directory itself last: until then
/// nobody else can change what is in it. In one that is `owner`'s already, what root has put there
/// is given: directories, and plain files with one name. What is in between is left alone.
pub fn give_from_root(path: &Path, owner: Owner) -> io::Result<()> {
    let dir = open_dir(path)?;
    match fstat(&dir)?.st_uid {
        0 => give_below(dir, Giving::All(owner)),
        uid if uid == owner.uid => give_below(dir, Giving::OfRoot(owner)),
        _ => Ok(()),
    }
}

/// Gives what belongs to the user of `from`, or to the group, of a directory and all in it to root.
/// None of that user's processes may be running.
pub fn take_for_root(path: &Path, from: Owner) -> io::Result<()> {
    match open_dir(path) {
        Ok(dir) => give_below(dir, Giving::ToRoot { from }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is given to whom.
enum Giving {
    All(Owner),
    /// What is root's, below a directory of this one's, who may change it meanwhile.
    OfRoot(Owner),
    ToRoot {
        from: Owner,
    },
}

impl Giving {
    /// Whose it is to be, if that is somebody else.
    fn ids(&self, found: &FileStat) -> Option<(Option<Uid>, Option<Gid>)> {
        match self {
            Self::All(owner) => Some(owner.ids()),
            Self::OfRoot(owner) => (found.st_uid == 0).then(|| owner.ids()),
            Self::ToRoot { from } if found.st_uid == from.uid => Some(Owner::ROOT.ids()),
            Self::ToRoot { from } => {
                (found.st_gid == from.gid).then(|| (None, Owner::ROOT.ids().1))
            }
        }
    }

    /// Whether others may take part of what is there away, or put something else there.
    fn is_shared(&self) -> bool {
        matches!(self, Self::OfRoot(_))
    }

    /// Whether there is something to give in a directory so far down. Of those that others may fill
    /// as fast as they are read only the uppermost are entered.
    fn enters(&self, found: &FileStat, depth: usize) -> bool {
        match self {
            Self::All(_) | Self::ToRoot { .. } => true,
            Self::OfRoot(owner) => found.st_uid == 0 || (found.st_uid == owner.uid && depth == 1),
        }
    }

    /// Gives the files in a directory that are on `device`.
    fn files_in(&self, dir: &OwnedFd, device: dev_t) -> io::Result<Level> {
        Level::of(dir, |name, found| match self.ids(found) {
            _ if found.st_dev != device => Ok(()),
            // Its other name may be elsewhere, and of somebody else.
            Some(_) if is(found, SFlag::S_IFREG) && found.st_nlink > 1 => Ok(()),
            Some(_) if self.is_shared() => self.give_plain_file(dir, name, found),
            Some((uid, gid)) => fchownat(dir, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW),
            None => Ok(()),
        })
    }

    /// A link, a device, or a second name for a file that is elsewhere, is not given: it may be
    /// somebody else's who has put it there.
    fn give_plain_file(&self, dir: &OwnedFd, name: &OsStr, found: &FileStat) -> nix::Result<()> {
        if !is_plain_with_one_name(found) {
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = match openat(dir, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::ENOENT | Errno::ELOOP) => return Ok(()),
            Err(error) => return Err(error),
        };
        let found = fstat(&file)?;
        match self.ids(&found).filter(|_| is_plain_with_one_name(&found)) {
            Some((uid, gid)) => fchown(file.as_fd(), uid, gid),
            None => Ok(()),
        }
    }
}

fn is_plain_with_one_name(found: &FileStat) -> bool {
    is(found, SFlag::S_IFREG) && found.st_nlink == 1
}

/// However deep it is, one directory is open at a time: the way back leads over `..`.
fn give_below(mut dir: OwnedFd, giving: Giving) -> io::Result<()> {
    let device = fstat(&dir)?.st_dev;
    let mut levels = vec![giving.files_in(&dir, device)?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.left.pop() {
            let below = match open_below(dir.as_fd(), &name, OFlag::O_DIRECTORY) {
                Err(_) if giving.is_shared() => continue,
                opened => opened?,
            };
            let found = fstat(&below)?;
            // What is mounted there is something else.
            if found.st_dev != device || !giving.enters(&found, levels.len()) {
                continue;
            }
            dir = below;
            levels.push(giving.files_in(&dir, device)?);
            continue;
        }
        if let Some((uid, gid)) = giving.ids(&level.found) {
            fchown(dir.as_fd(), uid, gid)?;
        }
        levels.pop();
        if let Some(above) = levels.last() {
            dir = open_above(&dir, &above.found)?;
        }
    }
    Ok(())
}

/// Gives the directory `dir` and the file `name` in it, which `from` has made, to `to`. What is not
/// `from`'s any more was handed over before.
pub fn hand_over(dir: &Path, name: &str, from: Owner, to: Owner) -> io::Result<()> {
    let dir = open_dir(dir)?;
    if fstat(&dir)?.st_uid != from.uid {
        return Ok(());
    }
    let (uid, gid) = to.ids();
    match open_below(dir.as_fd(), OsStr::new(name), OFlag::empty()) {
        Ok(file) => {
            let found = fstat(&file)?;
            let own = found.st_uid == from.uid || found.st_uid == to.uid;
            // A second name for somebody else's file is not handed over.
            if !is_plain_with_one_name(&found) || !own {
                return Err(io::Error::other(format!("{name} is not what was put there")));
            }
            fchown(file.as_fd(), uid, gid)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fchown(dir.as_fd(), uid, gid)?;
    File::from(dir).sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt, chown, symlink},
    };

    use nix::sys::stat::mkdirat;

    use super::*;

    fn own() -> Owner {
        Owner::of_this_process()
    }

    #[test]
    fn a_tree_however_deep_is_given_with_a_small_stack() {
        let root = tempfile::tempdir().expect("a directory");
        let mut dir = open_dir(root.path()).expect("opened");
        for _ in 0..500 {
            mkdirat(&dir, "d", Mode::from_bits_truncate(0o700)).expect("made");
            dir = open_below(dir.as_fd(), OsStr::new("d"), OFlag::O_DIRECTORY).expect("opened");
        }
        let top = open_dir(root.path()).expect("opened");
        let giving = move || give_below(top, Giving::All(own()));
        let thread = std::thread::Builder::new().stack_size(128 << 10).spawn(giving);
        thread.expect("a thread").join().expect("no panic").expect("given");
    }

    #[test]
    fn what_root_has_put_into_a_directory_of_another_is_given_and_nothing_that_leads_out_of_it() {
        if own().uid != 0 {
            return;
        }
        let (user, other) = (Owner { uid: 65_533, gid: 65_532 }, Owner { uid: 65_531, gid: 7 });
        let root = tempfile::tempdir().expect("a directory");
        let outside = root.path().join("outside");
        fs::write(&outside, "root's").expect("written");
        let (state, below) = (root.path().join("state"), root.path().join("state/coordinator"));
        fs::create_dir_all(below.join("deep")).expect("made");
        for dir in [&state, &below] {
            fs::write(dir.join("plain"), "").expect("written");
            fs::write(dir.join("theirs"), "").expect("written");
            chown(dir.join("theirs"), Some(other.uid), Some(other.gid)).expect("given");
            fs::hard_link(&outside, dir.join("hard")).expect("linked");
            symlink(&outside, dir.join("soft")).expect("linked");
        }
        fs::write(below.join("deep/file"), "").expect("written");
        let owner = |path: &Path| {
            let found = fs::symlink_metadata(path).expect("there");
            Owner { uid: found.uid(), gid: found.gid() }
        };
        for dir in ["own", "own/own"] {
            fs::create_dir(state.join(dir)).expect("made");
            fs::write(state.join(dir).join("file"), "").expect("written");
            chown(state.join(dir), Some(user.uid), Some(user.gid)).expect("given");
        }
        // One that is neither root's nor the user's is somebody else's matter.
        chown(&state, Some(other.uid), Some(other.gid)).expect("given");
        give_from_root(&state, user).expect("left alone");
        assert_eq!(owner(&below), Owner::ROOT);
        chown(&state, Some(user.uid), Some(user.gid)).expect("given");
        give_from_root(&state, user).expect("given");
        for given in
            ["plain", "coordinator", "coordinator/plain", "coordinator/deep/file", "own/file"]
        {
            assert_eq!(owner(&state.join(given)), user, "{given}");
        }
        assert_eq!(owner(&state.join("own/own/file")), Owner::ROOT);
        for kept in ["hard", "soft", "coordinator/hard", "coordinator/soft"] {
            assert_eq!(owner(&state.join(kept)), Owner::ROOT, "{kept}");
        }
        for kept in ["theirs", "coordinator/theirs"] {
            assert_eq!(owner(&state.join(kept)), other, "{kept}");
        }
        assert_eq!(owner(&outside), Owner::ROOT);

        // Root takes back what is the user's, and what only its group has.
        chown(&below, Some(0), None).expect("given");
        take_for_root(&state, user).expect("taken");
        for taken in ["", "plain", "coordinator", "coordinator/deep/file"] {
            assert_eq!(owner(&state.join(taken)), Owner::ROOT, "{taken}");
        }
        assert_eq!(owner(&state.join("theirs")), other);
        // All that is there is given with a directory of root's, but for what has another name, which
        // may be anybody's; and taken back alike.
        give_from_root(&state, user).expect("given");
        assert_eq!(owner(&state.join("theirs")), user);
        assert_eq!(owner(&outside), Owner::ROOT);
        let planted = root.path().join("planted");
        fs::hard_link(state.join("theirs"), &planted).expect("linked");
        take_for_root(&state, user).expect("taken");
        assert_eq!(owner(&planted), user);
    }

    #[test]
    fn only_a_plain_file_with_one_name_is_handed_over() {
        let root = tempfile::tempdir().expect("a directory");
        let other = root.path().join("other");
        fs::write(&other, "somebody else's").expect("written");
        let dir = root.path().join("dir");
        fs::create_dir(&dir).expect("made");
        symlink(&other, dir.join("soft")).expect("linked");
        fs::hard_link(&other, dir.join("hard")).expect("linked");
        fs::write(dir.join("plain"), "").expect("written");
        hand_over(&dir, "soft", own(), own()).expect_err("a link");
        hand_over(&dir, "hard", own(), own()).expect_err("a second name");
        hand_over(&dir, "plain", own(), own()).expect("handed over");
        hand_over(&dir, "missing", own(), own()).expect("nothing to hand over");
    }
}
