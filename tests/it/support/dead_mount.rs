use std::{
    fs::File,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// A file system whose server never answers, until it is dropped: whoever looks at it waits.
pub struct DeadMount {
    at: PathBuf,
    server: Option<File>,
}

impl DeadMount {
    /// `None` where none can be made.
    pub fn over(dir: &Path) -> Option<Self> {
        let server = File::options().read(true).write(true).open("/dev/fuse").ok()?;
        let data = format!("fd={},rootmode=40000,user_id=0,group_id=0", server.as_raw_fd());
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("dead"), dir, Some("fuse"), flags, Some(data.as_str())).ok()?;
        Some(Self { at: dir.to_owned(), server: Some(server) })
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // Without a server all who wait get an error.
        drop(self.server.take());
        let _ = umount2(&self.at, MntFlags::MNT_DETACH);
    }
}
