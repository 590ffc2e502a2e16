use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// A small file system of its own.
pub struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` for who may not mount one.
    pub fn mount(at: &'a Path, kib: u32) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={kib}k");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then_some(Self(at))
    }

    pub fn fill(&self) {
        let file = self.0.join("filler");
        let mut size = 1 << 20;
        while size >= 512 {
            let mut content = fs::read(&file).unwrap_or_default();
            content.resize(content.len() + size, 0);
            if fs::write(&file, &content).is_err() {
                size /= 2;
            }
        }
    }

    pub fn empty(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
