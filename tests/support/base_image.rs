//! The root filesystem that tests build on: Debian's static busybox.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::Repository;

/// Made once for all tests of this process.
pub(crate) fn busybox_rootfs() -> PathBuf {
    static ARCHIVE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_directory, path) = ARCHIVE.get_or_init(|| {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("busybox.tar");
        let script = Repository::here().path("scripts/busybox-rootfs.sh");
        let status = Command::new(script).arg(&path).status().unwrap();
        assert!(status.success(), "busybox-rootfs.sh failed; is busybox-static installed?");
        (directory, path)
    });
    path.clone()
}
