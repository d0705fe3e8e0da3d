//! A disk that is full sooner than others.

use std::path::PathBuf;
use std::process::Command;

use super::Sandbox;

/// A small file system in memory on which the store lies.
pub(crate) struct SmallDisk {
    mounted: PathBuf,
}

impl SmallDisk {
    pub(crate) fn new(sandbox: &Sandbox) -> SmallDisk {
        let mounted = sandbox.root();
        std::fs::create_dir_all(&mounted).unwrap();
        let disk = SmallDisk { mounted };
        disk.mount("size=64m");
        disk
    }

    pub(crate) fn resize(&self, kilobytes: u64) {
        self.mount(&format!("remount,size={kilobytes}k"));
    }

    /// Kilobytes.
    pub(crate) fn used(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.mounted).unwrap();
        (disk.f_blocks - disk.f_bfree) * disk.f_frsize / 1024
    }

    /// Kilobytes.
    pub(crate) fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.mounted).unwrap();
        disk.f_bfree * disk.f_frsize / 1024
    }

    fn mount(&self, options: &str) {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.mounted);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("-l").arg(&self.mounted).status();
    }
}
