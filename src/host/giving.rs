//! Files and directories that get another owner, in places where somebody else may have put a link.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    libc::{dev_t, ino_t, mode_t, nlink_t},
    sys::stat::{FileStat, Mode, SFlag, fchmod, fstat},
    unistd::{Gid, Uid, fchown, fchownat},
};

use super::tree::{Level, Owner, is, open_above, open_below, open_dir};

/// Gives a directory of root's and all in it to `owner`, the directory itself last: until then
/// nobody else can change what is in it. In one that is `owner`'s already, what root has put there
/// is given: directories, and plain files with one name. What is in between is left alone.
pub fn give_from_root(path: &Path, owner: Owner) -> io::Result<()> {
    let dir = open_dir(path)?;
    match fstat(&dir)?.st_uid {
        0 => give_below(dir, &Giving::All(owner)),
        uid if uid == owner.uid => give_below(dir, &Giving::OfRoot(owner)),
        _ => Ok(()),
    }
}

/// Gives what belongs to the user of `from`, or to the group, of directories and all in them to root.
/// None of that user's processes may be running. How many files, by name, were left to them: those
/// with another name elsewhere, which may be anybody's. Nobody becomes that user by them any more.
pub fn take_for_root(places: &[PathBuf], from: Owner) -> io::Result<usize> {
    let taking = Taking { from, names: RefCell::default(), left: Cell::new(0) };
    for giving in [Giving::Nothing(&taking), Giving::ToRoot(&taking)] {
        for place in places {
            let done = open_dir(place).and_then(|dir| give_below(dir, &giving));
            match done {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("{}: {error}", place.display());
                    return Err(io::Error::new(error.kind(), message));
                }
                Ok(()) => {}
            }
        }
    }
    Ok(taking.left.get())
}

/// What root takes from a user who goes.
struct Taking {
    from: Owner,
    /// Of files that have several names: how many were met.
    names: RefCell<HashMap<(dev_t, ino_t), nlink_t>>,
    left: Cell<usize>,
}

impl Taking {
    fn ids(&self, found: &FileStat) -> Option<(Option<Uid>, Option<Gid>)> {
        match self.from {
            from if found.st_uid == from.uid => Some(Owner::ROOT.ids()),
            from => (found.st_gid == from.gid).then(|| (None, Owner::ROOT.ids().1)),
        }
    }

    fn count(&self, found: &FileStat) {
        *self.names.borrow_mut().entry((found.st_dev, found.st_ino)).or_default() += 1;
    }

    fn has_all_names(&self, found: &FileStat) -> bool {
        self.names.borrow().get(&(found.st_dev, found.st_ino)) == Some(&found.st_nlink)
    }

    /// Whoever gets the user's number next owns it, and nobody else becomes them by it.
    fn leave(&self, dir: &OwnedFd, name: &OsStr, found: &FileStat) -> nix::Result<()> {
        self.left.set(self.left.get() + 1);
        if found.st_mode & SET_ID == 0 {
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = openat(dir, name, flags, Mode::empty())?;
        let found = fstat(&file)?;
        match is(&found, SFlag::S_IFREG) && self.ids(&found).is_some() {
            true => fchmod(&file, Mode::from_bits_truncate(found.st_mode & 0o777)),
            false => Ok(()),
        }
    }
}

/// What makes a program run as whom, or as which group, its file belongs to.
const SET_ID: mode_t = 0o6000;

/// What is given to whom.
enum Giving<'a> {
    All(Owner),
    /// What is root's, below a directory of this one's, who may change it meanwhile.
    OfRoot(Owner),
    ToRoot(&'a Taking),
    /// It is only looked at.
    Nothing(&'a Taking),
}

impl Giving<'_> {
    /// Whose it is to be, if that is somebody else.
    fn ids(&self, found: &FileStat) -> Option<(Option<Uid>, Option<Gid>)> {
        match self {
            Self::All(owner) => Some(owner.ids()),
            Self::OfRoot(owner) => (found.st_uid == 0).then(|| owner.ids()),
            Self::ToRoot(taking) => taking.ids(found),
            Self::Nothing(_) => None,
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
            Self::All(_) | Self::ToRoot(_) | Self::Nothing(_) => true,
            Self::OfRoot(owner) => found.st_uid == 0 || (found.st_uid == owner.uid && depth == 1),
        }
    }

    /// Gives the files in a directory that are on `device`.
    fn files_in(&self, dir: &OwnedFd, device: dev_t) -> io::Result<Level> {
        Level::of(dir, |name, found| match self.ids(found) {
            _ if found.st_dev != device => Ok(()),
            ids if is(found, SFlag::S_IFREG) && found.st_nlink > 1 => match (self, ids) {
                (Self::Nothing(taking), _) => {
                    taking.count(found);
                    Ok(())
                }
                (Self::ToRoot(taking), Some((uid, gid))) if taking.has_all_names(found) => {
                    fchownat(dir, name, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)
                }
                (Self::ToRoot(taking), Some(_)) => taking.leave(dir, name, found),
                // Its other name may be elsewhere, and of somebody else.
                _ => Ok(()),
            },
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
fn give_below(mut dir: OwnedFd, giving: &Giving<'_>) -> io::Result<()> {
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
        os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
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
        let giving = move || give_below(top, &Giving::All(own()));
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
        take_for_root(std::slice::from_ref(&state), user).expect("taken");
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
        fs::hard_link(state.join("plain"), below.join("deep/again")).expect("linked");
        let mode = || fs::metadata(&planted).expect("there").mode() & 0o7777;
        for name in ["theirs", "plain"] {
            let set_id = fs::Permissions::from_mode(0o6755);
            fs::set_permissions(state.join(name), set_id).expect("set");
        }
        // Two places may have the names of one file.
        let places = [state.clone(), root.path().join("storage")];
        fs::create_dir(&places[1]).expect("made");
        fs::hard_link(state.join("plain"), places[1].join("third")).expect("linked");
        assert_eq!(take_for_root(&places, user).expect("taken"), 1);
        assert_eq!((owner(&planted), mode()), (user, 0o755));
        assert_eq!(owner(&below.join("deep/again")), Owner::ROOT);
        assert_eq!(fs::metadata(state.join("plain")).expect("there").mode() & 0o6000, 0);
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
